#!/usr/bin/env python3
"""A model of one's own, trained, asked and reported: python examples/own_model.py emodb FOLDER RECORDING

On the command line it is the same: glam train --set model.name=examples/own_model.py:statistics
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

import glam


class Statistics(nn.Module):
    """Mean and standard deviation over time of one convolution, and a linear layer."""

    def __init__(self, classes: int, coefficients: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(coefficients, channels, 5, padding=2)
        self.classify = nn.Linear(2 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (rows, classes) of rows (rows, coefficients, frames)."""
        y = torch.relu(self.convolution(x))
        logits: Tensor = self.classify(torch.cat([y.mean(-1), y.std(-1)], dim=1))
        return logits


def statistics(classes: int, audio: tuple[int, int], *, channels: int = 32) -> Statistics:
    """The model as recipes know it: of one input, which they call audio, and with one option."""
    return Statistics(classes, audio[0], channels)


def main() -> None:
    """Train it in the place of a recipe's model, print the report, and ask it about a recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="a name that `glam corpus` lists, or a table (my.csv)")
    parser.add_argument("folder", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    mine = Path(__file__).resolve()
    settings = {
        "model": {"name": f"{mine}:statistics", "channels": 16},
        "training.epochs": args.epochs,
        "cut.padding": "repeat",
    }
    experiment = glam.train("glam-released", glam.load_corpus(args.corpus, args.folder), settings, seeds=2)
    print(glam.report(experiment))

    # A saved model names the file that it is made with, which is run only where it is given.
    model = glam.load(experiment.folder, code=[mine])
    answer = glam.predict(model, args.recording)
    probabilities = answer.probabilities.round(3).tolist()
    print(f"{answer.file}: {answer.predicted}", dict(zip(answer.classes, probabilities, strict=True)))


if __name__ == "__main__":
    main()
