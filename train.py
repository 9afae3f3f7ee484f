#!/usr/bin/env python3
"""Train GLAM: `python train.py --help`. The flags are the release's, and more."""

import sys

from glam.cli.guard import start

if __name__ == "__main__":
    sys.exit(start("glam.cli.train:train", prog="train.py"))
