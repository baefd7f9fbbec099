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

__all__ = ["Columns", "Picture", "Preparation", "PreparationError", "Quantiles", "Standardised"]

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
        """The values of one picture, upright as its EXIF says; with `resize` its pixels are averaged to the size, and
        its edge goes on where it has another shape; with `invert` black is white.
        """
        from PIL import ImageOps

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
        image = ImageOps.exif_transpose(image).convert(self.mode)
        if image.size != (self.width, self.height) and not resize:
            raise PreparationError(
                f"{image.width} x {image.height} pixels; it must be {self.width} x {self.height}, or give --resize"
            )
        pixels = self._fitted(image).transpose(2, 0, 1)
        return ((2 * self.high * (255 - pixels if invert else pixels) + 255) // 510).astype(np.uint8)

    def _fitted(self, image: "Image") -> np.ndarray:  # (height, width, channels) int64
        """As large as it may be in its own proportions, in the middle."""
        from PIL import Image as pillow

        scale = min(self.width / image.width, self.height / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        if image.size != size:
            image = image.resize(size, pillow.Resampling.BOX)
        beside = [(space // 2, space - space // 2) for space in (self.height - size[1], self.width - size[0])]
        return np.pad(np.asarray(image, np.int64).reshape(*size[::-1], -1), [*beside, (0, 0)], mode="edge")


class Columns(Preparation):
    """Rows of numbers, whose `columns` have names."""

    columns: Sequence[str]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.columns),)

    @abstractmethod
    def values(self, x: np.ndarray) -> np.ndarray:  # (n, columns) -> (n, columns) int64
        """The integers of rows of numbers."""


@dataclass(frozen=True)
class Quantiles(Columns):
    """Rows of numbers as how many of their column's `edges` each reaches: from 0 to as many as there are, the same of
    every column; edges do not fall.
    """

    columns: Sequence[str]
    edges: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        edges = tuple(tuple(float(edge) for edge in each) for each in self.edges)
        if len(edges) != len(self.columns) or not edges or not edges[0] or len({len(each) for each in edges}) != 1:
            raise PreparationError(
                f"Quantiles.edges must be equally many, and one at least, for each of {len(self.columns)} columns"
            )
        if not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
            raise PreparationError("Quantiles.edges must be finite and must not fall")
        object.__setattr__(self, "columns", _names(self.columns))
        object.__setattr__(self, "edges", edges)

    @classmethod
    def of(cls, x: np.ndarray, columns: Sequence[str], levels: int) -> "Quantiles":
        """Edges between the different values of each column of x (n, columns), so that as many rows as possible lie
        between two; of columns that have few values, an edge before each but the first, the last one repeated.
        """
        found = []
        for column in np.asarray(x, np.float64).T:
            values = np.unique(column)
            if len(values) <= levels + 1:
                edges = values[1:] if len(values) > 1 else values
                edges = np.concatenate([edges, np.repeat(edges[-1], levels - len(edges))])
            else:
                edges = np.quantile(column, np.arange(1, levels + 1) / (levels + 1), method="higher")
            found.append(edges.tolist())
        return cls(columns, found)

    @property
    def range(self) -> tuple[int, int]:
        return 0, len(self.edges[0])

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.stack(
            [np.searchsorted(edges, column, side="right") for edges, column in zip(self.edges, x.T, strict=True)], 1
        )


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    names = tuple(columns)
    if not all(isinstance(each, str) for each in names):
        raise PreparationError(f"columns must be names, not {names!r}")
    return names


@dataclass(frozen=True)
class Standardised(Columns):
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
    def range(self) -> tuple[int, int]:
        return self.low, self.high

    def real(self, x: np.ndarray) -> np.ndarray:  # (n, columns) -> (n, columns)
        """Standardised, before it is rounded."""
        deviation = np.array(self.deviation)
        return (x - np.array(self.mean)) / np.where(deviation > 0, deviation, 1)

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(self.real(x) * self.step), self.low, self.high).astype(np.int64)
