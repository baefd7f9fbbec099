"""Samples to a board and back: ``logicnn run --port /dev/ttyUSB1 seven.png``.

Every class is compared with the network's own. The port `sim` is the design in Amaranth's simulator, with the same bytes on its line.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from logicnn import boards, build, datasets
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.files import load, shipped
from logicnn.host import Connection, HostError, open_port
from logicnn.inputs import read_samples
from logicnn.network import Network
from logicnn.protocol import BAUD, Counters, Identity, pack_sample
from logicnn.simulated_board import SimulatedBoard

__all__ = ["Classified", "add_arguments", "classify", "run"]

SIMULATED = "sim"
SIMULATED_TIMEOUT_S = 600.0  # a simulation takes seconds for a sample, of an engine a minute
TIMEOUT_S = 2.0
DEFAULT = "mnist-bnn"


@dataclass(frozen=True)
class Classified:
    """Classes (n,) that a board gave to n samples, the seconds that it took, and what its counters and the line counted meanwhile."""

    classes: np.ndarray
    seconds: float
    counters: Counters
    damaged: int


def packed(network: Network, identity: Identity, x: np.ndarray) -> list[bytes]:
    """Samples x (n, *input.shape) as the board takes them."""
    return [pack_sample(values, identity.word) for values in network.encoded_words(x)]


def classify(connection: Connection, network: Network, x: np.ndarray) -> Classified:
    """Sends all samples and compares every class with `Network.evaluate`, with a progress bar on a terminal.

    Raises `CheckFailed` with the first sample that differs, its class and the board's.
    """
    identity = connection.check(network.digest(), network.name)
    expected = network.evaluate(x)
    classes = np.zeros(len(x), np.int64)
    before, start = connection.counters(), time.perf_counter()
    columns = TextColumn("classify"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(x))
        for index, found in connection.classify(packed(network, identity, x)):
            classes[index] = found
            progress.advance(task)
    seconds, after = time.perf_counter() - start, connection.counters()
    differs = np.flatnonzero(classes != expected)
    if len(differs):
        first = int(differs[0])
        raise CheckFailed(
            f"the board differs from the network on {len(differs)} of {len(x)} samples: sample {first} should give {expected[first]} "
            f"but gives {classes[first]}"
        )
    return Classified(classes, seconds, after.since(before), connection.damaged)


def network_of(model: str | None, identity: Identity) -> Network:
    """The network `model`, or without one the shipped network that the board runs."""
    if model is not None:
        return load(model)
    for name in shipped():
        network = load(name)
        if network.digest() == identity.digest:
            return network
    raise HostError(f"the board runs {identity.name or 'a network'} {identity.digest[:12]}, which is not shipped; give its file as --model")


@contextlib.contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[tuple[Connection, Network]]:
    """The board and the network that it should run."""
    if arguments.port != SIMULATED:
        with contextlib.closing(open_port(arguments.port, arguments.baud)) as line:
            connection = Connection(line, arguments.port, arguments.timeout or TIMEOUT_S, arguments.baud)
            yield connection, network_of(arguments.model, connection.identify())
        return
    network = load(arguments.model or DEFAULT)
    build.check_answers_a_byte(network)
    board = boards.find(arguments.board)
    with SimulatedBoard(build.mapped(network, board)) as simulated, contextlib.closing(open_port(simulated.port)) as line:
        yield Connection(line, SIMULATED, arguments.timeout or SIMULATED_TIMEOUT_S), network


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
        raise LogicnnError(f"--test-set must be at most {len(test.x)}, the test samples of {network.dataset}, not {count}")
    return test.x[:count], test.y[:count].astype(np.int64)


def _report(network: Network, found: Classified, names: list[str], labels: np.ndarray | None) -> dict[str, Any]:
    """What `--json` prints."""
    rate = len(found.classes) / found.seconds if found.seconds else 0.0
    common: dict[str, Any] = {
        "model": network.name,
        "digest": network.digest(),
        "samples": len(found.classes),
        "images_per_second": round(rate, 3),
        "counters": asdict(found.counters),
        "damaged_frames": found.damaged,
    }
    if labels is None:
        pairs = zip(names, found.classes.tolist(), strict=True)
        return common | {"classes": [{"sample": name, "class": each, "label": _label(network, each)} for name, each in pairs]}
    confusion = _confusion(network, labels, found.classes)
    accuracy = float(np.trace(confusion) / max(1, len(labels)))
    return common | {"dataset": network.dataset, "accuracy": accuracy, "confusion": confusion.tolist()}


def _show(network: Network, report: dict[str, Any]) -> None:
    """The same for people."""
    for each in report.get("classes", ()):
        print(f"{each['sample']}: {each['label']}")
    if "confusion" in report:
        table = Table("label \\ class", *(_label(network, index) for index in range(len(report["confusion"]))), "right")
        for index, row in enumerate(report["confusion"]):
            right = f"{row[index] / sum(row):.1%}" if sum(row) else "-"
            table.add_row(_label(network, index), *(str(each) if each else "." for each in row), right)
        Console(width=None if sys.stdout.isatty() else 200).print(table)
        print(f"accuracy {report['accuracy']:.2%} of {report['samples']} {report['dataset']} test samples; all as the network computes")
    counters = report["counters"]
    print(
        f"{report['images_per_second']:.1f} samples a second; board: {counters['images']} classified, {counters['errors']} errors; "
        f"line: {report['damaged_frames']} damaged frames"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"must lie in 0 ... 3600 seconds, not {text!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("samples", nargs="*", type=Path, metavar="FILE", help="pictures, or .csv files with a sample a row")
    parser.add_argument("--port", required=True, help=f"the board's serial port, or {SIMULATED} for a simulated board")
    parser.add_argument("--model", help=f"a shipped network or a .lnn file (default: what the board runs; {SIMULATED}: {DEFAULT})")
    parser.add_argument("--test-set", type=_count, metavar="N", help="the first N test samples of the network's data set")
    parser.add_argument("--data-dir", help="folder of data sets (default: the environment's LOGICNN_DATA)")
    parser.add_argument("--baud", type=build.baud_rate, default=BAUD, help="of a real port (default: %(default)s)")
    times = f"{TIMEOUT_S:g}; {SIMULATED}: {SIMULATED_TIMEOUT_S:g}"
    parser.add_argument("--timeout", type=_seconds, metavar="S", help=f"seconds for an answer (default: {times})")
    parser.add_argument("--board", default="icebreaker", help=f"whose design {SIMULATED} runs (default: %(default)s)")
    parser.add_argument("--resize", action="store_true", help="average pictures of another size to the network's")
    parser.add_argument("--invert", action="store_true", help="black is white: for dark ink on paper")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(arguments: argparse.Namespace) -> None:
    """The run command."""
    if bool(arguments.samples) == bool(arguments.test_set):
        raise LogicnnError("give either files or --test-set N")
    with connected(arguments) as (connection, network):
        labels = None
        if arguments.test_set:
            names: list[str] = []
            x, labels = _test_set(network, arguments.test_set, arguments.data_dir)
        else:
            names, x = read_samples(network, arguments.samples, resize=arguments.resize, invert=arguments.invert)
        report = _report(network, classify(connection, network, x), names, labels)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _show(network, report)
