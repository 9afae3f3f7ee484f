#!/usr/bin/env python3
"""One run from recordings to a score, in a loop of one's own: python examples/one_run.py emodb FOLDER

The parts are the package's, and the loop is yours to change. Nothing is stored; `glam train` does all of this for any
recipe, with checkpoints, and keeps what was predicted in every epoch.
"""

import argparse

import numpy as np
import torch
from torch.nn.functional import cross_entropy

import glam
from glam.corpora.audio import read_audio
from glam.evaluation.intervals import interval_of_share
from glam.evaluation.metrics import confusion_matrix, scores_of, utterance_logits
from glam.inputs.cut import Segments
from glam.inputs.spectral import Mfcc
from glam.models.architectures import glam as network
from glam.splits.groups import groups_of
from glam.splits.protocols import LeaveSpeakerOut
from glam.splits.runs import RunKey

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("corpus", help="a name that `glam corpus` lists, or a table (my.csv)")
parser.add_argument("folder", nargs="?", help="where it lies (as the environment or path.py says)")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--length", type=float, default=1.8, help="of a segment, in seconds")


def main() -> None:
    """The run."""
    args = parser.parse_args()

    # A corpus is a list of utterances: who says it, what the raters heard, where it lies. A class for each label.
    corpus = glam.load_corpus(args.corpus, args.folder)
    utterances = corpus.utterances
    classes = sorted({utterance.label for utterance in utterances})
    target = np.array([classes.index(utterance.label) for utterance in utterances])
    print(f"{len(utterances)} utterances, {len(corpus.problems)} that cannot be used; classes: {', '.join(classes)}")

    # Utterances are cut into segments that overlap by half, and a segment becomes MFCC: 26 coefficients by frames.
    # A short utterance is repeated until it fills a segment.
    cut = Segments(name="segments", length=args.length, train_overlap=args.length / 2, padding="repeat")
    features = Mfcc().extractor(cut)
    rows, counts = [], []
    for utterance in utterances:
        samples = read_audio(corpus.root / utterance.audio, utterance.start, utterance.end)
        samples = np.tile(samples, cut.padded(len(samples)) // len(samples))
        rows += [row for row, _ in features(utterance, samples, "train")]
        counts.append(cut.rows(utterance.samples, "train"))
    x = torch.from_numpy(np.concatenate(rows))
    owner = np.repeat(np.arange(len(utterances)), counts)  # the utterance that each segment is of

    # The first speaker is tested, another one is for choosing the epoch, and all others are trained on.
    protocol = LeaveSpeakerOut(name="leave-speaker-out")
    split = protocol.split(groups_of(utterances), RunKey(seed=2021, fold=1))
    chosen_on, tested = split.held_out[: split.validation_only], split.scored
    train = torch.from_numpy(np.flatnonzero(np.isin(owner, split.train)))
    y = torch.from_numpy(target[owner])
    print(f"{len(split.train)} utterances to train on, {len(chosen_on)} to choose the epoch on, {len(tested)} to test")

    # A model is a function of the number of classes and the shape of a row; it gives logits.
    torch.manual_seed(2021)
    model = network(len(classes), (x.shape[1], x.shape[2]))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)

    def confusion(which: np.ndarray) -> np.ndarray:
        """Rows truth, columns prediction: an utterance is what the mean of its segments' logits says."""
        model.eval()
        own = np.concatenate([np.flatnonzero(owner == i) for i in which])
        with torch.inference_mode():
            logits = torch.cat([model(part) for part in x[own].split(64)]).numpy()
        offsets = np.concatenate([[0], np.cumsum(np.array(counts)[which])])
        predicted = utterance_logits(logits, offsets).argmax(axis=1)
        return confusion_matrix(target[which], predicted, len(classes))

    best, kept = -1.0, confusion(tested)
    for epoch in range(1, args.epochs + 1):
        model.train()
        for batch in train[torch.randperm(len(train))].split(32):
            if len(batch) > 1:  # batch normalisation needs two
                optimiser.zero_grad()
                cross_entropy(model(x[batch]), y[batch]).backward()
                optimiser.step()
        choice = scores_of(confusion(chosen_on))
        print(f"epoch {epoch}: WA {choice.wa:.1f}, UA {choice.ua:.1f} of the speaker who chooses")
        if choice.wa + choice.ua > best:
            best, kept = choice.wa + choice.ua, confusion(tested)

    # One speaker is one speaker: the interval is for other utterances of this one, not for other people.
    scores = scores_of(kept)
    interval = interval_of_share(float(np.trace(kept)), int(kept.sum()))
    print(f"test: WA {scores.wa:.1f} ({interval.low:.1f} to {interval.high:.1f}), UA {scores.ua:.1f}")
    print(f"always the commonest class: WA {100 * kept.sum(axis=1).max() / kept.sum():.1f}")


if __name__ == "__main__":
    main()
