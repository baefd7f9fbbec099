"""Files that are whole, and packed ones that do not unpack without bound."""

import gzip
import io
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logicnn import storage
from logicnn.storage import replace_file, unpacked_arrays, unpacked_gzip

ZEROS = bytes(1 << 22)


@pytest.fixture
def small(monkeypatch):
    """A bound that a test can unpack to."""
    monkeypatch.setattr(storage, "LARGEST_UNPACKED", 1 << 20)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_gzip():
    members = gzip.compress(b"one") + gzip.compress(b"two")
    assert unpacked_gzip(members) == unpacked_gzip(members + bytes(100)) == b"onetwo"
    assert unpacked_gzip(gzip.compress(b"")) == unpacked_gzip(b"") == b""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(ZEROS), r"^it unpacks to more than 1048576 bytes$"),
        (gzip.compress(ZEROS[: 1 << 19]) * 3, r"^it unpacks to more than 1048576 bytes$"),
        (gzip.compress(b"text")[:-1], r"^it is cut short$"),
        (gzip.compress(b"text")[:12] + b"?" + gzip.compress(b"text")[13:], r"^it is damaged: "),
        (b"text", r"^it is damaged: "),
    ],
    ids=["bomb", "bombs", "short", "damaged", "text"],
)
def test_gzip_refused(data, message, small):
    with pytest.raises(ValueError, match=message):
        unpacked_gzip(data)


def bare() -> bytes:
    """An archive with a text of an array's name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x", b"text")
    return packed.getvalue()


def test_arrays(tmp_path):
    """Those that are asked for; a name that leads out of a folder is a name."""
    path = tmp_path / "a.npz"
    path.write_bytes(npz(x=np.arange(3), **{"../../y": np.arange(2)}))
    assert set(unpacked_arrays(path)) == {"x", "../../y"}
    assert set(unpacked_arrays(path.read_bytes(), ("x", "z"))) == {"x"}
    assert not (tmp_path.parents[1] / "y").exists() and [each.name for each in tmp_path.iterdir()] == ["a.npz"]


def lying() -> bytes:
    """An archive whose array says that it has 2^50 elements."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npz(x=np.zeros(1 << 18)), r"^it unpacks to 2097280 bytes; at most 1048576 are read$"),
        (lying(), r"^(its arrays are too large for this machine|it is damaged: |EOF)"),
        (npz(x=np.array([object()], object)), r"^Object arrays cannot be loaded when allow_pickle=False$"),
        (npz(x=np.arange(9))[:-9], r"^it is no .npz file$"),
        (bare(), r"^its x is no array$"),
        (b"text", r"^it is no .npz file$"),
    ],
    ids=["bomb", "lie", "pickle", "short", "bare", "text"],
)
def test_arrays_refused(data, message, small):
    with pytest.raises(ValueError, match=message):
        unpacked_arrays(data)


def test_what_is_no_file_is_written_to(tmp_path):
    """A pipe, as ``/dev/stdout`` may be one, stays what it is."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    replace_file(path, b"text")
    reader.join(10)
    assert read == [b"text"] and path.is_fifo() and list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_a_file_that_fails(tmp_path):
    """A folder in its place."""
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError):
        replace_file(tmp_path / "there", b"text")
    assert [each.name for each in tmp_path.iterdir()] == ["there"] and Path(tmp_path / "there").is_dir()
