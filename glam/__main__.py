"""`python -m glam` is `glam`."""

import sys

from glam.cli.guard import start


def main() -> int:
    """The command `glam`."""
    return start("glam.cli.main:main")


if __name__ == "__main__":
    sys.exit(main())
