"""Layers of integers whose activations have several levels: weights with a scale a neuron, and whatever stands between
a sum and the quantizer that ends it, as integer thresholds and what computes them.

A quantizer asks the file's own arithmetic, in 32 bits, from which sum on it gives each of its levels. Between those
thresholds a straight line is found, ``sum * multiplier + offset`` of integers, that crosses a power of two at exactly
them (`logicnn.network.Affine`): nothing is rounded that the file does not round. Scales that are powers of two make
sums that lie exactly between two levels, and are rounded to the even one; no line does that (`logicnn.network.Even`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from logicnn.importers.imported import ImportRefused
from logicnn.network import Affine, Even, Layer, Requantize

__all__ = ["Sums", "WordSums", "counting", "integers_of", "requantized", "straight", "thresholds"]

MOST_WEIGHT = 127
CLOSE = 2.0**-21  # of the largest weight: by so much 32 bits may differ from a multiple
FINEST = 40  # bits that are shifted away, and of a multiplier
STRAIGHT = 0.01  # of a step between scores, by which they may lie beside a line, and 32 bits besides
ROUNDED = 2.0**-22  # of a number, by which 32 bits may be beside it after a few operations
POINTS = 64  # of a line that are looked at
MOST_SCORES = 1 << 20

Summed = TypeVar("Summed", bound="Sums")
Layered = Callable[[np.ndarray, np.ndarray, Any], Layer]  # weights, bias and activation


class Sums(Protocol):
    """Sums of integers that lie in `low` ... `high` (out,) each."""

    @property
    def low(self) -> np.ndarray: ...
    @property
    def high(self) -> np.ndarray: ...
    def numbers(self, sums: np.ndarray) -> np.ndarray:  # (k, out) int64 -> (k, out)
        """What a quantizer reads of them."""
        ...

    def turned(self, which: np.ndarray) -> Self:  # (out,) bool
        """With some of them negated."""
        ...


@dataclass(frozen=True)
class WordSums:
    """Sums of integers, `weights` (out, ...) times values, that lie in `low` ... `high` (out,) each and stand for
    themselves times `unit` (out,), and `bias` (out,); `steps` have followed since. `layer` makes a layer.
    """

    weights: np.ndarray
    unit: np.ndarray
    bias: np.ndarray
    low: np.ndarray
    high: np.ndarray
    layer: Layered
    dimensions: int  # of a sample: channels, and rows and columns
    steps: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()

    @classmethod
    def of(
        cls, weights: np.ndarray, unit: np.ndarray, bias: np.ndarray, given: tuple[int, int], layer: Layered, dims: int
    ) -> "WordSums":
        flat = weights.reshape(len(weights), -1).astype(np.int64)
        up, down = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
        low, high = up * given[0] + down * given[1], up * given[1] + down * given[0]
        return cls(weights, unit, np.broadcast_to(bias.astype(np.float32), unit.shape), low, high, layer, dims)

    def then(self, step: Callable[[np.ndarray], np.ndarray]) -> "WordSums":
        return replace(self, steps=(*self.steps, step))

    def numbers(self, sums: np.ndarray) -> np.ndarray:  # (k, out) int64 -> (k, out) float32
        """What sums have become by now, in the file's 32 bits."""
        x = (sums * self.unit).astype(np.float32) + self.bias
        x = x.reshape(*x.shape, *[1] * (self.dimensions - 1))
        for step in self.steps:
            x = step(x)
        return np.broadcast_to(x.reshape(len(x), -1), sums.shape)

    @property
    def alike(self) -> "WordSums":
        """With weights that are multiples of the same number for all neurons, where there is one and they stay small:
        those of one neuron may all be multiples of 3.
        """
        least = np.abs(self.unit).min()
        for share in range(1, MOST_WEIGHT + 1):
            times = np.abs(self.unit) / least * share
            whole = np.rint(times).astype(np.int64)
            weights = self.weights * whole.reshape(-1, *[1] * (self.weights.ndim - 1))
            if np.abs(weights).max(initial=0) > MOST_WEIGHT:
                break
            if np.abs(times - whole).max() < CLOSE * times.max():
                return replace(
                    self, weights=weights, unit=self.unit / whole, low=self.low * whole, high=self.high * whole
                )
        return self

    def turned(self, which: np.ndarray) -> "WordSums":  # (out,) bool
        """With the weights of some neurons negated: their sums stand for the opposite of what they did."""
        sign = np.where(which, -1, 1)
        weights = self.weights * sign.reshape(-1, *[1] * (self.weights.ndim - 1))
        low, high = np.where(which, -self.high, self.low), np.where(which, -self.low, self.high)
        return replace(self, weights=weights, unit=self.unit * sign, low=low, high=high)


def counting(layer: Layered, channels: int, words: tuple[int, int]) -> Layered:
    """A layer that reads, for each integer low ... high, high - low bits that count up from the lowest; those of a
    channel follow each other.
    """
    low, high = words

    def made(weights: np.ndarray, bias: np.ndarray, activation: Any) -> Layer:
        split = weights.reshape(len(weights), channels, 1, -1)
        shape = weights.shape[2:] if weights.ndim == 4 else ()
        wide = np.repeat(split, high - low, 2)
        wide = wide.reshape(len(weights), channels * (high - low), *shape) if shape else wide.reshape(len(weights), -1)
        return layer(wide, bias + low * split.reshape(len(weights), -1).astype(np.int64).sum(1), activation)

    return made


def integers_of(weights: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights (out, ...) as the smallest integers that they are multiples of one number a neuron of, and these numbers
    (out,); a neuron of zeros has 1. Raises `ImportRefused` where they take more than eight bits.
    """
    if weights.dtype.kind not in "iubf":
        raise ImportRefused(f"{what}: weights must be numbers")
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        raise ImportRefused(f"{what}: weights must be finite")
    largest = np.abs(flat).max(1)
    share = flat / np.where(largest > 0, largest, 1)[:, None]
    unit, found = np.where(largest > 0, 0.0, 1.0), np.zeros(flat.shape, np.int64)
    for most in range(1, MOST_WEIGHT + 2):
        open_ = np.flatnonzero(unit == 0)
        if not len(open_):
            break
        scaled = share[open_] * most
        whole = np.rint(scaled)
        near = (np.abs(scaled - whole) < CLOSE * most) & ((whole == 0) == (scaled == 0)) & (whole <= MOST_WEIGHT)
        good = near.all(1)
        found[open_[good]], unit[open_[good]] = whole[good], largest[open_[good]] / most
    if (unit == 0).any():
        neuron = int(np.argmax(unit == 0))
        raise ImportRefused(
            f"{what}: weights of neuron {neuron} must be multiples of one number, {MOST_WEIGHT} times it at most; are "
            f"they quantized?"
        )
    return found.reshape(weights.shape), unit


def thresholds(
    sums: Summed, level: Callable[[np.ndarray], np.ndarray], low: int, high: int, what: str
) -> tuple[Summed, np.ndarray]:
    """The sums, turned where larger ones give lower levels, and from which sum on each gives each level above the
    lowest, (out, high - low): beyond its highest sum where it never does.

    `level` (k, out) float32 -> (k, out) is what a quantizer makes of numbers.
    """
    ends = level(sums.numbers(np.stack([sums.low, sums.high])))
    turned = sums.turned(ends[1] < ends[0])
    steps = np.arange(low + 1, high + 1)
    first = np.repeat(turned.low[:, None], len(steps), 1)
    beyond = np.repeat(turned.high[:, None] + 1, len(steps), 1)
    while (first < beyond).any():  # the threshold is in first ... beyond
        middle = (first + beyond) // 2
        reached = np.greater_equal(level(turned.numbers(middle.T)).T, steps)
        searching = first < beyond
        beyond = np.where(searching & reached, middle, beyond)
        first = np.where(searching & ~reached, middle + 1, first)
    check = level(turned.numbers(np.minimum(first, turned.high[:, None]).T)).T
    if ((check < steps) & (first <= turned.high[:, None])).any() or not np.isfinite(check).all():
        raise ImportRefused(f"{what} must grow, or fall, with the sums that it quantizes")
    return turned, first


def requantized(sums: Sums, starts: np.ndarray, low: int, high: int, what: str) -> tuple[np.ndarray, Requantize]:
    """Biases (out,) and an activation that give each level from its threshold on (out, levels above the lowest), for
    every sum that a neuron can have: lines, or where ties are rounded to even levels shifts that do so.
    """
    neurons = list(zip(starts.tolist(), sums.low.tolist(), sums.high.tolist(), strict=True))
    lines = [_line(steps, least, most, low) for steps, least, most in neurons]
    none = np.zeros(len(lines), np.int64)
    if all(each is not None for each in lines):
        multiplier, offset, shift = (np.array(each, np.int64) for each in zip(*filter(None, lines), strict=True))
        rounding = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
        return none, Affine(multiplier, shift, low, high, offset - rounding)
    evens = [_even(steps, least, most, low) for steps, least, most in neurons]
    if low in (0, -high - 1) and not high & (high + 1) and all(each is not None for each in evens):
        bias, shift = (np.array(each, np.int64) for each in zip(*filter(None, evens), strict=True))
        return bias, Even(none + 1, shift, low, high)
    neuron = next(place for place, each in enumerate(lines) if each is None)
    some = starts[neuron, :4].tolist()
    raise ImportRefused(
        f"{what}, neuron {neuron}: no straight line passes its {starts.shape[1]} thresholds, {some} ..."
    )


def _even(starts: list[int], least: int, most: int, low: int) -> tuple[int, int] | None:
    """Bias and shift of a neuron whose sums lie in least ... most, divided by a power of two and rounded to the nearest
    level, of two the even one; None where there are none.
    """
    levels = range(low + 1, low + 1 + len(starts))
    inside = [(start, level) for start, level in zip(starts, levels, strict=True) if least < start <= most]
    if not inside:
        shift = (most - least + 2).bit_length() + 1
        return ((low + sum(start <= least for start in starts)) << shift) - least, shift

    def begins(level: int, shift: int) -> int:
        """The first sum with its bias that gives a level."""
        return (level << shift) - (1 << shift - 1) + (level & 1)

    for shift in range(1, FINEST):
        bias = begins(inside[0][1], shift) - inside[0][0]
        given = [begins(level, shift) - bias for level in levels]
        if all(
            max(least, min(a, most + 1)) == max(least, min(b, most + 1)) for a, b in zip(given, starts, strict=True)
        ):
            return bias, shift
    return None


def _line(starts: list[int], least: int, most: int, low: int) -> tuple[int, int, int] | None:
    """Multiplier, offset and shift of a neuron whose sums lie in least ... most; None where there are none.

    Of every level, the first sum that gives it must reach it, and the one before must not; of two such conditions
    follows a bound of the slope (Fourier and Motzkin).
    """
    levels = range(low + 1, low + 1 + len(starts))
    reach = [(max(start, least), level) for start, level in zip(starts, levels, strict=True) if start <= most]
    miss = [(start - 1, level) for start, level in zip(starts, levels, strict=True) if start > least]
    (reached, missed), (of_reached, of_missed) = (
        [np.array([each[place] for each in pairs], np.float64) for pairs in (reach, miss)] for place in (0, 1)
    )
    sums, steps = reached[:, None] - missed, of_reached[:, None] - of_missed
    slopes = steps / np.where(sums != 0, sums, 1)
    lower, upper = slopes.max(initial=0, where=sums > 0), slopes.min(initial=np.inf, where=sums < 0)
    slope = (lower + upper) / 2 if np.isfinite(upper) else max(2 * lower, 2.0**-8)
    for shift in range(FINEST):
        multiplier = max(1, round(slope * 2**shift))
        # as integers: sum * multiplier + offset reaches level << shift, or not
        at_least = max(((level << shift) - multiplier * value for value, level in reach), default=None)
        at_most = min(((level << shift) - 1 - multiplier * value for value, level in miss), default=None)
        if at_least is None and at_most is None:
            return multiplier, 0, shift
        if at_least is None or at_most is None or at_least <= at_most:
            return multiplier, at_least if at_least is not None else at_most, shift  # pyright: ignore
    return None


def straight(sums: WordSums, output: str) -> tuple[np.ndarray, np.ndarray]:
    """Integers (out,) to be added to sums so that they compare as the numbers that they stand for, and those of the
    first class from its lowest sum on (levels,), where they are not too many.
    """
    if len(sums.low) < 2 or (sums.high == sums.low).any():
        raise ImportRefused(f"output {output!r} must be of classes that all have synapses")
    points = np.rint(np.linspace(sums.low, sums.high, POINTS)).astype(np.int64)
    points = np.concatenate([points, [sums.low + 1, sums.high - 1, np.clip(0, sums.low, sums.high)]])
    numbers = sums.numbers(points).astype(np.float64)  # (points, classes)
    near = ROUNDED * np.abs(numbers).max(0)  # what rounding explains
    begin, end, zero = numbers[0], numbers[POINTS - 1], numbers[-1]
    steps = (end - begin) / (sums.high - sums.low)
    if (np.abs(begin + steps * (points - sums.low) - numbers) > 2 * near).any():
        raise ImportRefused(f"output {output!r}: scores must be sums, not bounded or quantized once more")
    step = steps[0]
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    if step <= 0 or (np.abs(steps - step) * reach > STRAIGHT * step + 4 * near).any():
        raise ImportRefused(
            f"output {output!r}: all classes' scores must grow by the same with their sums, not by {steps.min():.6g} "
            f"to {steps.max():.6g}"
        )
    ahead = zero / step - points[-1]
    exact = ahead - ahead[0]
    offsets = np.rint(exact).astype(np.int64)
    off = np.abs(exact - offsets)
    if (off > STRAIGHT + 2 * ROUNDED * np.abs(zero).max() / step).any():
        worst = int(off.argmax())
        raise ImportRefused(
            f"output {output!r}: class {worst} is ahead by {exact[worst]:.4f} steps of a sum; integers would be wrong "
            f"by {off[worst]:.4f} of one"
        )
    low, high = int(sums.low.min()), int(sums.high.max())
    levels = np.arange(low, high + 1) if high - low < MOST_SCORES else np.zeros(0)
    return offsets, (levels + ahead[0]) * step
