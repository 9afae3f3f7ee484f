"""`python -m glam` is `glam`."""

import sys

from glam.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
