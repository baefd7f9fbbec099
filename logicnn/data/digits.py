"""Handwritten digits: MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), IDX files, checked by the SHA-256 of their
decompressed bytes; and the 8 x 8 digits bundled with scikit-learn (test part of the UCI optical digits), which need no
download.
"""

import gzip
import hashlib
import io
import math
import zlib
from pathlib import Path

import numpy as np

from logicnn.data.dataset import Dataset, DatasetError, DatasetMissing, Split
from logicnn.data.sources import folder_of
from logicnn.network import Picture
from logicnn.storage import unpacked_gzip

__all__ = ["digits", "download_mnist", "mnist", "parse_idx", "unzipped_idx"]

# SHA-256 of the decompressed files, which have the MD5 sums of the original distribution (shared provenance note of the
# data set).
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MOST_DIMENSIONS = 4  # of an IDX file
LARGEST_IDX = 1 << 30  # bytes; twice the largest of MNIST's kind, EMNIST's pictures
PIECE = 1 << 20  # bytes that are unpacked at a time
MNIST_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def parse_idx(data: bytes, where: str) -> np.ndarray:
    """The array of an IDX file of unsigned bytes; raises `DatasetError` for anything else."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DatasetError(
            f"{where} is not an IDX file of unsigned bytes: it begins with {data[:4].hex() or 'nothing'}"
        )
    dimensions = data[3]
    if dimensions > MOST_DIMENSIONS:
        raise DatasetError(f"{where} has {dimensions} dimensions; at most {MOST_DIMENSIONS} are read")
    shape = tuple(np.frombuffer(data, ">u4", dimensions, 4).tolist()) if len(data) >= 4 + 4 * dimensions else ()
    body = len(data) - 4 - 4 * dimensions
    if body != math.prod(shape) or not shape:
        raise DatasetError(f"{where} should hold {shape} bytes but holds {max(0, body)}")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def unzipped_idx(data: bytes, where: str) -> bytes:
    """What a gzipped IDX file holds, no more of it than its own header announces and one byte: a file of kilobytes may
    hold gigabytes of zeros. Raises `DatasetError` for one that is damaged or announces too much.
    """
    try:
        with gzip.open(io.BytesIO(data)) as file:
            head = file.read(4 + 4 * MOST_DIMENSIONS)
            dimensions = min(MOST_DIMENSIONS, head[3] if len(head) > 3 else 0, (len(head) - 4) // 4)
            size = 4 + 4 * dimensions + math.prod(np.frombuffer(head, ">u4", max(0, dimensions), 4).tolist())
            if size > LARGEST_IDX:
                raise DatasetError(f"{where} should hold {size} bytes; at most {LARGEST_IDX} are read")
            parts = [head]
            left = size + 1 - len(head)
            while left > 0 and (part := file.read(min(left, PIECE))):  # a read takes the memory that it asks for
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{where} cannot be read: {error}") from None


def _mnist_file(folder: Path, name: str) -> np.ndarray:
    path = next((each for each in (folder / f"{name}.gz", folder / name) if each.is_file()), None)
    if path is None:
        raise DatasetMissing(
            f"MNIST: no {name}.gz in {folder}; set LOGICNN_DATA or --data-dir to the folder that holds mnist/"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    data = unzipped_idx(data, str(path)) if path.suffix == ".gz" else data
    if hashlib.sha256(data).hexdigest() != MNIST_FILES[name]:
        raise DatasetError(
            f"{path} is not the original MNIST file: its SHA-256 differs; delete it and fetch it again, or train with "
            "pictures of your own: logicnn train --data"
        )
    return parse_idx(data, str(path))


def mnist(folder: Path | None) -> Dataset:
    """MNIST from `folder` (the one that holds mnist/)."""
    parts = {name: _mnist_file(folder_of(folder, "MNIST", "mnist"), name) for name in MNIST_FILES}
    train, test = (
        Split(parts[f"{part}-images-idx3-ubyte"][:, None], parts[f"{part}-labels-idx1-ubyte"])
        for part in ("train", "t10k")
    )
    return Dataset("mnist", tuple("0123456789"), 255, train, test, preparation=Picture("L", 28, 28, 255))


def download_mnist(folder: Path) -> None:
    """Fetches the files that `folder` lacks, with a checksum and a progress bar (pooch, from the `train` extra)."""
    try:
        import pooch
    except ImportError:
        raise DatasetMissing("MNIST: pooch is not installed; pip install logicnn[train]") from None

    for name, checksum in MNIST_FILES.items():
        path = folder / "mnist" / f"{name}.gz"
        if path.is_file() or path.with_suffix("").is_file():
            continue
        part = f".{name}.part"
        try:
            pooch.retrieve(f"{MNIST_MIRROR}{name}.gz", known_hash=None, path=path.parent, fname=part, progressbar=True)
            intact = hashlib.sha256(unpacked_gzip((path.parent / part).read_bytes())).hexdigest() == checksum
        except (OSError, ValueError) as error:
            raise DatasetError(f"MNIST: {MNIST_MIRROR}{name}.gz cannot be fetched: {error}") from None
        if not intact:
            (path.parent / part).unlink()
            raise DatasetError(f"{MNIST_MIRROR}{name}.gz is not the original MNIST file: its SHA-256 differs")
        (path.parent / part).rename(path)


def digits(folder: Path | None) -> Dataset:
    """The 1,797 digits of scikit-learn, 8 x 8, 0 ... 16: every fifth is a test sample (359), the others train
    (1,438).
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DatasetMissing("digits: scikit-learn is not installed; pip install logicnn[train]") from None
    x, y = (np.asarray(part).astype(np.uint8) for part in load_digits(return_X_y=True))
    x = x.reshape(-1, 1, 8, 8)
    held = np.arange(len(x)) % 5 == 4
    train, test = Split(x[~held], y[~held]), Split(x[held], y[held])
    return Dataset("digits", tuple("0123456789"), 16, train, test, preparation=Picture("L", 8, 8, 16))
