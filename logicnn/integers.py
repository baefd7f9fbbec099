"""Layers on integer words: dense and convolution with few-bit weights, and the decision on one score.

What a neuron computes, in this order (the conventions of `logicnn.network` hold):

    sum      weights @ x + bias                         exact
    held     sum * multiplier + rounding                the requantiser's multiplier; rounding is 1 << (shift - 1), or 0 for shift 0
    wrapped  held modulo 2 ** width, as two's complement    where the layer has widths (Xu et al. 2023, section III-A2)
    output   clip(wrapped >> shift, low, high)          the shift is arithmetic

A layer without `Requantize` gives the wrapped sum itself. Wrapping is part of what is computed, not an error: the logic above a neuron's
width is never built, and a sample whose held value does not fit is computed as here.
"""

from dataclasses import dataclass

import numpy as np

from logicnn.values import Activations, Interval, NetworkError, check_convolution, convolved, increasing, read_only, wrap

__all__ = ["IntConv2d", "IntDense", "Integer", "Requantize", "Slicer", "evaluate", "held", "held_intervals"]

LARGEST_SUM = 1 << 53  # held values that double precision, which multiplies matrices fast, still adds exactly
WIDEST = 54


@dataclass(frozen=True, eq=False)
class Requantize:
    """``clip((sum * multiplier + (1 << (shift - 1))) >> shift, low, high)``, `multiplier` and `shift` (out,) of each neuron.

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
        interval = Interval(self.low, self.high)
        if self.low not in (0, -self.high - 1) or self.high < 1 or self.high & (self.high + 1):
            raise NetworkError(f"Requantize.low and high must bound a whole word, as 0 ... 255 or -128 ... 127, not {interval}")

    @property
    def interval(self) -> Interval:
        return Interval(self.low, self.high)

    @property
    def rounding(self) -> np.ndarray:  # (out,) int64
        return np.where(self.shift > 0, np.int64(1) << np.maximum(self.shift.astype(np.int64) - 1, 0), 0)


def _check(layer: "Integer", ndim: int) -> None:
    name = type(layer).__name__
    read_only(layer, "weights", np.int32, ndim)
    read_only(layer, "bias", np.int64, 1)
    neurons = len(layer.weights)
    if len(layer.bias) != neurons:
        raise NetworkError(f"{name} has {neurons} neurons but {len(layer.bias)} biases")
    if layer.activation is not None:
        if not isinstance(layer.activation, Requantize):
            raise NetworkError(f"{name}.activation must be a Requantize or None, not {layer.activation!r}")
        for field in ("multiplier", "shift"):
            if len(getattr(layer.activation, field)) != neurons:
                raise NetworkError(f"{name} has {neurons} neurons but {len(getattr(layer.activation, field))} values of {field}")
    if layer.width is not None:
        read_only(layer, "width", np.int8, 1)
        if len(layer.width) != neurons or layer.width.min() < 1 or layer.width.max() > WIDEST:
            raise NetworkError(f"{name}.width must be {neurons} bit counts of 1 ... {WIDEST}, not {layer.width.tolist()}")


@dataclass(frozen=True, eq=False)
class IntDense:
    """Fully connected layer on integers: (in,) words to (out,) words, or sums where it has no activation."""

    weights: np.ndarray  # (out, in)
    bias: np.ndarray  # (out,), in units of the sum
    activation: Requantize | None = None
    width: np.ndarray | None = None  # (out,) bits of the held value; None: as many as its exact range needs

    def __post_init__(self) -> None:
        _check(self, 2)

    def infer(self, given: Activations) -> Activations:
        if given.shape != self.weights.shape[1:]:
            raise NetworkError(
                f"IntDense.weights {self.weights.shape} read {self.weights.shape[1]} inputs, but its input has shape {given.shape}"
            )
        return Activations(self.weights.shape[:1], _gives(self, given))

    def matrix(self, given: Activations) -> np.ndarray:  # (out, in) int64
        return self.weights.astype(np.int64)

    def neuron_of_rows(self, given: Activations) -> np.ndarray:  # (out,)
        """Which neuron every row of `matrix` belongs to."""
        return np.arange(len(self.weights))


@dataclass(frozen=True, eq=False)
class IntConv2d:
    """Convolution (cross-correlation) on integers: (in, h, w) to (out, oh, ow). Padding reads as 0."""

    weights: np.ndarray  # (out, in, kh, kw)
    bias: np.ndarray  # (out,)
    activation: Requantize | None = None
    width: np.ndarray | None = None
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        _check(self, 4)
        check_convolution(self)

    def infer(self, given: Activations) -> Activations:
        return Activations(convolved(self, given), _gives(self, given))

    def windows(self, x: np.ndarray) -> np.ndarray:  # (n, in, h, w) -> (n, in, oh, ow, kh, kw)
        pad = [(0, 0), (0, 0), (self.padding, self.padding), (self.padding, self.padding)]
        view = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad), self.weights.shape[2:], axis=(2, 3))
        return view[:, :, :: self.stride, :: self.stride]

    def matrix(self, given: Activations) -> np.ndarray:  # (out * oh * ow, in * h * w) int64
        """The layer unrolled: one row an output position, in C order."""
        places = self.windows(np.arange(1, given.size + 1).reshape(1, *given.shape))[0]  # 0: padding
        _, rows, columns, *_ = places.shape
        each = places.transpose(1, 2, 0, 3, 4).reshape(rows * columns, -1)
        kernels = self.weights.reshape(len(self.weights), -1).astype(np.int64)
        whole = np.zeros((len(kernels), rows * columns, given.size + 1), np.int64)
        whole[:, np.arange(rows * columns)[:, None], each] = kernels[:, None, :]
        return whole.reshape(-1, given.size + 1)[:, 1:]

    def neuron_of_rows(self, given: Activations) -> np.ndarray:
        """Which kernel every row of `matrix` belongs to."""
        out, rows, columns = self.infer(given).shape
        return np.repeat(np.arange(out), rows * columns)


Integer = IntDense | IntConv2d


def held_intervals(layer: Integer, given: Activations) -> list[Interval]:
    """The exact range of every neuron's held value before it wraps; padding may read as 0."""
    flat = layer.weights.reshape(len(layer.weights), -1).astype(object)  # Python's integers, which do not overflow
    low, high = given.interval.low, given.interval.high
    if isinstance(layer, IntConv2d) and layer.padding:
        low, high = min(low, 0), max(high, 0)
    positive, negative = np.where(flat > 0, flat, 0).sum(1), np.where(flat < 0, flat, 0).sum(1)
    lows, highs = positive * low + negative * high + layer.bias, positive * high + negative * low + layer.bias
    if layer.activation is not None:
        multiplier, rounding = layer.activation.multiplier.astype(object), layer.activation.rounding.astype(object)
        lows, highs = lows * multiplier + rounding, highs * multiplier + rounding
    return [Interval(int(low), int(high)) for low, high in zip(lows, highs, strict=True)]


def _gives(layer: Integer, given: Activations) -> Interval:
    intervals = held_intervals(layer, given)
    largest = max(max(abs(each.low), abs(each.high)) for each in intervals)
    if largest >= LARGEST_SUM:
        raise NetworkError(f"{type(layer).__name__} has held values of {largest.bit_length()} bits; at most 53 are supported")
    if layer.activation is not None:
        return layer.activation.interval
    widths = [None] * len(intervals) if layer.width is None else layer.width.tolist()
    wrapped = [each.wrapped(width) for each, width in zip(intervals, widths, strict=True)]
    return Interval(min(each.low for each in wrapped), max(each.high for each in wrapped))


def held(layer: Integer, given: Activations, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, out, positions) int64
    """Every held value before it wraps, exactly."""
    if isinstance(layer, IntConv2d):
        windows = layer.windows(x.reshape(len(x), *given.shape).astype(np.float64))
        sums = np.tensordot(layer.weights.astype(np.float64), windows, ([1, 2, 3], [1, 4, 5])).transpose(1, 0, 2, 3)
        sums = sums.reshape(len(x), len(layer.weights), -1)
    else:
        sums = (x.astype(np.float64) @ layer.weights.T.astype(np.float64))[:, :, None]
    values = sums.astype(np.int64) + layer.bias[:, None]
    if layer.activation is not None:
        values = values * layer.activation.multiplier[:, None].astype(np.int64) + layer.activation.rounding[:, None]
    return values


def evaluate(layer: Integer, given: Activations, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, outputs) int64
    values = held(layer, given, x)
    if layer.width is not None:
        values = wrap(values, layer.width[:, None])
    if layer.activation is not None:
        values = np.clip(values >> layer.activation.shift[:, None].astype(np.int64), layer.activation.low, layer.activation.high)
    return values.reshape(len(x), -1)


@dataclass(frozen=True, eq=False)
class Slicer:
    """The class of one score: how many of the increasing `thresholds` (T,) it reaches, 0 ... T (a receiver's decision device)."""

    thresholds: np.ndarray

    def __post_init__(self) -> None:
        increasing(self, "thresholds", np.int64)

    def infer(self, given: Activations) -> Activations:
        if given.shape != (1,):
            raise NetworkError(f"Slicer reads one score, not shape {given.shape}")
        return Activations((), Interval(0, len(self.thresholds)))

    def decide(self, x: np.ndarray) -> np.ndarray:  # (n, 1) -> (n,)
        return np.searchsorted(self.thresholds, x[:, 0], side="right")
