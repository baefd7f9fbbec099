"""What is kept: one digest for everything that is identified by its contents, files that are written whole or not at
all, and packed files that unpack to a bound.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

__all__ = ["LARGEST_UNPACKED", "digest_of", "replace_file", "unpacked_arrays", "unpacked_gzip"]

# Bytes, that a packed file may have inside. A gzip or zip of a megabyte may have a gigabyte of zeros in it; a data set
# that trains a network for an FPGA is far smaller.
LARGEST_UNPACKED = 2 << 30


def digest_of(*parts: Any) -> str:
    """SHA-256 (hex) of JSON values and arrays, in order."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(json.dumps(part, sort_keys=True).encode())
    return total.hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: a reader sees the old bytes or the new ones, also after a full disk or
    Ctrl-C. What is there and no file, as ``/dev/stdout``, is written to and stays what it is.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(data)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)  # mkstemp's 0o600 is for secrets
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def unpacked_gzip(data: bytes) -> bytes:
    """What a gzip file holds. Raises ValueError for one that is damaged, or of more than `LARGEST_UNPACKED` bytes."""
    found, left = [], LARGEST_UNPACKED
    try:
        while data:  # one member after the other
            part = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            found.append(part.decompress(data, left + 1))
            left -= len(found[-1])
            if left < 0:
                raise ValueError(f"it unpacks to more than {LARGEST_UNPACKED} bytes")
            if not part.eof:
                raise ValueError("it is cut short")
            data = part.unused_data.lstrip(b"\0")  # which may fill it up
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from None
    return b"".join(found)


def unpacked_arrays(file: Path | bytes, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file, all of them or those of `names` that are there, without pickles.

    Raises OSError for what cannot be read, and ValueError for what is no such file, is damaged, or has more than
    `LARGEST_UNPACKED` bytes inside: the sizes that the archive states, beyond which nothing is read.
    """
    try:
        with file.open("rb") if isinstance(file, Path) else io.BytesIO(file) as opened:
            return _arrays(opened, names)
    except (OSError, ValueError):
        raise
    except MemoryError:
        raise ValueError("its arrays are too large for this machine") from None
    except Exception as error:  # a damaged archive fails in as many ways as zlib, zipfile and numpy have
        raise ValueError(f"it is damaged: {error}") from None


def _arrays(opened: BinaryIO, names: Collection[str] | None) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(opened):
        raise ValueError("it is no .npz file")
    with zipfile.ZipFile(opened) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > LARGEST_UNPACKED:
        raise ValueError(f"it unpacks to {size} bytes; at most {LARGEST_UNPACKED} are read")
    opened.seek(0)
    with np.load(opened, allow_pickle=False) as held:
        found = {name: held[name] for name in held if names is None or name in names}
    bare = [name for name, array in found.items() if not isinstance(array, np.ndarray)]
    if bare:  # another file of that name, whose bytes numpy hands on
        raise ValueError(f"its {bare[0]} is no array")
    return found
