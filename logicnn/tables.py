"""Tables of measurements as integers: jets (JSC) and network flows (NID). No torch, no pandas; what is wrong is named by file and column.

Jets: 16 features, standardised by the training part and quantised to signed bytes of 1/32 standard deviation; as they were before that,
they are `Split.real`. `jsc-pythia` are jets simulated for this project with Pythia, and no accuracy on them compares with a published one;
`jsc-openml` are those of OpenML 42468 (``hls4ml_lhc_jets_hlf``), a fifth of them, by a fixed permutation, for tests.

Flows: UNSW-NB15 (Moustafa and Slay, MilCIS 2015). `nid-binarized` is the usual file of 593 bits with the authors' split. `nid-82332` is an
encoding of our own in as many bits of the one CSV file of 82,332 rows, with a split of our own that keeps equal flows together: an easier
task than the authors' split, and no accuracy on it compares with one on that.
"""

import csv
import gzip
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.preparation import Standardised
from logicnn.samples import Dataset, DatasetError, DatasetMissing, Split

__all__ = ["arrays_of", "download_jets", "encode_flows", "flows", "flows_binarized", "folder_of", "jets", "jets_openml"]

FEATURES = (
    *("zlogz", "c1_b0_mmdt", "c1_b1_mmdt", "c1_b2_mmdt", "c2_b1_mmdt", "c2_b2_mmdt", "d2_b1_mmdt", "d2_b2_mmdt"),
    *("d2_a1_b1_mmdt", "d2_a1_b2_mmdt", "m2_b1_mmdt", "m2_b2_mmdt", "n2_b1_mmdt", "n2_b2_mmdt", "mass_mmdt", "multiplicity"),
)
JETS = ("g", "q", "t", "w", "z")
JETS_OPENML = 42468
PYTHIA = {
    "train_r04.npz": "242e03732568848a3bb0b5135d82e8a88d561e01c4283dffe2928a1852b92acc",
    "test_r04.npz": "2acfef947d28860eb4bc5cdb95dca4c289a61c92844f12f2573a6f0d2267943d",
}
STEP = 32  # a standard deviation in quantised units: the word reaches four to each side
FLOWS = "UNSW_NB15_82332rows.csv.gz"
FLOWS_SHA256 = "734fe6642edf758f7c94d7d9149426b49d202fe8e7bf0bef47392489c3c0a559"  # decompressed
FLOW_BITS = 593
QUANTILES = 512
COMMON = 19  # words of a column with a bit of their own
WORDS = ("proto", "service", "state")  # columns that are not numbers
NOT_READ = ("id", "attack_cat", "label")
FLOW_CLASSES = ("normal", "attack")


def checked(x: np.ndarray, y: np.ndarray, classes: int, columns: tuple[str, ...], where: str) -> None:
    """Raises `DatasetError` for features that are not finite and for labels out of range; `where` and the column say what it is."""
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, column = wrong[0]
        raise DatasetError(f"{where}: column {columns[column]} holds {x[row, column]} in row {row}")
    bad = np.flatnonzero((y < 0) | (y >= classes))
    if len(bad):
        raise DatasetError(f"{where}: labels must lie in 0 ... {classes - 1}, but row {bad[0]} has {y[bad[0]]}")


def _read(path: Path, name: str, sha256: str | None) -> bytes:
    if not path.is_file():
        raise DatasetMissing(
            f"{name}: no {path.name} in {path.parent}; set LOGICNN_DATA or --data-dir to the folder that holds {path.parent.name}/"
        )
    data = path.read_bytes()
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise DatasetError(f"{path} is not the file that {name} means: its SHA-256 differs; fetch it again")
    return data


def arrays_of(path: Path, name: str, sha256: str | None, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, without pickles; raises `DatasetMissing` or `DatasetError` for what is not as the data set means it."""
    data = _read(path, name, sha256)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            missing = [each for each in wanted if each not in file]
            if missing:
                raise DatasetError(f"{path} has no array {missing[0]!r}")
            return {each: file[each] for each in wanted}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None


def folder_of(folder: Path | None, name: str, part: str) -> Path:
    """``folder / part``; raises `DatasetMissing` without a folder."""
    if folder is None:
        raise DatasetMissing(f"{name}: no data folder; set LOGICNN_DATA or --data-dir to the folder that holds {part}/")
    return folder / part


def _jets(name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], where: str) -> Dataset:
    for x, y in (train, test):
        if x.ndim != 2 or x.shape[1] != len(FEATURES) or y.shape != x.shape[:1]:
            raise DatasetError(f"{where}: x must be (n, {len(FEATURES)}) and y (n,), not {x.shape} and {y.shape}")
        checked(x, y, len(JETS), FEATURES, where)
    made = Standardised.of(train[0], FEATURES, STEP, -128, 127)

    def split(x: np.ndarray, y: np.ndarray) -> Split:
        return Split(made.values(x).astype(np.int8), y.astype(np.uint8), made.real(x).astype(np.float32))

    return Dataset(name, JETS, 127, split(*train), split(*test), -128, made)


def jets(folder: Path | None) -> Dataset:
    """`jsc-pythia` from ``jsc_pythia/``."""
    parts = []
    for file, sha256 in PYTHIA.items():
        path = folder_of(folder, "jsc-pythia", "jsc_pythia") / file
        arrays = arrays_of(path, "jsc-pythia", sha256, ("x", "y", "features"))
        if tuple(arrays["features"].tolist()) != FEATURES:
            missing = sorted(set(FEATURES) - set(arrays["features"].tolist()))
            raise DatasetError(
                f"{path}: its columns must be {', '.join(FEATURES)}; missing: {', '.join(missing) or 'none, but the order differs'}"
            )
        parts.append((arrays["x"], arrays["y"].astype(np.int64)))
    return _jets("jsc-pythia", parts[0], parts[1], "jsc_pythia")


def jets_openml(folder: Path | None) -> Dataset:
    """`jsc-openml` from ``jsc_openml/jets.npz``, which `download_jets` writes."""
    path = folder_of(folder, "jsc-openml", "jsc_openml") / "jets.npz"
    arrays = arrays_of(path, "jsc-openml", None, ("x", "y"))
    x, y = arrays["x"], arrays["y"].astype(np.int64)
    order = np.random.default_rng(42).permutation(len(x))
    held, kept = order[: len(x) // 5], order[len(x) // 5 :]
    return _jets("jsc-openml", (x[kept], y[kept]), (x[held], y[held]), str(path))


def download_jets(folder: Path) -> None:
    """Fetches OpenML 42468 through scikit-learn (from the `train` extra) into ``jsc_openml/jets.npz``."""
    try:
        from sklearn.datasets import fetch_openml
    except ImportError:
        raise DatasetMissing("jsc-openml: scikit-learn is not installed; pip install logicnn[train]") from None
    path = folder / "jsc_openml" / "jets.npz"
    if path.is_file():
        return
    try:
        table: Any = fetch_openml(data_id=JETS_OPENML, as_frame=False, parser="liac-arff", data_home=str(folder / "jsc_openml"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"jsc-openml: OpenML {JETS_OPENML} cannot be fetched: {error}") from None
    names = [str(each).removeprefix("j_") for each in table.feature_names]
    missing = [each for each in FEATURES if each not in names]
    if missing:
        raise DatasetError(f"jsc-openml: OpenML {JETS_OPENML} has no column {missing[0]}")
    x = np.asarray(table.data)[:, [names.index(each) for each in FEATURES]].astype(np.float32)
    labels = np.asarray(table.target).astype(str)
    unknown = sorted(set(labels) - set(JETS))
    if unknown:
        raise DatasetError(f"jsc-openml: unknown class {unknown[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x=x, y=np.array([JETS.index(each) for each in labels], np.int8))


def _levels(values: np.ndarray) -> np.ndarray:
    """What a column may be compared with: its values but the lowest, or of many those at its quantiles."""
    found = np.unique(values)
    if len(found) > QUANTILES:
        found = np.unique(np.quantile(values, np.arange(QUANTILES + 1) / QUANTILES, method="nearest"))
    return found[1:]


def _shares(available: list[int], room: int) -> list[int]:
    """As equal numbers as there are, together at most `room`."""
    shares = [0] * len(available)
    while room and any(share < most for share, most in zip(shares, available, strict=True)):
        for index, most in enumerate(available):
            if room and shares[index] < most:
                shares[index] += 1
                room -= 1
    return shares


def encode_flows(columns: dict[str, np.ndarray], train: np.ndarray, size: int = FLOW_BITS) -> tuple[np.ndarray, tuple[str, ...]]:
    """Flows (columns of numbers and words) as `size` bits, (n, size) uint8, and what every bit says.

    Words: one bit for each that occurs in the rows `train`, the rare ones of a column together. Numbers: thermometers at quantiles of the
    rows `train`, as many levels for each column as there is room for.
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
    for each, found, share in zip(numbers, levels, _shares([len(each) for each in levels], size - len(bits)), strict=True):
        for level in found[(np.arange(share) * len(found) + len(found) // 2) // max(1, share)]:
            bits.append(columns[each] >= level)
            names.append(f"{each} >= {level:g}")
    while len(bits) < size:  # columns with few values leave room that nothing needs
        bits.append(np.zeros(len(train), bool))
        names.append("unused")
    return np.stack(bits[:size], axis=1).astype(np.uint8), tuple(names[:size])


def _flow_columns(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    data = _read(path, "nid-82332", None)
    try:
        text = gzip.decompress(data)
    except (OSError, EOFError) as error:
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
    checked(np.zeros((len(labels), 0)), labels, 2, (), where)
    return columns, labels


def _numbers(values: np.ndarray, name: str, where: str) -> np.ndarray:
    try:
        numbers = values.astype(np.float64)
    except ValueError as error:
        raise DatasetError(f"{where}: column {name} holds what is no number: {error}") from None
    checked(numbers[:, None], np.zeros(len(numbers)), 1, (name,), where)
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
    """`nid-binarized` from ``nid/unsw_nb15_binarized.npz`` (zenodo.org, record 4519767): the last column is the label."""
    path = folder_of(folder, "nid-binarized", "nid") / "unsw_nb15_binarized.npz"
    arrays = arrays_of(path, "nid-binarized", None, ("train", "test"))
    splits = []
    for name, table in arrays.items():
        if table.ndim != 2 or table.shape[1] != FLOW_BITS + 1:
            raise DatasetError(f"{path}: {name} must have {FLOW_BITS + 1} columns, not shape {table.shape}")
        names = (*(f"bit {index}" for index in range(FLOW_BITS)), "label")
        checked(table, table[:, -1].astype(np.int64), 2, names, f"{path}, {name}")
        if not np.isin(table[:, :-1], (0, 1)).all():
            raise DatasetError(f"{path}: {name} must hold bits")
        splits.append(Split(table[:, :-1].astype(np.uint8), table[:, -1].astype(np.uint8)))
    return Dataset("nid-binarized", FLOW_CLASSES, 1, *splits)
