#!/usr/bin/env python3
"""Write seeds.txt: the release's 100 seeds, one a line."""

import argparse
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (the message is for those)
    sys.exit("error: this is Python " + sys.version.split()[0] + "; 3.11 to 3.13 is needed: ./run makes it in .venv")

from glam.cli.flags import place
from glam.cli.guard import guarded


def main() -> int:
    """Write the file; 2 where that is not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=place, nargs="?", default=Path("seeds.txt"), help="where to (seeds.txt)")
    args = parser.parse_args()
    return guarded(lambda: write(args.output))


def write(path: Path) -> None:
    """Write the seeds to a file, in one piece."""
    from glam.files import write_text
    from glam.splits.runs import seeds

    write_text(path, "".join(f"{seed}\n" for seed in seeds()))
    print(f"{len(seeds())} seeds in {path}")


if __name__ == "__main__":
    sys.exit(main())
