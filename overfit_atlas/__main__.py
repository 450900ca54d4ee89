"""`python -m overfit_atlas`: the same as the command `overfit-atlas`."""

import sys

from overfit_atlas.cli import main

if __name__ == "__main__":
    sys.exit(main())
