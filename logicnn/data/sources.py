"""Where data sets come from: files in a folder, checked as they are read. Who lacks what says so by file and column."""

import hashlib
import os
from pathlib import Path

import numpy as np

from logicnn.data.dataset import DatasetError, DatasetMissing
from logicnn.storage import unpacked_arrays

__all__ = ["arrays_of", "check_table", "data_folder", "file_of", "folder_of"]


def data_folder(given: str | os.PathLike[str] | None = None) -> Path | None:
    """`given`, else the environment's LOGICNN_DATA, else none. Raises `DatasetError` for one that is no folder."""
    chosen = given or os.environ.get("LOGICNN_DATA")
    if chosen and not Path(chosen).is_dir():
        raise DatasetError(f"{'--data-dir' if given else 'LOGICNN_DATA'} is {chosen}, which is no folder")
    return Path(chosen) if chosen else None


def folder_of(folder: Path | None, name: str, part: str) -> Path:
    """``folder / part``; raises `DatasetMissing` without a folder."""
    if folder is None:
        raise DatasetMissing(f"{name}: no data folder; set LOGICNN_DATA or --data-dir to the folder that holds {part}/")
    return folder / part


def file_of(path: Path, name: str, sha256: str | None) -> bytes:
    """The bytes of a data set's file; raises `DatasetMissing`, or `DatasetError` where its SHA-256 is another."""
    if not path.is_file():
        raise DatasetMissing(
            f"{name}: no {path.name} in {path.parent}; set LOGICNN_DATA or --data-dir to the folder that holds "
            f"{path.parent.name}/"
        )
    data = path.read_bytes()
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise DatasetError(f"{path} is not the file that {name} means: its SHA-256 differs; fetch it again")
    return data


def arrays_of(path: Path, name: str, sha256: str | None, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, without pickles; raises `DatasetMissing` or `DatasetError` for what is not as the
    data set means it.
    """
    data = file_of(path, name, sha256)
    try:
        found = unpacked_arrays(data, wanted)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    missing = [each for each in wanted if each not in found]
    if missing:
        raise DatasetError(f"{path} has no array {missing[0]!r}")
    return found


def check_table(x: np.ndarray, y: np.ndarray, classes: int, columns: tuple[str, ...], where: str) -> None:
    """Raises `DatasetError` for features that are not finite and for labels out of range; `where` and the column say
    what it is.
    """
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, column = wrong[0]
        raise DatasetError(f"{where}: column {columns[column]} holds {x[row, column]} in row {row}")
    bad = np.flatnonzero((y < 0) | (y >= classes))
    if len(bad):
        raise DatasetError(f"{where}: labels must lie in 0 ... {classes - 1}, but row {bad[0]} has {y[bad[0]]}")
