"""Layers on integers: dense and convolution with few-bit weights.

What a neuron computes, in this order (the conventions of `logicnn.network.network` hold):

    sum      weights @ x + bias                         exact
    held     sum * multiplier + added                   added is 1 << (shift - 1), or 0 for shift 0; `Affine` adds more
    wrapped  held modulo 2 ** width, as two's complement    where the layer has widths (Xu et al. 2023, section III-A2)
    output   clip(wrapped >> shift, low, high)          the shift is arithmetic; `Even` takes 1 off where it was a tie,
                                                        `FloatScaled` rounds as 32 bits of floating point do

A layer without `Requantize` gives the wrapped sum itself. Wrapping is part of what is computed, not an error: the logic
above a neuron's width is never built, and a sample whose held value does not fit is computed as here.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import (
    Activations,
    Batch,
    Integers,
    Interval,
    NetworkError,
    check_convolution,
    convolved,
    read_only,
    wrap,
)

__all__ = ["Affine", "Even", "FloatScaled", "IntConv2d", "IntDense", "IntegerLayer", "Requantize"]

LARGEST_SUM = 1 << 53  # held values that double precision, which multiplies matrices fast, still adds exactly
WIDEST = 54
SIGNIFICANT = 24  # bits of 32 of floating point
MOST_FLOAT_LEVEL = 1 << SIGNIFICANT - 2  # whose half is still a number of so many bits


@dataclass(frozen=True, eq=False)
class Requantize:
    """``clip((sum * multiplier + (1 << (shift - 1))) >> shift, low, high)``, `multiplier` and `shift` (out,) of each
    neuron.

    `low` ... `high` is a whole word: 0 ... 2 ** n - 1 (which makes it a ReLU) or -2 ** n ... 2 ** n - 1.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int

    def __post_init__(self) -> None:
        read_only(self, "multiplier", np.int32, 1)
        read_only(self, "shift", np.int32, 1)
        if self.multiplier.min() < 1:
            raise NetworkError(f"Requantize.multiplier must be positive, but holds {self.multiplier.min()}")
        if self.shift.min() < 0 or self.shift.max() > 40:
            raise NetworkError(f"Requantize.shift must lie in 0 ... 40, not {self.shift.min()} ... {self.shift.max()}")
        self._check_bounds()

    def _check_bounds(self) -> None:
        if not self.whole:
            raise NetworkError(
                f"Requantize.low and high must bound a whole word, as 0 ... 255 or -128 ... 127, not {self.interval}"
            )

    @property
    def interval(self) -> Interval:
        return Interval(self.low, self.high)

    @property
    def whole(self) -> bool:
        """Whether its levels are all that a word of so many bits has."""
        return self.low in (0, -self.high - 1) and self.high >= 1 and not self.high & (self.high + 1)

    @property
    def added(self) -> np.ndarray:  # (out,) int64
        """What is added to a sum that was multiplied: half of what is shifted away."""
        return np.where(self.shift > 0, np.int64(1) << np.maximum(self.shift.astype(np.int64) - 1, 0), 0)

    @property
    def plain(self) -> bool:
        """Whether it is no more than shifts and the bounds of a word."""
        return self.whole

    def levels(self, held: np.ndarray) -> np.ndarray:  # (..., out, positions) int64 -> the same
        """What held values give."""
        return np.clip(held >> self.shift[:, None].astype(np.int64), self.low, self.high)


@dataclass(frozen=True, eq=False)
class Even(Requantize):
    """A `Requantize` that gives the even one of two levels where a value lies exactly between them, as IEEE 754 and
    QKeras round.
    """

    @property
    def plain(self) -> bool:
        return False

    def levels(self, held: np.ndarray) -> np.ndarray:
        shift = self.shift[:, None].astype(np.int64)
        above = held >> shift
        ties = (above << shift == held) & (shift > 0)
        return np.clip(above - (ties & (above & 1 == 1)), self.low, self.high)


@dataclass(frozen=True, eq=False)
class Affine(Requantize):
    """``clip((sum * multiplier + (1 << (shift - 1)) + offset) >> shift, low, high)``, `offset` (out,) of each neuron:
    steps may begin at any sum, where a bias alone moves them by whole ones; and bounds may be any, as -1 and 1.
    """

    offset: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        read_only(self, "offset", np.int64, 1)

    def _check_bounds(self) -> None:
        _check_any_bounds(self)

    @property
    def added(self) -> np.ndarray:
        return super().added + self.offset


@dataclass(frozen=True, eq=False)
class FloatScaled(Requantize):
    """``clip(rint(sum * factor) + zero, low, high)`` in floating point of 32 bits, of a `factor` of ``multiplier /
    2 ** shift``: the product is rounded to 24 significant bits, then to the nearest integer, of two to the even one. So
    LiteRT's kernels do it. `zero` is one for all neurons, and bounds may be any.
    """

    zero: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.multiplier.max() >= 1 << SIGNIFICANT:
            raise NetworkError(f"FloatScaled.multiplier must have {SIGNIFICANT} bits, not be {self.multiplier.max()}")
        farthest = max(-self.low, self.high) + abs(self.zero)
        if farthest >= MOST_FLOAT_LEVEL:
            raise NetworkError(f"FloatScaled must have levels and a zero below {MOST_FLOAT_LEVEL}, not {farthest}")

    def _check_bounds(self) -> None:
        _check_any_bounds(self)

    @property
    def plain(self) -> bool:
        return False

    def levels(self, held: np.ndarray) -> np.ndarray:
        product = held - self.added[:, None]  # of at most 53 bits, so that doubles hold it
        scaled = np.ldexp(product.astype(np.float64), -self.shift[:, None]).astype(np.float32)
        return np.clip(np.rint(scaled).astype(np.int64) + self.zero, self.low, self.high)


def _check_any_bounds(of: Requantize) -> None:
    if not of.low < of.high or max(-of.low, of.high) >= 1 << 31:
        raise NetworkError(
            f"{type(of).__name__}.low must be below high, and both of 32 bits, not {of.low} and {of.high}"
        )


class IntegerLayer(Layer):
    """What dense and convolution layers on integers have in common."""

    weights: np.ndarray  # (out, ...)
    bias: np.ndarray  # (out,), in units of the sum
    activation: Requantize | None
    width: np.ndarray | None  # (out,) bits of the held value; None: as many as its exact range needs

    def _check(self, ndim: int) -> None:
        name = type(self).__name__
        read_only(self, "weights", np.int32, ndim)
        read_only(self, "bias", np.int64, 1)
        neurons = len(self.weights)
        if len(self.bias) != neurons:
            raise NetworkError(f"{name} has {neurons} neurons but {len(self.bias)} biases")
        if self.activation is not None:
            if not isinstance(self.activation, Requantize):
                raise NetworkError(f"{name}.activation must be a Requantize or None, not {self.activation!r}")
            for field in ("multiplier", "shift", *(("offset",) if isinstance(self.activation, Affine) else ())):
                if (count := len(getattr(self.activation, field))) != neurons:
                    raise NetworkError(f"{name} has {neurons} neurons but {count} values of {field}")
        if self.width is not None:
            read_only(self, "width", np.int8, 1)
            if len(self.width) != neurons or self.width.min() < 1 or self.width.max() > WIDEST:
                raise NetworkError(
                    f"{name}.width must be {neurons} bit counts of 1 ... {WIDEST}, not {self.width.tolist()}"
                )

    @abstractmethod
    def matrix(self, given: Activations) -> np.ndarray:  # (outputs, given.size) int64
        """The weights of every output, in C order."""

    @abstractmethod
    def neuron_of_rows(self, given: Activations) -> np.ndarray:  # (outputs,)
        """Which neuron (of a convolution: which kernel) every row of `matrix` belongs to."""

    @abstractmethod
    def _sums(self, given: Activations, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, out, positions) float64
        """Products with the weights, without bias."""

    def held_intervals(self, given: Activations) -> list[Interval]:
        """The exact range of every neuron's held value before it wraps."""
        flat = self.weights.reshape(len(self.weights), -1).astype(object)  # Python's integers, which do not overflow
        low, high = self._input_range(given)
        positive, negative = np.where(flat > 0, flat, 0).sum(1), np.where(flat < 0, flat, 0).sum(1)
        lows, highs = positive * low + negative * high + self.bias, positive * high + negative * low + self.bias
        if self.activation is not None:
            multiplier, added = self.activation.multiplier.astype(object), self.activation.added.astype(object)
            lows, highs = lows * multiplier + added, highs * multiplier + added
        return [Interval(int(low), int(high)) for low, high in zip(lows, highs, strict=True)]

    def _input_range(self, given: Activations) -> tuple[int, int]:
        return given.interval.low, given.interval.high

    def _gives(self, given: Activations) -> Interval:
        intervals = self.held_intervals(given)
        largest = max(max(abs(each.low), abs(each.high)) for each in intervals)
        if largest >= LARGEST_SUM:
            raise NetworkError(
                f"{type(self).__name__} has held values of {largest.bit_length()} bits; at most 53 are supported"
            )
        if self.activation is not None:
            return self.activation.interval
        widths = [None] * len(intervals) if self.width is None else self.width.tolist()
        wrapped = [each.wrapped(width) for each, width in zip(intervals, widths, strict=True)]
        return Interval(min(each.low for each in wrapped), max(each.high for each in wrapped))

    def held(self, given: Activations, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, out, positions) int64
        """Every held value before it wraps, exactly."""
        values = self._sums(given, x).astype(np.int64) + self.bias[:, None]
        if self.activation is not None:
            values = values * self.activation.multiplier[:, None].astype(np.int64) + self.activation.added[:, None]
        return values

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        values = self.held(given, x.integers)
        if self.width is not None:
            values = wrap(values, self.width[:, None])
        if self.activation is not None:
            values = self.activation.levels(values)
        return Integers(values.reshape(x.samples, values.shape[1] * values.shape[2]))

    def reads(self, given: Activations) -> np.ndarray:
        return np.flatnonzero(self.matrix(given).any(0))

    def _described(self) -> tuple[Fields, Arrays]:
        fields: Fields = {}
        arrays: Arrays = {"weights": _narrowest(self.weights), "bias": self.bias}
        if self.activation is not None:
            fields |= {"low": self.activation.low, "high": self.activation.high}
            fields |= {"even": True} if isinstance(self.activation, Even) else {}
            arrays |= {"multiplier": self.activation.multiplier, "shift": self.activation.shift}
        if isinstance(self.activation, Affine):
            arrays |= {"offset": self.activation.offset}
        if isinstance(self.activation, FloatScaled):
            fields |= {"float_zero": self.activation.zero}
        return fields, arrays if self.width is None else arrays | {"width": self.width}


def _narrowest(weights: np.ndarray) -> np.ndarray:
    """The same weights in as few bytes as hold them all; loading widens them again."""
    kinds = (np.int8, np.int16, np.int32)
    holds = (kind for kind in kinds if np.iinfo(kind).min <= weights.min() and weights.max() <= np.iinfo(kind).max)
    return weights.astype(next(holds))


def _parts(fields: Fields, arrays: Arrays) -> tuple[np.ndarray, np.ndarray, Requantize | None, np.ndarray | None]:
    """Weights, bias, activation and widths from a network file."""
    activation = None
    if "low" in fields:
        of = arrays["multiplier"], arrays["shift"], fields["low"], fields["high"]
        kind = Even if fields.get("even") is True else Requantize
        if "float_zero" in fields:
            activation = FloatScaled(*of, fields["float_zero"])
        else:
            activation = Affine(*of, arrays["offset"]) if "offset" in arrays else kind(*of)
    return arrays["weights"], arrays["bias"], activation, arrays.get("width")


@dataclass(frozen=True, eq=False)
class IntDense(IntegerLayer):
    """Fully connected layer on integers: (in,) to (out,), or sums where it has no activation."""

    weights: np.ndarray  # (out, in)
    bias: np.ndarray
    activation: Requantize | None = None
    width: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check(2)

    def infer(self, given: Activations) -> Activations:
        if given.shape != self.weights.shape[1:]:
            raise NetworkError(
                f"IntDense.weights {self.weights.shape} read {self.weights.shape[1]} inputs, but its input has shape "
                f"{given.shape}"
            )
        return Activations(self.weights.shape[:1], self._gives(given))

    def matrix(self, given: Activations) -> np.ndarray:
        return self.weights.astype(np.int64)

    def neuron_of_rows(self, given: Activations) -> np.ndarray:
        return np.arange(len(self.weights))

    def _sums(self, given: Activations, x: np.ndarray) -> np.ndarray:
        return (x.astype(np.float64) @ self.weights.T.astype(np.float64))[:, :, None]

    def described(self) -> tuple[Fields, Arrays]:
        return self._described()

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "IntDense":
        return cls(*_parts(fields, arrays))


@dataclass(frozen=True, eq=False)
class IntConv2d(IntegerLayer):
    """Convolution (cross-correlation) on integers: (in, h, w) to (out, oh, ow). Padding reads as 0."""

    weights: np.ndarray  # (out, in, kh, kw)
    bias: np.ndarray
    activation: Requantize | None = None
    width: np.ndarray | None = None
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        self._check(4)
        check_convolution(self)

    def infer(self, given: Activations) -> Activations:
        return Activations(convolved(self, given), self._gives(given))

    def windows(self, x: np.ndarray) -> np.ndarray:  # (n, in, h, w) -> (n, in, oh, ow, kh, kw)
        pad = [(0, 0), (0, 0), (self.padding, self.padding), (self.padding, self.padding)]
        view = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad), self.weights.shape[2:], axis=(2, 3))
        return view[:, :, :: self.stride, :: self.stride]

    def matrix(self, given: Activations) -> np.ndarray:
        """The layer unrolled: one row an output position, in C order."""
        places = self.windows(np.arange(1, given.size + 1).reshape(1, *given.shape))[0]  # 0: padding
        _, rows, columns, *_ = places.shape
        each = places.transpose(1, 2, 0, 3, 4).reshape(rows * columns, -1)
        kernels = self.weights.reshape(len(self.weights), -1).astype(np.int64)
        whole = np.zeros((len(kernels), rows * columns, given.size + 1), np.int64)
        whole[:, np.arange(rows * columns)[:, None], each] = kernels[:, None, :]
        return whole.reshape(-1, given.size + 1)[:, 1:]

    def neuron_of_rows(self, given: Activations) -> np.ndarray:
        out, rows, columns = self.infer(given).shape
        return np.repeat(np.arange(out), rows * columns)

    def _input_range(self, given: Activations) -> tuple[int, int]:
        low, high = given.interval.low, given.interval.high
        return (min(low, 0), max(high, 0)) if self.padding else (low, high)

    def _sums(self, given: Activations, x: np.ndarray) -> np.ndarray:
        windows = self.windows(x.reshape(len(x), *given.shape).astype(np.float64))
        sums = np.tensordot(self.weights.astype(np.float64), windows, ([1, 2, 3], [1, 4, 5])).transpose(1, 0, 2, 3)
        return sums.reshape(len(x), len(self.weights), sums.shape[2] * sums.shape[3])

    def described(self) -> tuple[Fields, Arrays]:
        fields, arrays = self._described()
        return fields | {"stride": self.stride, "padding": self.padding}, arrays

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "IntConv2d":
        return cls(*_parts(fields, arrays), fields["stride"], fields["padding"])
