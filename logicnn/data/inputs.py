"""Samples from files: pictures, and rows of numbers, through the preparation that a network was trained with."""

import csv
import os
from pathlib import Path

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Network, Picture, Standardised
from logicnn.network.preparation import PreparationError

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
    if (resize or invert) and not isinstance(network.preparation, Picture):
        raise InputError(f"--resize and --invert are for pictures, which {network.name or 'the network'} does not read")
    for path in paths:
        try:
            if isinstance(network.preparation, Picture):
                samples = _picture(path, network.preparation, resize, invert)[None]
            else:
                samples = _rows(path, network)
        except PreparationError as error:
            raise InputError(f"{path}: {error}") from None
        except (OSError, csv.Error) as error:
            raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        name = os.fsencode(path).decode(errors="replace")  # a name may be any bytes
        names += [name] if len(samples) == 1 else [f"{name}:{row}" for row in range(1, len(samples) + 1)]
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
    except (OSError, PreparationError) as error:
        if not isinstance(error, UnidentifiedImageError):
            raise
        raise InputError(f"{path} is no picture that Pillow can read") from None
    except Exception as error:  # readers of damaged pictures fail in any way
        raise InputError(f"{path} cannot be read as a picture: {type(error).__name__}: {error}") from None


def _rows(path: Path, network: Network) -> np.ndarray:
    """Rows of a CSV file of numbers; a first line without any is a header."""
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: {network.name or 'the network'} reads no pictures; give a .csv file, a sample a row")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [words for words in csv.reader(file) if words]
    if lines and all(word.strip() and _number(word) is None for word in lines[0]):
        del lines[0]
    if not lines:
        raise InputError(f"{path} holds no sample")
    size = network.input.size
    rows = [[_number(word) for word in words] for words in lines]
    for number, (words, row) in enumerate(zip(lines, rows, strict=True), 1):
        if len(row) != size or None in row or not np.isfinite(np.array(row, float)).all():
            raise InputError(f"{path}: row {number} must be {size} numbers, not {','.join(words)[:60]!r}")
    x = np.array(rows, np.float64).reshape(len(rows), size)
    if isinstance(network.preparation, Standardised):
        return network.preparation.values(x)
    low, high = network.input.interval.low, network.input.interval.high
    wrong = np.argwhere((x != np.rint(x)) | (x < low) | (x > high))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(f"{path}: row {row + 1} must hold integers in {low} ... {high}, not {x[row, column]:g}")
    return x.astype(np.int64).reshape(-1, *network.input.shape)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
