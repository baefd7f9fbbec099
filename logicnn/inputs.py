"""Samples from files: pictures, and rows of numbers, through the preparation that a network was trained with."""

from pathlib import Path

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Network
from logicnn.preparation import Picture, PreparationError, Standardised

__all__ = ["read_samples"]


class InputError(LogicnnError):
    """A file that holds no sample for a network; the message names the file."""


def read_samples(
    network: Network, paths: list[Path], *, resize: bool = False, invert: bool = False
) -> tuple[list[str], np.ndarray]:  # names, (n, *network.input.shape)
    """Samples and what to call them: a picture a file where the network reads pictures, else rows of ``.csv`` files.

    Raises `InputError` for a file that cannot be read or does not suit the network.
    """
    names, found = [], []
    for path in paths:
        try:
            if isinstance(network.preparation, Picture):
                samples = _picture(path, network.preparation, resize, invert)[None]
            else:
                samples = _rows(path, network)
        except PreparationError as error:
            raise InputError(f"{path}: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from None
        names += [str(path)] if len(samples) == 1 else [f"{path}:{row}" for row in range(1, len(samples) + 1)]
        found.append(samples)
    return names, np.concatenate(found) if found else np.zeros((0, *network.input.shape), np.int64)


def _picture(path: Path, preparation: Picture, resize: bool, invert: bool) -> np.ndarray:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError("Pillow is not installed; pip install logicnn[host]") from None
    try:
        with Image.open(path) as image:
            return preparation.values(image, resize=resize, invert=invert)
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        if isinstance(error, PreparationError):
            raise
        raise InputError(f"{path} is no picture that Pillow can read: {error}") from None


def _rows(path: Path, network: Network) -> np.ndarray:
    """Rows of a CSV file of numbers; a first line of other words is a header."""
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: {network.name or 'the network'} reads no pictures; give a .csv file, a sample a row")
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    rows = [_numbers(line) for line in lines]
    if rows and rows[0] is None:
        lines, rows = lines[1:], rows[1:]
    if not rows:
        raise InputError(f"{path} holds no sample")
    size = network.input.size
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), 1):
        if row is None or len(row) != size or not np.isfinite(row).all():
            raise InputError(f"{path}: row {number} must be {size} numbers, not {line[:60]!r}")
    x = np.array(rows, np.float64).reshape(len(rows), size)
    if isinstance(network.preparation, Standardised):
        return network.preparation.values(x)
    low, high = network.input.interval.low, network.input.interval.high
    wrong = np.argwhere((x != np.rint(x)) | (x < low) | (x > high))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(f"{path}: row {row + 1} must hold integers in {low} ... {high}, not {x[row, column]:g}")
    return x.astype(np.int64).reshape(-1, *network.input.shape)


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split(",")]
    except ValueError:
        return None
