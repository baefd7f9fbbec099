"""What becomes of a picture or a measurement before a network reads it: the same in training and in front of a board.

A `Preparation` travels in the network's file. Networks without one read their integers as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from logicnn.errors import LogicnnError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Picture", "Preparation", "PreparationError", "Standardised"]

CHANNELS = {"L": 1, "RGB": 3}
DEEP = "I;16", "I;16B", "I", "F"  # Pillow's modes of more than eight bits


class PreparationError(LogicnnError):
    """A picture or a row of numbers that a network cannot be given."""


class Preparation(ABC):
    """How samples are made from what a user has. One of its own is a class that names itself so; network files then
    know it.
    """

    types: ClassVar[dict[str, type["Preparation"]]] = {}  # by the name that network files give them

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Preparation.types[cls.__name__] = cls

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample."""

    @property
    @abstractmethod
    def range(self) -> tuple[int, int]:
        """The least and the greatest value of a sample."""


@dataclass(frozen=True)
class Picture(Preparation):
    """Grey ("L") or colour ("RGB") pictures of `height` x `width` pixels as integers from 0, black, to `high`, white.

    Other modes of eight bits are converted as Pillow does, colour to grey by ITU-R 601-2 luma; transparency and more
    bits are refused. A value is ``floor(pixel * high / 255 + 1/2)``.
    """

    mode: str
    height: int
    width: int
    high: int

    def __post_init__(self) -> None:
        if self.mode not in CHANNELS:
            raise PreparationError(f"Picture.mode must be one of {', '.join(CHANNELS)}, not {self.mode!r}")
        for name in ("height", "width", "high"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1 or (name == "high" and value > 255):
                raise PreparationError(
                    f"Picture.{name} must be a positive integer, and high at most 255, not {value!r}"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        return CHANNELS[self.mode], self.height, self.width

    @property
    def range(self) -> tuple[int, int]:
        return 0, self.high

    def values(
        self, image: "Image", *, resize: bool = False, invert: bool = False
    ) -> np.ndarray:  # (channels, height, width) uint8
        """The values of one picture; with `resize` its pixels are averaged to the size, with `invert` black is
        white.
        """
        from PIL import Image as pillow

        raw = [
            str(each[3]) for each in getattr(image, "tile", ())
        ]  # as it is in the file: Pillow reads 16-bit colour as eight
        if image.mode in DEEP or any(";16" in each for each in raw):
            raise PreparationError(f"mode {image.mode} has more than eight bits a channel; save it with eight")
        if image.has_transparency_data:
            if image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
                raise PreparationError(
                    f"mode {image.mode} with transparent pixels has no one colour there; put it on a background"
                )
            image = image.convert("RGB")
        image = image.convert(self.mode)
        if image.size != (self.width, self.height):
            if not resize:
                raise PreparationError(
                    f"{image.width} x {image.height} pixels; it must be {self.width} x {self.height}, or give --resize"
                )
            image = image.resize((self.width, self.height), pillow.Resampling.BOX)
        pixels = np.asarray(image, np.int64).reshape(self.height, self.width, -1).transpose(2, 0, 1)
        return ((2 * self.high * (255 - pixels if invert else pixels) + 255) // 510).astype(np.uint8)


@dataclass(frozen=True)
class Standardised(Preparation):
    """Rows of numbers as words: ``clip(rint((x - mean) / deviation * step), low, high)`` by column; a deviation of 0
    counts as 1.
    """

    columns: Sequence[str]
    mean: Sequence[float]
    deviation: Sequence[float]
    step: float
    low: int
    high: int

    def __post_init__(self) -> None:
        for name, kind in (("columns", str), ("mean", float), ("deviation", float)):
            value = tuple(getattr(self, name))
            if len(value) != len(self.columns) or not all(isinstance(each, kind) for each in value):
                raise PreparationError(
                    f"Standardised.{name} must be a {kind.__name__} for each of {len(self.columns)} columns"
                )
            object.__setattr__(self, name, value)
        if not np.isfinite([*self.mean, *self.deviation, self.step]).all() or min(*self.deviation, self.step) < 0:
            raise PreparationError("Standardised.mean, .deviation and .step must be finite, the last two not negative")
        if not self.low < self.high:
            raise PreparationError(f"Standardised.low must be below high, not {self.low} and {self.high}")

    @classmethod
    def of(cls, x: np.ndarray, columns: Sequence[str], step: float, low: int, high: int) -> "Standardised":
        """The preparation with mean and deviation of the rows x (n, columns)."""
        return cls(columns, x.mean(0, np.float64).tolist(), x.std(0, dtype=np.float64).tolist(), step, low, high)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.columns),)

    @property
    def range(self) -> tuple[int, int]:
        return self.low, self.high

    def real(self, x: np.ndarray) -> np.ndarray:  # (n, columns) -> (n, columns)
        """Standardised, before it is rounded."""
        deviation = np.array(self.deviation)
        return (x - np.array(self.mean)) / np.where(deviation > 0, deviation, 1)

    def values(self, x: np.ndarray) -> np.ndarray:  # (n, columns) -> (n, columns) int64
        return np.clip(np.rint(self.real(x) * self.step), self.low, self.high).astype(np.int64)
