"""Compares builds: a table here, and a page with a plot.

    logicnn report build/icebreaker-194046669cf407da build/ulx3s-194046669cf407da -o builds.html

Each build has a page of its own in its folder, `report.html`.
"""

import argparse
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from logicnn.commands.command import Command
from logicnn.errors import one_line
from logicnn.flow.comparison import HEAD, page, read
from logicnn.storage import replace_file

__all__ = ["COMMAND"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "builds", nargs="+", type=Path, metavar="BUILD", help="the folder of a build, or its report.json"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PAGE", help="write a page, such as builds.html, too")


def run(arguments: argparse.Namespace) -> None:
    builds = [read(path) for path in arguments.builds]
    table = Table(*HEAD, box=box.SIMPLE)
    for each in builds:
        table.add_row(*map(one_line, each.row))
    Console(markup=False, emoji=False).print(table)
    if arguments.output:
        replace_file(arguments.output, page(builds).encode())


COMMAND = Command("report", "compare builds in a table and a page", __doc__, add_arguments, run, writes_to="--output")
