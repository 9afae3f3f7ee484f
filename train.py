#!/usr/bin/env python3
"""Train GLAM: `python train.py --help`. The flags are the release's, and more."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (the message is for those)
    sys.exit("error: this is Python " + sys.version.split()[0] + "; 3.11 to 3.13 is needed: ./run makes it in .venv")

from glam.cli.guard import start

if __name__ == "__main__":
    sys.exit(start("glam.cli.train:train", prog="train.py"))
