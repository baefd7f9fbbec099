"""``python -m logicnn``: the `logicnn` command."""

import sys

from logicnn.commands.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
