"""Networks in Python's integers, sample by sample and value by value, as the docstrings of `logicnn.network` say it in
prose: nothing of the package computes here, and no array adds up.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from logicnn.network import (
    Affine,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Even,
    Flatten,
    FloatScaled,
    GroupSum,
    IntConv2d,
    IntDense,
    LutLayer,
    MaxPool2d,
    Network,
    Offset,
    Requantize,
    Slicer,
    Thermometer,
    Threshold,
)

__all__ = ["ref_evaluate"]

ROUNDINGS = frozenset({Requantize, Even, Affine, FloatScaled})
SIGNIFICANT = 24  # bits of 32 of floating point
Pairs = Iterable[tuple[int, int]]  # weights and what they meet
Value = Any  # an integer, or lists of them as deep as the shape is long


def ref_evaluate(network: Network, x: np.ndarray) -> np.ndarray:  # (n, *input.shape) -> (n, ...) int64
    """What a network gives; its shape, too, is what the layers made. `LookupError` for a layer that is not known."""
    found = [_sample(network, sample) for sample in np.asarray(x).astype(int).tolist()]
    return np.array(found, np.int64) if found else np.zeros((0, *network.output.shape), np.int64)


def _sample(network: Network, value: Value) -> Value:
    for layer in network.layers:
        match layer:
            case Thermometer(thresholds):
                own = thresholds.tolist() if thresholds.ndim == 2 else [thresholds.tolist()] * len(value)
                value = [
                    _each(channel, lambda x, least=least: int(x >= least))
                    for channel, levels in zip(value, own, strict=True)
                    for least in levels
                ]
            case Flatten():
                value = list(_flat(value))
            case BinaryDense() | IntDense():
                rows, neuron = enumerate(layer.weights.tolist()), _neuron_of(layer)
                value = [neuron(index, zip(row, value, strict=True)) for index, row in rows]
            case BinaryConv2d() | IntConv2d():
                kernels, neuron = enumerate(layer.weights.tolist()), _neuron_of(layer)
                value = [_windows(layer, kernel, value, partial(neuron, index)) for index, kernel in kernels]
            case MaxPool2d(size):
                value = [_pooled(channel, size) for channel in value]
            case LutLayer(connections, tables):
                given = list(_flat(value))
                lines = zip(connections.tolist(), tables.tolist(), strict=True)
                value = [table[sum(given[bit] << place for place, bit in enumerate(read))] for read, table in lines]
            case GroupSum():
                value = _group_sums(layer, list(_flat(value)))
            case Argmax():
                value = value.index(max(value))  # the first of equal ones
            case Slicer(thresholds):
                (score,) = value
                value = sum(score >= least for least in thresholds.tolist())
            case _:
                raise LookupError(f"{type(layer).__name__} has no reference: add what it computes here")
    return value


def _flat(value: Value) -> Iterable[int]:
    if not isinstance(value, list):
        yield value
        return
    for each in value:
        yield from _flat(each)


def _each(value: Value, step: Callable[[int], int]) -> Value:
    return [_each(each, step) for each in value] if isinstance(value, list) else step(value)


def _neuron_of(layer: Any) -> Callable[[int, Pairs], int]:
    """What a neuron of a layer, by number, gives for its weights and inputs."""
    return partial(_binarized if isinstance(layer, BinaryDense | BinaryConv2d) else _integer, layer)


def _windows(layer: Any, kernel: list, value: list, neuron: Callable[[Pairs], int]) -> list:
    """A kernel's neuron at every position, by its weights and inputs; beyond the border are zeros: bit 0, or 0."""
    height, width = len(value[0]), len(value[0][0])
    pad, stride, rows, columns = layer.padding, layer.stride, len(kernel[0]), len(kernel[0][0])

    def at(channel: int, y: int, x: int) -> int:
        return value[channel][y][x] if 0 <= y < height and 0 <= x < width else 0

    def window(y: int, x: int) -> list[tuple[int, int]]:
        places = product(range(len(kernel)), range(rows), range(columns))
        return [(kernel[c][i][j], at(c, y + i, x + j)) for c, i, j in places]

    return [
        [neuron(window(y, x)) for x in range(-pad, width + pad - columns + 1, stride)]
        for y in range(-pad, height + pad - rows + 1, stride)
    ]


def _binarized(layer: BinaryDense | BinaryConv2d, neuron: int, pairs: Pairs) -> int:
    agreeing = sum(weight == (1 if bit else -1) for weight, bit in pairs)
    match layer.activation:
        case Threshold(minimum):
            return int(agreeing >= int(minimum[neuron]))
        case Offset(value):
            return agreeing + int(value[neuron])
    raise LookupError(f"{type(layer.activation).__name__} has no reference: add what it computes here")


def _integer(layer: IntDense | IntConv2d, neuron: int, pairs: Pairs) -> int:
    held = sum(weight * x for weight, x in pairs) + int(layer.bias[neuron])
    of = layer.activation
    if of is not None and type(of) not in ROUNDINGS:
        raise LookupError(f"{type(of).__name__} has no reference: add what it computes here")
    width = None if layer.width is None else int(layer.width[neuron])
    if isinstance(of, FloatScaled) and width is None:
        factor = int(of.multiplier[neuron]), int(of.shift[neuron])
        return min(of.high, max(of.low, _float_scaled(held, *factor) + of.zero))
    shift, added = 0, 0
    if of is not None:
        shift = int(of.shift[neuron])
        added = (1 << shift - 1 if shift else 0) + (int(of.offset[neuron]) if isinstance(of, Affine) else 0)
        held = held * int(of.multiplier[neuron]) + added
    if width is not None:
        held %= 1 << width
        held -= (held >> width - 1) << width
    if of is None:
        return held
    if isinstance(of, FloatScaled):  # wrapped, without what was added for those that round by it
        return min(of.high, max(of.low, _float_scaled(held - added, 1, shift) + of.zero))
    return min(of.high, max(of.low, _shifted(held, shift, isinstance(of, Even))))


def _shifted(held: int, shift: int, even: bool) -> int:
    above, rest = divmod(held, 1 << shift)
    return above - (even and shift > 0 and not rest and above % 2 == 1)


def _float_scaled(total: int, multiplier: int, shift: int) -> int:
    """``rint(float32(total * multiplier / 2 ** shift))``."""
    product = total * multiplier
    dropped = max(0, abs(product).bit_length() - SIGNIFICANT)
    kept = _nearest(product, dropped)
    return _nearest(kept << dropped, shift)


def _nearest(number: int, places: int) -> int:
    """A number over ``2 ** places``, rounded, to the even one of two that are as near."""
    above, rest = divmod(number, 1 << places)
    return above + (2 * rest > 1 << places or (2 * rest == 1 << places and above % 2 == 1))


def _pooled(channel: list, size: int) -> list:
    rows, columns = len(channel) // size, len(channel[0]) // size
    return [
        [max(channel[size * y + i][size * x + j] for i, j in product(range(size), repeat=2)) for x in range(columns)]
        for y in range(rows)
    ]


def _group_sums(layer: GroupSum, value: list[int]) -> list[int]:
    found, start = [], 0
    for size, offset in zip(layer.sizes.tolist(), layer.offsets.tolist(), strict=True):
        group = range(start, start + size)
        found.append(sum(int(layer.weights[bit]) * value[bit] for bit in group) + offset)
        start += size
    return found
