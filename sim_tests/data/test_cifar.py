"""Images in JPEG files: decoded as they are, refused by name where they are damaged or others."""

import hashlib
import io

import numpy as np
import pytest

from logicnn.data import cifar as images
from logicnn.data import datasets
from logicnn.data.cifar import decoded
from logicnn.data.dataset import DatasetError, DatasetMissing

# SHA-256 of all images, (n, 32, 32, 3), from the provenance note of the data set; with Pillow 13; others may differ by
# a grey level.
DECODED = {
    "train": "5aaf8a2cf2e577ff4dbb15e4f368840fab5aca1812bcc69682005f8dc661d466",
    "test": "b7018a062865e9348a704e72416eb53c816b43cc8ac42ab43276a2b967508ab6",
}


def packed(colours: list[tuple[int, int, int]], side: int = 32) -> tuple[bytes, np.ndarray]:
    """JPEG files of one colour each, one after another, and where each starts."""
    image = pytest.importorskip("PIL.Image")
    files = []
    for colour in colours:
        file = io.BytesIO()
        image.new("RGB", (side, side), colour).save(file, "JPEG")
        files.append(file.getvalue())
    return b"".join(files), np.cumsum([0, *map(len, files)])


def test_decoded():
    colours = [(200, 30, 90), (0, 0, 0), (10, 250, 128)]
    found = decoded(*packed(colours), "x")
    assert found.shape == (3, 3, 32, 32) and found.dtype == np.uint8 and found.flags.c_contiguous
    assert np.abs(found.astype(int) - np.array(colours)[:, :, None, None]).max() <= 4


def test_image_refused():
    data, offsets = packed([(1, 2, 3), (4, 5, 6)])
    with pytest.raises(DatasetError, match=r"^x: image 1 cannot be decoded: "):
        decoded(data[: offsets[1]] + b"no image" * 50, np.array([0, offsets[1], offsets[1] + 400]), "x")
    with pytest.raises(DatasetError, match=r"^x: image 1 cannot be decoded: "):
        decoded(data, np.array([0, offsets[1], offsets[2] - 20]), "x")
    with pytest.raises(DatasetError, match=r"^x: image 0 must have shape \(32, 32, 3\), not \(16, 16, 3\)$"):
        decoded(*packed([(1, 2, 3)], 16), "x")


def test_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("LOGICNN_DATA", raising=False)
    with pytest.raises(
        DatasetMissing,
        match=r"^cifar10-jpeg: no data folder; set LOGICNN_DATA or --data-dir to the folder that holds cifar10/$",
    ):
        datasets.load("cifar10-jpeg")
    with pytest.raises(
        DatasetMissing, match=r"^cifar10-jpeg: no cifar10_jpeg_train.npz in .*cifar10; set LOGICNN_DATA"
    ):
        datasets.load("cifar10-jpeg", tmp_path)


def test_other_file(tmp_path):
    (tmp_path / "cifar10").mkdir()
    np.savez(tmp_path / "cifar10" / "cifar10_jpeg_train.npz", jpeg=np.zeros(3, np.uint8))
    with pytest.raises(
        DatasetError,
        match=r"cifar10_jpeg_train.npz is not the file that cifar10-jpeg means: its SHA-256 differs; fetch it again$",
    ):
        datasets.load("cifar10-jpeg", tmp_path)


def test_cifar10_jpeg(dataset):
    data = dataset("cifar10-jpeg")
    import PIL

    assert data.classes[:2] == images.CLASSES[:2] == ("airplane", "automobile") and data.highest == 255
    for part, name, count in ((data.train, "train", 5000), (data.test, "test", 1000)):
        assert part.x.shape == (10 * count, 3, 32, 32) and np.bincount(part.y).tolist() == [count] * 10
        if PIL.__version__.startswith("13."):
            assert hashlib.sha256(part.x.transpose(0, 2, 3, 1).tobytes()).hexdigest() == DECODED[name]
