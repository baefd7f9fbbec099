"""Picture files of any format that Pillow reads."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from logicnn.errors import LogicnnError
from logicnn.network import Picture
from logicnn.network.preparation import PreparationError

__all__ = ["PictureError", "opened", "read_picture"]


class PictureError(LogicnnError):
    """A file that holds no picture; the message names it."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture whose pixels are not read yet. One of so many that Pillow warns of it is an error: a file of ten
    kilobytes may have 90 million. It is read from memory: Pillow asks a file for as many bytes as a damaged length in
    it says, and Python sets that memory aside.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            yield image


def read_picture(path: Path, preparation: Picture, *, resize: bool = False, invert: bool = False) -> np.ndarray:
    """Its values, (channels, height, width) uint8. Raises `PictureError`, or `PreparationError` for one that does not
    suit.
    """
    try:
        with opened(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise PreparationError(f"{frames} frames; save the one that is meant as a picture of its own")
            return preparation.values(image, resize=resize, invert=invert)
    except UnidentifiedImageError:
        raise PictureError(f"{path} is no picture that Pillow can read") from None
    except (OSError, PreparationError):
        raise
    except Exception as error:  # readers of damaged pictures fail in any way
        raise PictureError(f"{path} cannot be read as a picture: {type(error).__name__}: {error}") from None
