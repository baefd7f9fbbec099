"""Values of a network: exact ranges, shapes, batches of samples, and checked arrays. What they mean is said in
`logicnn.network.network`.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from logicnn import bits
from logicnn.errors import LogicnnError

__all__ = [
    "BIT",
    "Activations",
    "Batch",
    "Integers",
    "Interval",
    "NetworkError",
    "PackedBits",
    "check_convolution",
    "convolved",
    "increasing",
    "need_image",
    "read_only",
    "wrap",
]

LARGEST_SIZE = 1 << 24  # values of one sample, far beyond what any supported device can read


class NetworkError(LogicnnError):
    """A network that is not well formed; the message names the layer and the value."""


@dataclass(frozen=True)
class Interval:
    """The exact range of an integer, both ends included. Every bit width is derived from it and never stored."""

    low: int
    high: int

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if type(getattr(self, name)) is not int:
                raise NetworkError(f"interval {name} must be an integer, not {getattr(self, name)!r}")
        if self.low > self.high:
            raise NetworkError(f"interval low must not exceed high, not {self.low} > {self.high}")

    @property
    def width(self) -> int:
        """Bits of the narrowest two's complement (if `low` is negative) or unsigned word that holds the range."""
        if self.low < 0:
            return 1 + max((~self.low).bit_length(), max(0, self.high).bit_length())
        return self.high.bit_length()

    @property
    def word(self) -> int:
        """Bits of a port or a word that carries such values: at least one."""
        return max(1, self.width)

    def wrapped(self, bits: int | None) -> "Interval":
        """The range of such values modulo ``2 ** bits`` as two's complement: their own where all fit, and for None."""
        if bits is None or (-1 << bits - 1 <= self.low and self.high < 1 << bits - 1):
            return self
        return Interval(-1 << bits - 1, (1 << bits - 1) - 1)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def __or__(self, other: "Interval") -> "Interval":
        """The smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


BIT = Interval(0, 1)


@dataclass(frozen=True)
class Activations:
    """Shape of one sample and range of its values."""

    shape: tuple[int, ...]
    interval: Interval

    def __post_init__(self) -> None:
        if len(self.shape) not in (0, 1, 3) or not all(isinstance(size, int) and size > 0 for size in self.shape):
            raise NetworkError(
                f"shape must be (features,) or (channels, height, width) of positive integers, not {self.shape!r}"
            )
        if self.size > LARGEST_SIZE:
            raise NetworkError(f"shape {self.shape} has {self.size} values; at most {LARGEST_SIZE} are accepted")

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_bits(self) -> bool:
        return self.interval == BIT


@dataclass(frozen=True, eq=False)
class Integers:
    """The values of a batch of samples, (samples, values), integers or bool; `packed` is the same where all are
    bits.
    """

    integers: np.ndarray

    @property
    def samples(self) -> int:
        return len(self.integers)

    @cached_property
    def packed(self) -> np.ndarray:
        return bits.pack(self.integers.astype(bool, copy=False))


@dataclass(frozen=True, eq=False)
class PackedBits:
    """The bits of a batch of samples, packed 64 samples to a word: (values, words) uint64; `integers` is the same as
    numbers.
    """

    packed: np.ndarray
    samples: int

    @cached_property
    def integers(self) -> np.ndarray:
        return bits.unpack(self.packed, self.samples).astype(np.int64)


Batch = Integers | PackedBits


def wrap(x: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """Integers modulo ``2 ** bits`` as two's complement; shapes broadcast."""
    half = np.int64(1) << (np.asarray(bits, np.int64) - 1)
    return ((x + half) & (2 * half - 1)) - half


def read_only(owner: Any, name: str, dtype: type, ndim: int) -> None:
    """Replaces a field by a read-only copy of the wanted type, if no value changes by it."""
    value = getattr(owner, name)
    given = np.asarray(value)
    label = f"{type(owner).__name__}.{name}"
    if given.dtype.kind not in "iub":
        if given.dtype.kind != "f":
            raise NetworkError(f"{label} must be integers, not {given.dtype}")
        if not np.all(np.isfinite(given)):
            raise NetworkError(f"{label} must be finite, but holds {given[~np.isfinite(given)].flat[0]}")
        if not np.all(given == np.rint(given)):
            raise NetworkError(f"{label} must be integers, but holds {given[given != np.rint(given)].flat[0]}")
    if given.ndim != ndim or given.size == 0:
        raise NetworkError(f"{label} must be a non-empty array of {ndim} dimension(s), not shape {given.shape}")
    limits = np.iinfo(dtype)
    if given.min() < limits.min or given.max() > limits.max:
        raise NetworkError(f"{label} must lie in {limits.min} ... {limits.max}, not {given.min()} ... {given.max()}")
    copy = np.array(given, dtype=dtype, order="C")
    copy.setflags(write=False)
    object.__setattr__(owner, name, copy)


def increasing(owner: Any, name: str, dtype: type) -> None:
    """A field of thresholds as `read_only` makes it, checked to increase."""
    read_only(owner, name, dtype, 1)
    values = getattr(owner, name)
    if np.any(np.diff(values) <= 0):
        raise NetworkError(f"{type(owner).__name__}.{name} must increase, not {values.tolist()}")


def need_image(layer: Any, given: Activations) -> None:
    if len(given.shape) != 3:
        raise NetworkError(f"{type(layer).__name__} reads (channels, height, width), not shape {given.shape}")


def check_convolution(layer: Any) -> None:
    """Stride and padding of a layer with weights (out, in, kh, kw)."""
    name = type(layer).__name__
    if not isinstance(layer.stride, int) or layer.stride < 1:
        raise NetworkError(f"{name}.stride must be a positive integer, not {layer.stride!r}")
    if not isinstance(layer.padding, int) or not 0 <= layer.padding < min(layer.weights.shape[2:]):
        raise NetworkError(
            f"{name}.padding must be an integer of at least 0 and below the kernel size, not {layer.padding!r}"
        )


def convolved(layer: Any, given: Activations) -> tuple[int, int, int]:
    """(out, rows, columns) of a layer with weights (out, in, kh, kw), a stride and padding, for an input."""
    need_image(layer, given)
    name = type(layer).__name__
    out, channels, *kernel = layer.weights.shape
    if given.shape[0] != channels:
        raise NetworkError(
            f"{name}.weights {layer.weights.shape} read {channels} channels, but its input has shape {given.shape}"
        )
    padded = [size + 2 * layer.padding for size in given.shape[1:]]
    if any(size < k for size, k in zip(padded, kernel, strict=True)):
        raise NetworkError(f"{name} kernel {tuple(kernel)} is larger than its padded input {tuple(padded)}")
    rows, columns = ((size - k) // layer.stride + 1 for size, k in zip(padded, kernel, strict=True))
    return out, rows, columns
