"""The layers on the lanes: where each reads and writes, and its operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from logicnn.engines.differences.maps import Map, rows_of
from logicnn.engines.differences.orders import Order, ordered
from logicnn.engines.differences.program import Op, kernels_of, ops_of, steps
from logicnn.network import Activations, BinaryConv2d, BinaryDense, Layer, MaxPool2d, Offset

__all__ = ["Pass", "passes_of", "widest_of"]

LEAVING = 7  # cycles from a layer's last operation to the first of the next, beside those in which its rows are written
NARROWEST = 16  # lanes where nothing is convolved
KEPT = 64  # layers whose operations are remembered
Shape = tuple[int, int, int]  # channels, rows, columns


@dataclass(frozen=True, eq=False)
class Pass:
    """A layer on the lanes: the maps that it reads and writes, its operations, how often they are repeated for further
    rows (`blocks`); of a pooled one 2 x 2 positions give a bit. A `single` position takes its bits one by one.
    """

    layer: BinaryConv2d | BinaryDense
    reads: Map
    writes: Map | None
    order: Order
    ops: tuple[Op, ...]
    pooled: bool
    blocks: int
    inputs: np.ndarray  # (synapses, 3): channel, row and column of each, of the map

    @property
    def single(self) -> bool:
        return isinstance(self.layer, BinaryDense)

    @property
    def pieces(self) -> int:
        """Cycles in which what a kernel answers is written: rows that it gives."""
        return _pieces(self.reads.rows, self.pooled, self.single)

    @property
    def wait(self) -> int:
        """Between its last operation and the first of the next layer."""
        return LEAVING + self.pieces

    @property
    def cycles(self) -> int:
        return self.blocks * len(self.ops)


def _pieces(rows: int, pooled: bool, single: bool) -> int:
    if single:
        return 1
    return max(1, rows // 2) if pooled else rows


def passes_of(layers: Sequence[Layer], given: Shape, lanes: int, segments: int, reuse: bool) -> tuple[Pass, ...]:
    """What has weights of these layers, with an image that is given, on so many lanes and segments of memory."""
    computing = [each for each in layers if isinstance(each, BinaryConv2d | BinaryDense)]
    pooled = [
        isinstance(after, MaxPool2d) for each, after in pairwise(layers) if isinstance(each, BinaryConv2d | BinaryDense)
    ]
    maps = _maps(computing, pooled, given, lanes, segments)
    found: list[Pass] = []
    place = np.arange(given[0])  # of each channel in its map: kernels that come first are written first
    for layer, pools, reads, writes in zip(computing, pooled, maps, [*maps[1:], None], strict=True):
        single = isinstance(layer, BinaryDense)
        waits = pools and reads.rows == 1  # a row that waits for the second is read in the cycle before
        order, ops = _evaluated(layer, reuse, max(_pieces(reads.rows, pools, single), 1 + waits))
        rows = writes.height << pools if writes and not single else 1
        blocks = -(-rows // reads.rows)
        found.append(Pass(layer, reads, writes, order, ops, pools, blocks, _inputs(layer, reads, place)))
        place = np.argsort(order.kernels)
    return tuple(found)


def widest_of(layers: Sequence[Layer], activations: Sequence[Activations]) -> int:
    """The widest row that a convolution reads, with its padding; `activations` are before each layer. What only dense
    layers read is no wider, or fills rows of any width.
    """
    convolved = [
        given.shape[2] + layer.padding
        for layer, given in zip(layers, activations, strict=True)
        if isinstance(layer, BinaryConv2d)
    ]
    return max(convolved, default=NARROWEST)


def _maps(
    layers: Sequence[BinaryConv2d | BinaryDense], pooled: Sequence[bool], given: Shape, lanes: int, segments: int
) -> list[Map]:
    """What each layer reads, one behind the other in memory."""
    found: list[Map] = []
    shape, base = given, 0
    for number, (layer, pools) in enumerate(zip(layers, pooled, strict=True), 1):
        padding = layer.padding if isinstance(layer, BinaryConv2d) else 0
        rows = rows_of(lanes, segments, shape[2], padding, f"the input of computing layer {number}")
        found.append(Map(*shape, padding, lanes, rows, base))
        base = found[-1].stop
        if isinstance(layer, BinaryDense):
            shape = len(layer.weights), 1, 1
        else:
            down, right = (
                (size + 2 * padding + 1 - kernel) >> pools
                for size, kernel in zip(shape[1:], layer.weights.shape[2:], strict=True)
            )
            shape = len(layer.weights), down, right
    return found


def _levels(layer: BinaryConv2d | BinaryDense) -> np.ndarray:  # (kernels,) int64
    """What a count is compared with; a score is how far above it."""
    level = layer.activation.level.astype(np.int64)
    return -level if isinstance(layer.activation, Offset) else level


@lru_cache(KEPT)  # engines of other lanes for the same network are made one after the other
def _evaluated(layer: BinaryConv2d | BinaryDense, reuse: bool, apart: int) -> tuple[Order, tuple[Op, ...]]:
    order, weights = _order(layer, reuse), layer.weights.reshape(len(layer.weights), -1)
    return order, tuple(ops_of(kernels_of(weights, _levels(layer), order), apart, reuse))


@lru_cache(KEPT)
def _order(layer: BinaryConv2d | BinaryDense, reuse: bool) -> Order:
    """Scores come in the order of the classes, so that the first of equal ones is found."""
    count = len(layer.weights)
    if not reuse or isinstance(layer.activation, Offset):
        return Order(tuple(range(count)), (False,) * count)
    levels = _levels(layer)
    apart = np.abs(levels[:, None] - levels)
    constants = np.array([len(steps(int(each))) for each in range(int(apart.max()) + 1)])
    return ordered(layer.weights.reshape(count, -1), np.maximum(constants[apart], 1))


def _inputs(layer: BinaryConv2d | BinaryDense, reads: Map, place: np.ndarray) -> np.ndarray:
    """Where each synapse reads; of a convolution from its kernel's corner."""
    if isinstance(layer, BinaryConv2d):
        channel, row, column = np.indices(layer.weights.shape[1:]).reshape(3, -1)
        return np.stack([place[channel], row, column], 1)
    channel, pixel = np.divmod(np.arange(layer.weights.shape[1]), reads.height * reads.width)
    return np.stack([place[channel], *np.divmod(pixel, reads.width)], 1)
