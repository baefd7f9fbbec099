"""The `build` command by itself: ``python -m logicnn.build --board icebreaker``."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    from logicnn.commands.build import COMMAND
    from logicnn.commands.command import run_command

    return run_command(COMMAND, "python -m logicnn.build", argv)


if __name__ == "__main__":
    sys.exit(main())
