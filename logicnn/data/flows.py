"""Network flows (NID) as bits: UNSW-NB15 (Moustafa and Slay, MilCIS 2015). No pandas; what is wrong is named by file
and column.

`nid-binarized` is the usual file of 593 bits with the authors' split. `nid-82332` is an encoding of our own in as many
bits of the one CSV file of 82,332 rows, with a split of our own that keeps equal flows together: an easier task than
the authors' split, and no accuracy on it compares with one on that.
"""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np

from logicnn.data.dataset import Dataset, DatasetError, Split
from logicnn.data.sources import arrays_of, check_table, file_of, folder_of
from logicnn.storage import unpacked_gzip

__all__ = ["encode_flows", "flows", "flows_binarized", "parse_flows"]

FLOWS = "UNSW_NB15_82332rows.csv.gz"
FLOWS_SHA256 = "734fe6642edf758f7c94d7d9149426b49d202fe8e7bf0bef47392489c3c0a559"  # decompressed
FLOW_BITS = 593
QUANTILES = 512
COMMON = 19  # words of a column with a bit of their own
WORDS = ("proto", "service", "state")  # columns that are not numbers
NOT_READ = ("id", "attack_cat", "label")
FLOW_CLASSES = ("normal", "attack")


def _levels(values: np.ndarray) -> np.ndarray:
    """What a column may be compared with: its values but the lowest, or of many those at its quantiles."""
    found = np.unique(values)
    if len(found) > QUANTILES:
        found = np.unique(np.quantile(values, np.arange(QUANTILES + 1) / QUANTILES, method="nearest"))
    return found[1:]


def _shares(available: list[int], room: int) -> list[int]:
    """Numbers as equal as there are, together at most `room`."""
    shares = [0] * len(available)
    while room and any(share < most for share, most in zip(shares, available, strict=True)):
        for index, most in enumerate(available):
            if room and shares[index] < most:
                shares[index] += 1
                room -= 1
    return shares


def encode_flows(
    columns: dict[str, np.ndarray], train: np.ndarray, size: int = FLOW_BITS
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Flows (columns of numbers and words) as `size` bits, (n, size) uint8, and what every bit says.

    Words: one bit for each that occurs in the rows `train`, the rare ones of a column together. Numbers: thermometers
    at quantiles of the rows `train`, as many levels for each column as there is room for.
    """
    bits: list[np.ndarray] = []
    names: list[str] = []
    for column in (each for each in columns if each in WORDS):
        found, counts = np.unique(columns[column][train], return_counts=True)
        common = found[np.argsort(-counts, kind="stable")][:COMMON]
        bits += [columns[column] == each for each in common]
        names += [f"{column}={each}" for each in common]
        if len(found) > len(common):
            bits.append(~np.isin(columns[column], common))
            names.append(f"{column} other")
    numbers = [each for each in columns if each not in WORDS]
    levels = [_levels(columns[each][train]) for each in numbers]
    for each, found, share in zip(
        numbers, levels, _shares([len(each) for each in levels], size - len(bits)), strict=True
    ):
        for level in found[(np.arange(share) * len(found) + len(found) // 2) // max(1, share)]:
            bits.append(columns[each] >= level)
            names.append(f"{each} >= {level:g}")
    while len(bits) < size:  # columns with few values leave room that nothing needs
        bits.append(np.zeros(len(train), bool))
        names.append("unused")
    return np.stack(bits[:size], axis=1).astype(np.uint8), tuple(names[:size])


def _flow_columns(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    data = file_of(path, "nid-82332", None)
    try:
        text = unpacked_gzip(data)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    if hashlib.sha256(text).hexdigest() != FLOWS_SHA256:
        raise DatasetError(f"{path} is not the file that nid-82332 means: its SHA-256 differs; fetch it again")
    return parse_flows(text.decode("utf-8-sig"), str(path))


def parse_flows(text: str, where: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of features by name, and labels, from the text of a UNSW-NB15 CSV file."""
    header, *rows = csv.reader(io.StringIO(text))
    missing = [each for each in (*WORDS, "label") if each not in header]
    if missing:
        raise DatasetError(f"{where} has no column {missing[0]}")
    short = next((number for number, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if short is not None:
        raise DatasetError(f"{where}: line {short} has {len(rows[short - 2])} fields, not {len(header)}")
    table = dict(zip(header, np.array(rows, dtype=object).T, strict=True))
    columns: dict[str, np.ndarray] = {}
    for name, values in table.items():
        if name in NOT_READ:
            continue
        columns[name] = values.astype(str) if name in WORDS else _numbers(values, name, where)
    labels = _numbers(table["label"], "label", where).astype(np.int64)
    check_table(np.zeros((len(labels), 0)), labels, 2, (), where)
    return columns, labels


def _numbers(values: np.ndarray, name: str, where: str) -> np.ndarray:
    try:
        numbers = values.astype(np.float64)
    except ValueError as error:
        raise DatasetError(f"{where}: column {name} holds what is no number: {error}") from None
    check_table(numbers[:, None], np.zeros(len(numbers)), 1, (name,), where)
    return numbers


def flows(folder: Path | None) -> Dataset:
    """`nid-82332` from ``nid/``: a fifth of the distinct flows, with all their repetitions, for tests."""
    columns, labels = _flow_columns(folder_of(folder, "nid-82332", "nid") / FLOWS)
    keys = np.stack([np.unique(values, return_inverse=True)[1] for values in columns.values()], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.random.default_rng(1).permutation(group.max() + 1)
    held = np.isin(group, order[: len(order) // 5])
    bits, _ = encode_flows(columns, ~held)
    y = labels.astype(np.uint8)
    return Dataset("nid-82332", FLOW_CLASSES, 1, Split(bits[~held], y[~held]), Split(bits[held], y[held]))


def flows_binarized(folder: Path | None) -> Dataset:
    """`nid-binarized` from ``nid/unsw_nb15_binarized.npz`` (zenodo.org, record 4519767): the last column is the
    label.
    """
    path = folder_of(folder, "nid-binarized", "nid") / "unsw_nb15_binarized.npz"
    arrays = arrays_of(path, "nid-binarized", None, ("train", "test"))
    splits = []
    for name, table in arrays.items():
        if table.ndim != 2 or table.shape[1] != FLOW_BITS + 1:
            raise DatasetError(f"{path}: {name} must have {FLOW_BITS + 1} columns, not shape {table.shape}")
        names = (*(f"bit {index}" for index in range(FLOW_BITS)), "label")
        check_table(table, table[:, -1].astype(np.int64), 2, names, f"{path}, {name}")
        if not np.isin(table[:, :-1], (0, 1)).all():
            raise DatasetError(f"{path}: {name} must hold bits")
        splits.append(Split(table[:, :-1].astype(np.uint8), table[:, -1].astype(np.uint8)))
    return Dataset("nid-binarized", FLOW_CLASSES, 1, *splits)
