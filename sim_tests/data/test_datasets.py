"""Loaders: the originals are recognised, anything else is refused by name."""

import gzip
import struct

import numpy as np
import pytest

from logicnn.data import datasets
from logicnn.data.dataset import DatasetError, DatasetMissing
from logicnn.data.digits import parse_idx
from sim_tests.helpers import digits


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_parse_idx():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(parse_idx(idx(array), "x"), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"^x is not an IDX file of unsigned bytes: it begins with nothing$"),
        (b"\x1f\x8b\x08\0", r"^x is not an IDX file of unsigned bytes: it begins with 1f8b0800$"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"^x should hold \(2, 3\) bytes but holds 5$"),
        (idx(np.zeros((2, 3), np.uint8))[:9], r"^x should hold \(\) bytes but holds 0$"),
    ],
)
def test_parse_idx_refused(data, message):
    with pytest.raises(DatasetError, match=message):
        parse_idx(data, "x")


def test_digits():
    data = digits()
    assert data.train.x.shape == (1438, 1, 8, 8) and data.test.x.shape == (359, 1, 8, 8)
    assert data.train.x.max() == data.highest == 16 and np.bincount(data.test.y).min() > 20


def test_unknown():
    names = "cifar10-jpeg, digits, jsc-openml, jsc-pythia, mnist, nid-82332, nid-binarized, ofc-sim"
    with pytest.raises(DatasetError, match=rf"^unknown data set 'fashion'; known: {names}$"):
        datasets.load("fashion")


def test_mnist_nowhere(monkeypatch):
    monkeypatch.delenv("LOGICNN_DATA", raising=False)
    with pytest.raises(DatasetMissing, match=r"^MNIST: no data folder; set LOGICNN_DATA or --data-dir"):
        datasets.load("mnist")


def test_mnist_missing(tmp_path):
    with pytest.raises(DatasetMissing, match=r"^MNIST: no train-images-idx3-ubyte.gz in .*mnist; set LOGICNN_DATA"):
        datasets.load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            gzip.compress(idx(np.zeros((1, 28, 28), np.uint8)), mtime=0),
            r"is not the original MNIST file: its SHA-256 differs",
        ),
        (gzip.compress(idx(np.zeros((1, 28, 28), np.uint8)), mtime=0)[:-9], r"cannot be read: "),
        (b"no gzip at all", r"cannot be read: "),
    ],
    ids=["other", "cut", "noise"],
)
def test_mnist_damaged(tmp_path, data, message):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist", tmp_path)


def test_mnist(dataset):
    data = dataset("mnist")
    assert data.train.x.shape == (60_000, 1, 28, 28) and data.test.x.shape == (10_000, 1, 28, 28)
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
