"""Samples to a board and back: ``logicnn run --port /dev/ttyUSB1 seven.png``.

Every class, or output of a network that gives none, is compared with the network's own. The port `sim` is the design
in Amaranth's simulator, with the same bytes on its line.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from logicnn.board import boards
from logicnn.board.classify import Classified, classify, network_of
from logicnn.board.host import Connection, found_port, open_port
from logicnn.board.protocol import BAUD
from logicnn.commands.command import Command
from logicnn.commands.options import baud_rate, count, only_with, seconds, warn_of_unread_data
from logicnn.data import datasets
from logicnn.data.inputs import read_samples
from logicnn.data.sources import data_folder
from logicnn.errors import LogicnnError, one_line
from logicnn.flow.design import check_answers, designed, mapped
from logicnn.flow.simulated_board import SimulatedBoard
from logicnn.network import Network, load

__all__ = ["COMMAND", "connected"]

SIMULATED, AUTO = "sim", "auto"
SIMULATED_TIMEOUT_S = 600.0  # a simulation takes seconds for a sample, of an engine a minute
TIMEOUT_S = 2.0
DEFAULT_MODEL, DEFAULT_BOARD = "mnist-luts", "icebreaker"  # of a simulated board


@contextlib.contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[tuple[Connection, Network]]:
    """The board and the network that it should run."""
    if arguments.port != SIMULATED:
        only_with(f"--port {SIMULATED}", board=arguments.board)
        baud = arguments.baud or BAUD
        port = found_port(_usb(), baud) if arguments.port == AUTO else arguments.port
        with contextlib.closing(open_port(port, baud)) as line:
            connection = Connection(line, port, arguments.timeout or TIMEOUT_S, baud)
            yield connection, network_of(arguments.model, connection.identify())
        return
    only_with("a real port", baud=arguments.baud)
    network = load(arguments.model or DEFAULT_MODEL)
    check_answers(network)
    board = boards.find(arguments.board or DEFAULT_BOARD)
    design = designed(mapped(network, board), board, BAUD)
    with SimulatedBoard(design) as simulated, contextlib.closing(open_port(simulated.port)) as line:
        yield Connection(line, SIMULATED, arguments.timeout or SIMULATED_TIMEOUT_S, new=True), network


def _usb() -> set[tuple[int, int]]:
    """What serial ports of boards are known by."""
    return {each for name in boards.names() for each in boards.find(name).usb}


def _label(network: Network, index: int) -> str:
    return network.labels[index] if network.labels else str(index)


def _confusion(network: Network, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:  # (labels, classes)
    count = network.output.interval.high + 1
    return np.bincount(labels * count + classes, minlength=count * count).reshape(count, count)


def _test_set(network: Network, count: int, folder: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` test samples of the network's data set, and their labels."""
    if not network.dataset:
        raise LogicnnError(f"{network.name or 'the network'} names no data set, so that it has no test set; give files")
    test = datasets.load(network.dataset, folder).test
    if count > len(test.x):
        raise LogicnnError(
            f"--test-set must be at most {len(test.x)}, the test samples of {network.dataset}, not {count}"
        )
    return test.x[:count], test.y[:count].astype(np.int64)


def _report(network: Network, found: Classified, names: list[str], labels: np.ndarray | None) -> dict[str, Any]:
    """What `--json` prints."""
    rate = len(found.answers) / found.seconds if found.seconds else 0.0
    common: dict[str, Any] = {
        "model": network.name,
        "digest": network.digest(),
        "samples": len(found.answers),
        "images_per_second": round(rate, 3),
        "counters": {"images": found.counters.images, "errors": found.counters.errors},
        "damaged_frames": found.damaged,
        **({} if found.cycles is None else {"cycles": found.cycles.tolist()}),
    }
    pairs = list(zip(names, found.answers.tolist(), strict=True)) if names else []
    if not network.decides:
        common["outputs"] = [{"sample": name, "outputs": each} for name, each in pairs]
    elif names:
        common["classes"] = [{"sample": name, "class": each, "label": _label(network, each)} for name, each in pairs]
    if labels is not None and network.decides:
        confusion = _confusion(network, labels, found.answers)
        accuracy = float(np.trace(confusion) / max(1, len(labels)))
        source = {} if names else {"dataset": network.dataset}
        common |= source | {"accuracy": accuracy, "confusion": confusion.tolist()}
    return common


def _show(network: Network, report: dict[str, Any]) -> None:
    """The same for people."""
    for each in report.get("classes", ()):
        print(one_line(f"{each['sample']}: {each['label']}"))
    for each in report.get("outputs", ()):
        print(f"{one_line(each['sample'])}: {' '.join(map(str, np.ravel(each['outputs']).tolist()))}")
    if "confusion" in report:
        names = [one_line(_label(network, index)) for index in range(len(report["confusion"]))]
        table = Table("label \\ class", *names, "right")
        for index, row in enumerate(report["confusion"]):
            right = f"{row[index] / sum(row):.1%}" if sum(row) else "-"
            table.add_row(names[index], *(str(each) if each else "." for each in row), right)
        Console(width=None if sys.stdout.isatty() else 200, markup=False, emoji=False).print(table)
        which = f"{report['dataset']} test samples" if "dataset" in report else "labelled samples"
        print(f"accuracy {report['accuracy']:.2%} of {report['samples']} {which}; all as the network computes")
    if cycles := report.get("cycles"):
        print(f"cycles of a sample, as the board counts: {min(cycles)} to {max(cycles)}, mean {np.mean(cycles):.1f}")
    counters = report["counters"]
    print(
        f"{report['images_per_second']:.1f} samples a second; board: {counters['images']} classified, "
        f"{counters['errors']} errors; "
        f"line: {report['damaged_frames']} damaged frames"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "samples",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="pictures, or .csv files with a sample a row, perhaps with a column `label`",
    )
    parser.add_argument(
        "--port",
        required=True,
        help=f"the board's serial port, {AUTO} to look for it, or {SIMULATED} for a simulated board",
    )
    parser.add_argument(
        "--model", help=f"a shipped network or a .lnn file (default: what the board runs; {SIMULATED}: {DEFAULT_MODEL})"
    )
    parser.add_argument(
        "--test-set", type=count, metavar="N", help="the first N test samples of the network's data set"
    )
    parser.add_argument("--data-dir", help="folder of data sets (default: the environment's LOGICNN_DATA)")
    parser.add_argument("--baud", type=baud_rate, help=f"of a real port (default: {BAUD})")
    times = f"{TIMEOUT_S:g}; {SIMULATED}: {SIMULATED_TIMEOUT_S:g}"
    parser.add_argument("--timeout", type=seconds, metavar="S", help=f"seconds for an answer (default: {times})")
    parser.add_argument("--board", help=f"whose design {SIMULATED} runs (default: {DEFAULT_BOARD})")
    parser.add_argument("--resize", action="store_true", help="average pictures of another size to the network's")
    parser.add_argument("--invert", action="store_true", help="black is white: for dark ink on paper")
    parser.add_argument(
        "--counters", action="store_true", help="ask the board for the cycles of each sample, sent one by one"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(arguments: argparse.Namespace) -> None:
    """The run command."""
    if bool(arguments.samples) == bool(arguments.test_set):
        raise LogicnnError("give either files or --test-set N")
    if arguments.test_set:
        only_with("pictures in files", resize=arguments.resize, invert=arguments.invert)
    else:
        only_with("--test-set", data_dir=arguments.data_dir)
    data_folder(arguments.data_dir)  # before the board is asked for anything
    with connected(arguments) as (connection, network):
        warn_of_unread_data(network, arguments.data_dir)
        labels = None
        if arguments.test_set:
            names: list[str] = []
            x, labels = _test_set(network, arguments.test_set, arguments.data_dir)
        else:
            given = read_samples(network, arguments.samples, resize=arguments.resize, invert=arguments.invert)
            names, x, labels = given.names, given.x, given.labels
        report = _report(network, classify(connection, network, x, timed=arguments.counters), names, labels)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _show(network, report)


COMMAND = Command("run", "samples to a board and back", __doc__, add_arguments, run)
