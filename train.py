#!/usr/bin/env python3
"""Train GLAM: `python train.py --help`. The flags are the release's, and more."""

import sys

from glam.cli.train import train

if __name__ == "__main__":
    sys.exit(train(prog="train.py"))
