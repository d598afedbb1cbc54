"""`python -m lamina` is the command line."""

import sys

from lamina.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
