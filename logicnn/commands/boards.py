"""Lists the boards that come with the package."""

import argparse
import json

from logicnn.board import boards
from logicnn.commands.command import Command

__all__ = ["COMMAND"]

HEAD = ("board", "device", "logic cells", "memory bits", "DSP", "clock, MHz", "of engines", "programmer")


def _text(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> None:
    rows = boards.table()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    lines = [HEAD, *(tuple(map(_text, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


COMMAND = Command("boards", "the boards that come with the package", __doc__, add_arguments, run)
