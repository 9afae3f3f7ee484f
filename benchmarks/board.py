#!/usr/bin/env python3
"""The models of this project on an open corpus, side by side: `python benchmarks/board.py emodb -d FOLDER`.

Each is trained twice: leaving one speaker out, and on as many random folds of the same sizes, where the speakers of the
test are those of the training. What is stored already is not trained again, so that the command goes on where its time
was up; what is left then is marked as not run.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's package, called from anywhere

import glam
from glam.cli.guard import guarded
from glam.corpora.audio import RATE
from glam.corpora.utterances import Corpus
from glam.files import write_text
from glam.inputs.cut import Segments
from glam.recipe import Recipe, load_recipe
from glam.reports.folds import pool
from glam.reports.grid import grid, signed
from glam.reports.runs import Read, on_stderr, read_results
from glam.reports.spread import INTERVALS, between, intervals_of
from glam.results.experiment import StoredExperiment
from glam.running.notebook import prepared
from glam.splits.population import composition_line
from glam.words import counted

# The paper's own model early, then the cheapest, so that little time fills many rows.
RECIPES = (
    "mhcnn-released",
    "glam-released",
    "glrf-deep-cnn",
    "aacnn-paper",
    "apcnn-released",
    "multi-scale-released",
    "audio-cnn",
    "glrf-light-sernet",
    "glrf",
    "glrf-drn-mhsa",
    "multi-scale-mha-released",
    "multi-scale-aa-released",
    "audio-cnn-xvector",
    "text-cnn",
    "mscnn-spu",
    "mscnn-spu-att",
)
COLUMNS = ("model", "recipe", "WA, speakers", "UA, speakers", "WA, utterances", "UA, utterances", "UA, difference")
HEAD = """# The models side by side

Written by `{command}`, which goes on where its time was up. Nothing here is typed by hand. WA and UA in percent.
"""


@dataclass(frozen=True)
class Cells:
    """WA and UA of one protocol with their intervals, as text; and the UA as a number."""

    wa: str
    ua: str
    value: float


class TimeIsUp(Exception):
    """The minutes that were given are over."""


def main() -> int:
    """The command; its exit status."""
    return guarded(_work, "what was finished by then is kept, and the same command goes on")


def _work() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="a corpus as `glam corpus` lists it")
    parser.add_argument("-d", "--datadir", type=Path, metavar="FOLDER", help="where it lies (see path.py)")
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="of each run (10)")
    parser.add_argument("--hop", type=float, default=0.9, metavar="S", help="from a segment to the next (0.9)")
    parser.add_argument(
        "--minutes", type=float, default=60.0, metavar="N", help="then no more is trained (60); 0 for none at all"
    )
    parser.add_argument("--recipes", nargs="+", default=RECIPES, metavar="NAME", help="which ones (all)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (the terminal)")
    args = parser.parse_args()
    corpus = glam.load_corpus(args.corpus, args.datadir)
    lacking = {name: why for name in args.recipes if (why := _lacks(load_recipe(name), corpus))}
    fields = {name: _fields(name, corpus, args.epochs, args.hop) for name in args.recipes if name not in lacking}
    if args.minutes > 0:
        with _at_most(60 * args.minutes):
            for name, protocols in fields.items():
                for protocol in protocols:
                    glam.train(name, corpus, protocol, save_model="none")
    stored = [
        (prepared(name, corpus, speakers).stored, prepared(name, corpus, utterances).stored)
        for name, (speakers, utterances) in fields.items()
    ]
    command = ["python", "benchmarks/board.py", args.corpus, "--epochs", str(args.epochs), "--hop", f"{args.hop:g}"]
    command += [] if tuple(args.recipes) == RECIPES else ["--recipes", *args.recipes]
    text = page(stored, lacking, HEAD.format(command=shlex.join(command)), f"{args.hop:g} s apart")
    if args.output is None:
        print(text, end="")
    else:
        write_text(args.output, text)


def _lacks(recipe: Recipe, corpus: Corpus) -> str:
    """The reason why a recipe cannot be trained on the corpus alone; empty where it can."""
    needs = {settings.make().needs for settings in recipe.inputs.values()}
    without_words = "words" in needs and not any(utterance.words for utterance in corpus.utterances)
    lacking = ["words"] * without_words + ["x-vectors"] * ("vector" in needs)
    return f"not run: needs {' and '.join(lacking)}" if lacking else ""


def _fields(name: str, corpus: Corpus, epochs: int, hop: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a recipe in each of the two protocols; all of the corpus, and all of its utterances."""
    folds = len({utterance.speaker for utterance in corpus.utterances})
    fields: dict[str, Any] = {"training.epochs": epochs}
    if isinstance(load_recipe(name).cut, Segments):
        samples = round(hop * RATE)
        fields |= {"cut.padding": "repeat", "cut.train_hop": samples, "cut.test_hop": samples}
    return (
        fields | {"split": {"name": "leave-speaker-out"}},
        fields | {"split": {"name": "k-fold", "folds": folds, "validation": "next"}},
    )


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the block after so many seconds, as Ctrl-C would: the runs under way are kept as they are."""

    def stop(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimeIsUp:
        print(f"the {seconds / 60:g} minutes are over; the same command goes on", file=sys.stderr)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def cells(experiment: StoredExperiment) -> Cells | str:
    """The scores of an experiment with folds; where not all of them are stored, how many are."""
    read = read_results(experiment, "validation") if experiment.folder.is_dir() else Read(experiment, "validation")
    for reason in read.left_out:
        on_stderr(reason)
    results = read.results
    folds = pool(experiment, results)
    if not folds.pooled:
        return f"not run ({len(results)} of {len(experiment.folds)} folds)" if results else "not run"
    (pooled,) = folds.pooled
    of_wa, of_ua, *_ = intervals_of(experiment, results).rows
    kind = INTERVALS.index("other speakers" if experiment.split.left_out else "other utterances")
    return Cells(
        f"{pooled.scores.wa:.1f} ({between(of_wa.intervals[kind])})",
        f"{pooled.scores.ua:.1f} ({between(of_ua.intervals[kind])})",
        pooled.scores.ua,
    )


def page(
    stored: Sequence[tuple[StoredExperiment, StoredExperiment]], lacking: Mapping[str, str], head: str, how: str
) -> str:
    """The page as Markdown. stored: of each recipe, both protocols. lacking: recipe -> why it cannot be trained."""
    rows = []
    for pair in stored:
        speakers, utterances = map(cells, pair)
        gap = "-"
        if isinstance(speakers, Cells) and isinstance(utterances, Cells):
            gap = signed(utterances.value - speakers.value)
        rows.append([pair[0].recipe.model.title, pair[0].name, *_pair(speakers), *_pair(utterances), gap])
    rows += [[load_recipe(name).model.title, name, why, *"----"] for name, why in lacking.items()]
    about = [*_about(stored[0], how), ""] if stored else []
    return "\n".join([head, *about, grid(COLUMNS, rows)]) + "\n"


def _about(pair: tuple[StoredExperiment, StoredExperiment], how: str) -> list[str]:
    speakers, utterances = pair
    sizes = [sum(labels.values()) for labels in speakers.composition.classes.values()]
    majority, chance = 100 * max(sizes) / sum(sizes), 100 / len(sizes)
    return [
        f"* {composition_line(speakers.composition)}.",
        f"* **Few epochs: {speakers.recipe.training.epochs}**, one seed, and segments {how}. The papers train for 50 "
        "to 300 epochs, on segments that overlap more: this is no reproduction, and a model that learns slowly (the "
        "learning rate of Deep-CNN is 1e-5) stands lower than it could. All else is as the recipe says.",
        f"* Speakers: {counted(len(speakers.folds), 'fold')}, each of a speaker who is not trained on; another one "
        "chooses the epoch. In brackets the 95 % interval for other speakers: Student's t over the speakers' own "
        "scores, each counting the same, so that its middle is not the score; a dash where too few speakers have every "
        "class.",
        f"* Utterances: {counted(len(utterances.folds), 'fold')} drawn at random, of which the next one chooses the "
        "epoch. There is as much to train on, but the speakers of the test are those of the training. In brackets the "
        "95 % interval for other utterances of these speakers. The last column is what that adds to UA.",
        "* Scores are of the predictions of all folds together. Always answering the commonest class has WA "
        f"{majority:.1f} and UA {chance:.1f}.",
        "* Where intervals overlap much, models are not told apart; `glam compare A B` pairs them.",
    ]


def _pair(of: Cells | str) -> tuple[str, str]:
    return (of, "-") if isinstance(of, str) else (of.wa, of.ua)


if __name__ == "__main__":
    sys.exit(main())
