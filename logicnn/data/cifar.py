"""Colour images as integers. No torch; Pillow decodes them.

`cifar10-jpeg`: CIFAR-10 (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009), every image
re-encoded as a JPEG of quality 75 with 4:2:0 chroma: these are not the original pixels (30.5 dB PSNR in the median),
and no accuracy on them strictly compares with a published one on CIFAR-10.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from logicnn.data.dataset import Dataset, DatasetError, Split
from logicnn.data.sources import arrays_of, folder_of
from logicnn.network import Picture

__all__ = ["cifar10_jpeg"]

NAME = "cifar10-jpeg"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = {
    "cifar10_jpeg_train.npz": "c72c9aa844ce04d52a41a137a28d48f5246601f3888955b05e96903ab2f0a4e0",
    "cifar10_jpeg_test.npz": "ce6f36e8e6c0ce258779316c9e3fa7b9f8546d36be507ad39cb1a8195b3cbbb5",
}
SHAPE = (32, 32, 3)


def decoded(jpeg: bytes, offsets: np.ndarray, where: str) -> np.ndarray:
    """Images (n, 3, 32, 32) uint8 of JPEG files one after another: image i is ``jpeg[offsets[i]:offsets[i + 1]]``."""
    images = np.empty((len(offsets) - 1, *SHAPE), np.uint8)
    for index, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        try:
            image = np.asarray(Image.open(io.BytesIO(jpeg[start:end])))
        except (OSError, UnidentifiedImageError) as error:
            raise DatasetError(f"{where}: image {index} cannot be decoded: {error}") from None
        if image.shape != SHAPE:
            raise DatasetError(f"{where}: image {index} must have shape {SHAPE}, not {image.shape}")
        images[index] = image
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def cifar10_jpeg(folder: Path | None) -> Dataset:
    """`cifar10-jpeg` from ``cifar10/``: 50,000 images to train with and 10,000 to test with."""
    parts = []
    for file, sha256 in FILES.items():
        path = folder_of(folder, NAME, "cifar10") / file
        arrays = arrays_of(path, NAME, sha256, ("jpeg", "offsets", "labels"))
        parts.append(Split(decoded(arrays["jpeg"].tobytes(), arrays["offsets"], str(path)), arrays["labels"]))
    return Dataset(NAME, CLASSES, 255, *parts, preparation=Picture("RGB", *SHAPE[:2], 255))
