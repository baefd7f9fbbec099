"""Samples from files: pictures, and rows of numbers, through the preparation that a network was trained with."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.data.pictures import read_picture
from logicnn.data.tables import Table, number_of
from logicnn.errors import LogicnnError
from logicnn.network import Columns, Network, Picture
from logicnn.network.preparation import PreparationError

__all__ = ["Samples", "read_samples"]

LABEL = "label"  # a column of this name says of which class a row is
SHOWN = 8  # names in a message


class InputError(LogicnnError):
    """A file that holds no sample for a network; the message names the file."""


@dataclass(frozen=True)
class Samples:
    """Samples x (n, *network.input.shape), what to call them, and the classes (n,) that files say they are of, if they
    do.
    """

    names: list[str]
    x: np.ndarray
    labels: np.ndarray | None


def read_samples(network: Network, paths: list[Path], *, resize: bool = False, invert: bool = False) -> Samples:
    """A picture a file where the network reads pictures, else rows of ``.csv`` files.

    Raises `InputError` for a file that cannot be read or does not suit the network.
    """
    names, found, labels = [], [np.zeros((0, *network.input.shape), np.int64)], []
    if (resize or invert) and not isinstance(network.preparation, Picture):
        raise InputError(f"--resize and --invert are for pictures, which {network.name or 'the network'} does not read")
    for path in paths:
        try:
            if isinstance(network.preparation, Picture):
                samples = read_picture(path, network.preparation, resize=resize, invert=invert)[None]
                classes = None
            else:
                samples, classes = _rows(path, network)
        except PreparationError as error:
            raise InputError(f"{path}: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from None
        name = os.fsencode(path).decode(errors="replace")  # a name may be any bytes
        names += [name] if len(samples) == 1 else [f"{name}:{row}" for row in range(1, len(samples) + 1)]
        found.append(samples)
        labels.append(classes)
    known = [each for each in labels if each is not None]
    return Samples(names, np.concatenate(found), np.concatenate(known) if known and len(known) == len(labels) else None)


def _rows(path: Path, network: Network) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows of a table of numbers: by the network's names where there are names, else in the network's order."""
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: {network.name or 'the network'} reads no pictures; give a .csv file, a sample a row")
    table, preparation, size = Table.read(path), network.preparation, network.input.size
    label, width = _label_of(table, network), size
    if table.names and isinstance(preparation, Columns):
        columns, width = _named(path, table, preparation.columns), len(table.names)
    elif label is None:
        columns = list(range(size))
    else:
        width = len(table.names)
        columns = [each for each in range(width) if each != label]
    rows = [
        [number_of(row[each], table.separator) for each in columns] if len(row) == width else [] for row in table.rows
    ]
    for number, row in enumerate(rows, 1):
        if len(row) != size or None in row or not np.isfinite(np.array(row, float)).all():
            wanted = f"{size} numbers" + (f" in {width} columns" if width != size else "")
            raise InputError(f"{path}: row {number} must be {wanted}, not {table.shown(number - 1)!r}")
    x = np.array(rows, np.float64).reshape(len(rows), size)
    labels = None if label is None else _classes(path, [row[label] for row in table.rows], network)
    if isinstance(preparation, Columns):
        with np.errstate(over="ignore"):  # saturates
            return preparation.values(x), labels
    low, high = network.input.interval.low, network.input.interval.high
    wrong = np.argwhere((x != np.rint(x)) | (x < low) | (x > high))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(f"{path}: row {row + 1} must hold integers in {low} ... {high}, not {x[row, column]:g}")
    return x.astype(np.int64).reshape(-1, *network.input.shape), labels


def _label_of(table: Table, network: Network) -> int | None:
    """The column that says of which class a row is: of that name, else the only one that the network does not read and
    that holds nothing but names of its classes.
    """
    found = [place for place, name in enumerate(table.names) if name.lower() == LABEL]
    named = any(not name.isdecimal() for name in network.labels)  # numbers may stand in any column
    if not found and named and isinstance(network.preparation, Columns):
        others = [place for place, name in enumerate(table.names) if name not in network.preparation.columns]
        width, known = len(table.names), set(network.labels)
        whole = [row for row in table.rows if len(row) == width]
        found = [place for place in others if all(row[place].strip() in known for row in whole)]
        return found[0] if len(found) == 1 else None
    return found[0] if found else None


def _named(path: Path, table: Table, wanted: Sequence[str]) -> list[int]:
    """Where the network's columns are; others are passed over."""
    places = {name: place for place, name in enumerate(table.names)}
    missing = [name for name in wanted if name not in places]
    if missing:
        others = [name for name in table.names if name not in wanted and name.lower() != LABEL]
        more = f"; it has {', '.join(others[:SHOWN])}" if others else ""
        raise InputError(
            f"{path} lacks {len(missing)} of {len(wanted)} columns: {', '.join(missing[:SHOWN])}{more}. Without a line "
            f"of names, columns are read in the order {', '.join(wanted[:SHOWN])} ..."
        )
    return [places[name] for name in wanted]


def _classes(path: Path, words: Sequence[str], network: Network) -> np.ndarray:
    """Of labels: names of the network's classes, or their numbers."""
    count = network.output.interval.high + 1
    numbers = {str(place): place for place in range(count)}
    known = numbers | {name: place for place, name in enumerate(network.labels)}
    for number, word in enumerate(words, 1):
        if word.strip() not in known:
            some = ", ".join((network.labels or [*numbers])[:SHOWN])
            raise InputError(f"{path}: row {number} has the label {word.strip()!r}; the network's are {some}")
    return np.array([known[word.strip()] for word in words], np.int64)
