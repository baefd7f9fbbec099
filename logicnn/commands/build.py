"""From a network to a verified bitstream: ``python -m logicnn.build --board icebreaker``."""

import argparse
import contextlib
import json
import shlex
import sys
from pathlib import Path

from logicnn.board import boards
from logicnn.board.boards import Board, Programmer
from logicnn.commands.command import Command
from logicnn.commands.options import baud_rate, only_with, seed, warn_of_old_tools, warn_of_unread_data
from logicnn.engines import Mapping
from logicnn.engines.choose import kinds
from logicnn.errors import LogicnnError, one_line
from logicnn.flow import tools
from logicnn.flow.build import Options, build
from logicnn.flow.design import mapped
from logicnn.flow.progress import Steps
from logicnn.flow.report import Report
from logicnn.network import load

__all__ = ["COMMAND", "program"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--board", required=True, help=f"a board ({', '.join(boards.names())}) or the path of a board file"
    )
    parser.add_argument("--model", default="mnist-luts", help="a shipped network or a .lnn file (default: %(default)s)")
    parser.add_argument(
        "--engine",
        choices=list(kinds()),
        help="the kind to build with, where it can be (default: logic where that fits, else the one that answers "
        "first)",
    )
    parser.add_argument(
        "--output", type=Path, default=Options.output, metavar="DIR", help="folder for builds (default: %(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=Options.seed, help="of place and route (default: 1)")
    parser.add_argument(
        "--verify",
        choices=("full", "quick", "none"),
        default=Options.verify,
        help="vectors to compare (default: %(default)s)",
    )
    parser.add_argument(
        "--data-dir", help="folder of data sets for verification (default: the environment's LOGICNN_DATA)"
    )
    parser.add_argument(
        "--test",
        type=Path,
        metavar="PATH",
        help="samples of your own with their classes, to compare and to state the accuracy on: what `logicnn train` "
        "leaves, or a folder, .npz or .csv as it reads",
    )
    parser.add_argument(
        "--baud", type=baud_rate, default=Options.baud, help="of the serial line (default: %(default)s)"
    )
    parser.add_argument("--program", action="store_true", help="write the board's flash in the end")
    parser.add_argument("--json", action="store_true", help="print report.json instead of the text report")


def _programmer(board: Board) -> Programmer:
    """The first of a board's programmers whose tool is there. Raises `ToolMissing` for the first where none is."""
    if board.programmer is None:
        raise LogicnnError(
            f"board {board.name} names no programmer; give its Board one, or write the bitstream by hand"
        )
    for each in (board.programmer, board.other_programmer):
        if each is not None:
            with contextlib.suppress(tools.ToolMissing):
                tools.programmer(each.tool, each.package)
                return each
    tools.programmer(board.programmer.tool, board.programmer.package)
    raise AssertionError


def _check_program(mapping: Mapping, board: Board) -> None:
    """Refuses, before anything is built, a programmer that cannot write what the build makes."""
    image = "the image of the weights" if mapping.images(board.device) else None
    _programmer(board).commands("the bitstream", image)


def program(board: Board, report: Report) -> None:
    """Writes a board's flash: the bitstream, and the image of the weights where there is one."""
    found, image = _programmer(board), report.flash
    for command in found.commands(report.bitstream.path, image and image.path, image.offset if image else 0):
        tools.program(command, found.package)


def _command(arguments: argparse.Namespace) -> str:
    """What was asked for, as a command; the network by the path, or the name, that was given."""
    words = ["python", "-m", "logicnn.build"]
    for name in ("board", "model", "engine", "output", "seed", "verify", "data_dir", "test", "baud"):
        value = getattr(arguments, name)
        if value is not None and value != getattr(Options, name, None):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def run(arguments: argparse.Namespace) -> None:
    board = boards.find(arguments.board)
    network = load(arguments.model)
    if arguments.program:
        _programmer(board)
    if arguments.verify == "none":
        only_with("--verify full and quick", data_dir=arguments.data_dir, test=arguments.test)
    if arguments.test:
        only_with("builds without --test", data_dir=arguments.data_dir)
    warn_of_unread_data(network, arguments.data_dir)
    warn_of_old_tools("yosys", f"nextpnr-{board.device.family.value}")
    options = Options(
        arguments.output,
        arguments.seed,
        arguments.verify,
        arguments.data_dir,
        arguments.baud,
        arguments.test,
        _command(arguments),
    )
    steps = Steps(quiet=False)
    with steps.step("map", "map layers to engines", "the first search for sums is compiled, half a minute", silent_s=1):
        mapping = mapped(network, board, kinds()[arguments.engine] if arguments.engine else None)
        if arguments.program:
            _check_program(mapping, board)
    report = build(mapping, board, options, steps)
    for warning in report.warnings:
        print(one_line(f"warning: {warning}"), file=sys.stderr)
    sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n" if arguments.json else report.as_text())
    if arguments.program:
        sys.stdout.flush()
        program(board, report)


COMMAND = Command("build", "from a network to a verified bitstream", __doc__, add_arguments, run, writes_to="--output")
