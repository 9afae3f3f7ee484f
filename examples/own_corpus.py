#!/usr/bin/env python3
"""A corpus of one's own, trained on and reported: python examples/own_corpus.py FOLDER

Its recordings are called <speaker>-<emotion>-<number>.wav. Names like these fit into a scheme of a few lines of YAML,
too, and what a table says (file, emotion, speaker) needs neither: docs/corpora.md. A function can do whatever else.
"""

import argparse
from pathlib import Path

import glam
from glam.corpora.utterances import Corpus, Problem, Utterance


def read(name: str, root: Path) -> Corpus:
    """The utterances of the folder. None is opened here; what has another name is a problem, counted in reports."""
    utterances, problems = [], []
    for path in sorted(root.glob("*.wav")):
        parts = path.stem.split("-")
        if len(parts) != 3:
            problems.append(Problem("another name", path.name, "expected <speaker>-<emotion>-<number>.wav"))
            continue
        speaker, emotion, _ = parts
        groups = {"gender": "female" if speaker.startswith("f") else "male"}  # splits and scores can go by it
        utterances.append(Utterance(path.stem, emotion, speaker, path.name, groups))
    return Corpus(name, root, utterances=tuple(utterances), problems=tuple(problems))


def main() -> None:
    """Train on the folder, leaving one speaker out at a time, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    corpus = glam.load_corpus(f"{Path(__file__).resolve()}:read", args.folder)
    settings = {
        "split.name": "leave-speaker-out",
        "training.epochs": args.epochs,
        "cut.padding": "repeat",  # short recordings count, too
    }
    experiment = glam.train("mhcnn-released", corpus, settings)
    print(glam.report(experiment))


if __name__ == "__main__":
    main()
