"""Values of options, checked as they are read."""

import argparse
import sys

from logicnn.data import datasets
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.network import Network

__all__ = [
    "add_own_data",
    "baud_rate",
    "count",
    "minutes",
    "only_with",
    "period",
    "seconds",
    "seed",
    "warn_of_old_tools",
    "warn_of_unread_data",
]

MOST_MINUTES = 100_000


def _whole(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A seed of place and route."""
    return _whole(text, 0, (1 << 31) - 1)


def baud_rate(text: str) -> int:
    return _whole(text, 300, 12_000_000)


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, not {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"must lie in 0 ... 3600 seconds, not {text!r}")
    return value


def minutes(text: str) -> float:
    value = _number(text)
    if not 0 < value <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"must be a number of minutes above 0, not {text!r}")
    return value


def period(text: str) -> float:
    """A clock period in ns."""
    value = _number(text)
    if not 0.1 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"must lie in 0.1 ... 1000000 ns, not {text!r}")
    return value


def add_own_data(parser: argparse.ArgumentParser) -> None:
    """What says how `--data` is read, as `logicnn.data.own.read_own` does."""
    parser.add_argument("--label", metavar="NAME", help="column that says the class, of a .csv (default: label)")
    parser.add_argument("--drop", nargs="+", default=(), metavar="NAME", help="columns of a .csv to leave out")
    parser.add_argument(
        "--size", type=count, nargs=2, metavar=("HEIGHT", "WIDTH"), help="what pictures are averaged to"
    )


def only_with(condition: str, **given: object) -> None:
    """Refuses options that nothing would read: those that were given although they are for `condition` alone."""
    for name, value in given.items():
        if value:
            raise LogicnnError(f"--{name.replace('_', '-')} is for {condition} only")


def warn_of_unread_data(network: Network, data_dir: str | None) -> None:
    """Says so where --data-dir was given and the network's data set has no files."""
    if data_dir and not datasets.needs_folder(network.dataset):
        why = f"{network.dataset} has no files" if network.dataset else f"{network.name or 'it'} names no data set"
        print(f"warning: --data-dir is not read: {why}", file=sys.stderr)


def warn_of_old_tools(*names: str) -> None:
    """Says which of these are older than any that was tried."""
    for warning in tools.warnings(names):
        print(f"warning: {warning}", file=sys.stderr)
