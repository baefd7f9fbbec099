"""The layers on the lanes: where each reads and writes, and its operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from logicnn.engines.differences.maps import Map, rows_of
from logicnn.engines.differences.orders import Order, ordered
from logicnn.engines.differences.program import Op, dense_ops, kernels_of, ops_of, steps
from logicnn.network import Activations, BinaryConv2d, BinaryDense, Layer, MaxPool2d, Offset

__all__ = ["Pass", "passes_of", "widest_of"]

LEAVING = 7  # cycles from a layer's last operation to the first of the next, beside those in which its rows are written
NARROWEST = 16  # lanes where nothing is convolved
KEPT = 64  # layers whose operations are remembered
Shape = tuple[int, int, int]  # channels, rows, columns


@dataclass(frozen=True, eq=False)
class Pass:
    """A layer on the lanes: the maps that it reads and writes, its operations, how often they are repeated for further
    rows (`blocks`); of a pooled one 2 x 2 positions give a bit. Lanes of a dense one are neurons and not positions, all
    of which take the same bit, each with a weight of its own (`signs`); further neurons are further blocks.
    """

    layer: BinaryConv2d | BinaryDense
    reads: Map
    writes: Map | None
    order: Order
    ops: tuple[Op, ...]
    pooled: bool
    blocks: int
    inputs: np.ndarray  # (synapses, 3): channel, row and column of each, of the map
    signs: np.ndarray  # (rows, neurons) of all blocks in order, as `dense_ops` says; empty for a convolution

    @property
    def dense(self) -> bool:
        return isinstance(self.layer, BinaryDense)

    @property
    def answers(self) -> int:
        """Of all lanes, in a block."""
        return 1 if self.dense else len(self.layer.weights)

    @property
    def pieces(self) -> int:
        """Cycles in which what a kernel answers is written: rows that it gives."""
        return _pieces(self.reads.rows, self.pooled, self.dense)

    @property
    def wait(self) -> int:
        """Between its last operation and the first of the next layer."""
        return LEAVING + self.pieces

    @property
    def cycles(self) -> int:
        return self.blocks * len(self.ops)


def _pieces(rows: int, pooled: bool, dense: bool) -> int:
    if dense:
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
        inputs = _inputs(layer, reads, place)
        if isinstance(layer, BinaryDense):
            found.append(_dense(layer, reads, writes, inputs, lanes))
            place = np.zeros(1, np.int64)
            continue
        waits = pools and reads.rows == 1  # a row that waits for the second is read in the cycle before
        order, ops = _evaluated(layer, reuse, max(_pieces(reads.rows, pools, False), 1 + waits))
        assert writes is not None
        blocks = -(-(writes.height << pools) // reads.rows)
        found.append(Pass(layer, reads, writes, order, ops, pools, blocks, inputs, np.zeros((0, 0), np.int8)))
        place = np.argsort(order.kernels)
    return tuple(found)


def _dense(layer: BinaryDense, reads: Map, writes: Map | None, inputs: np.ndarray, lanes: int) -> Pass:
    """Blocks of as many neurons as there are lanes, with the same operations; neurons that are not there read
    nothing.
    """
    count = len(layer.weights)
    side = min(lanes, count)
    blocks = -(-count // side)
    weights = np.zeros((blocks * side, layer.weights.shape[1]), np.int8)
    weights[:count] = layer.weights
    levels = np.pad(_levels(layer), (0, blocks * side - count), mode="edge")
    ops, signs = dense_ops(weights, levels, isinstance(layer.activation, Offset))
    signs = signs.reshape(len(signs), blocks, side).transpose(1, 0, 2).reshape(-1, side)
    order = Order(tuple(range(count)), (False,) * count)
    return Pass(layer, reads, writes, order, ops, False, blocks, inputs, signs)


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
            shape = 1, -(-len(layer.weights) // lanes), lanes
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
def _evaluated(layer: BinaryConv2d, reuse: bool, apart: int) -> tuple[Order, tuple[Op, ...]]:
    order, weights = _order(layer, reuse), layer.weights.reshape(len(layer.weights), -1)
    return order, tuple(ops_of(kernels_of(weights, _levels(layer), order), apart, reuse))


@lru_cache(KEPT)
def _order(layer: BinaryConv2d, reuse: bool) -> Order:
    count = len(layer.weights)
    if not reuse:
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
