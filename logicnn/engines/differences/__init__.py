"""The engine for binarized networks too large for logic: kernels one after the other on rows of positions, each made of
the one before by the synapses in which they differ (Gao et al. 2021); neurons of dense layers side by side.

A *lane* is a counter for one position of a convolution. In a cycle all lanes take the bit of one synapse, each that of
its own position: a row of the image, shifted. So a cycle costs a read of a row and a step of each counter, whatever the
kernel is, and a synapse that two kernels have in common costs nothing for the second one.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from logicnn.engines.differences.passes import Pass, passes_of, widest_of
from logicnn.engines.differences.program import GROUPS, Mode, Op
from logicnn.engines.engine import Engine, Io, Latency, MappingError, MemoryBits
from logicnn.network import (
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Layer,
    MaxPool2d,
    Network,
    Offset,
)
from logicnn.resources import SPRAM_DEPTH, SPRAM_WIDTH, Device, Resources

__all__ = ["Differences", "Pass"]

ENDING = 5  # to the first operation from the last bit, and to the class from the last operation
RESERVED = 2  # block RAMs of the board's link
CONTROL = 350  # logic cells that are no lane's
LEVELS = 8  # of LUT4, from the images' memory to a lane's bit
SEGMENTS = (1, 2, 4, 8)  # of the images' memory, that are tried


@dataclass(frozen=True, eq=False)
class Differences(Engine):
    """`count` layers from `start` on, one after the other on the same `lanes`: bits of its input one a transfer, the
    class in the end. The memory has `segments` parts, a power of two, as many as rows are taken at once.

    Layers are binarized convolutions of stride 1, after each of which there may be pooling of 2 x 2, then `Flatten` and
    binarized dense layers, the last of which gives scores, and `Argmax`. Without `reuse` each kernel is evaluated from
    the beginning.
    """

    network: Network
    start: int
    count: int
    lanes: int
    segments: int
    reuse: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.count <= len(self.network.layers) - self.start:
            raise MappingError(f"count must be 1 ... {len(self.network.layers) - self.start} layers, not {self.count}")
        if self.segments < 1 or self.segments & (self.segments - 1):
            raise MappingError(f"segments must be a power of two, not {self.segments}")
        if self.lanes < 2 or self.lanes % (2 * self.segments):
            raise MappingError(f"lanes must be pairs in each of {self.segments} segments, not {self.lanes}")
        if not self.given.is_bits:
            raise MappingError(f"Differences reads bits, but layer {self.start} is given {self.given.interval}")
        before: Layer | None = None
        for index, layer in enumerate(self.layers, self.start):
            _check(layer, index, before, index == self.stop - 2)
            before = layer
        if not isinstance(before, Argmax):
            raise MappingError(f"Differences must end with the class, not {type(before).__name__}")
        if not isinstance(self.layers[-2:][0], BinaryDense):
            last = type(self.layers[-2:][0]).__name__
            raise MappingError(f"Differences must decide by the scores of a dense layer, not of {last}")
        if self.scores > self.lanes:
            raise MappingError(f"lanes must be at least one for each of {self.scores} classes, not {self.lanes}")

    # -- what is computed

    @property
    def span(self) -> int:
        return self.count

    @property
    def pixels(self) -> tuple[int, int, int]:
        """Of the bits that come: channels, rows and columns. Bits that are no image fill rows of all lanes."""
        shape = self.given.shape
        if len(shape) == 3:
            return shape[0], shape[1], shape[2]
        return 1, -(-self.given.size // self.lanes), self.lanes

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        return passes_of(self.layers, self.pixels, self.lanes, self.segments, self.reuse)

    @cached_property
    def count_bits(self) -> int:
        """Of a lane's counter, two's complement: what a sum of synapses and its level or offset can come to."""
        most = 16
        for each in self.passes:
            fan_in = int(each.layer.fan_in.max())
            levels = np.abs(each.layer.activation.level.astype(np.int64))
            most = max(most, fan_in + int(levels.max()) + 1)
        return most.bit_length() + 1

    @property
    def depth(self) -> int:
        """Words of the images' memory."""
        return self.passes[-1].reads.stop

    @property
    def scores(self) -> int:
        """Of which the greatest is the class."""
        return len(self.passes[-1].layer.weights)

    @cached_property
    def signs(self) -> np.ndarray:  # (rows, neurons at a time)
        """Weights of all dense layers, in the order in which they are taken: -1, 0, +1."""
        dense = [each.signs for each in self.passes if each.dense]
        most = max(each.shape[1] for each in dense)
        return np.concatenate([np.pad(each, ((0, 0), (0, most - each.shape[1]))) for each in dense])

    @cached_property
    def sign_bits(self) -> int:
        """Of a row: one a neuron, two where weights are pruned."""
        pruned = any((each.layer.weights == 0).any() for each in self.passes if each.dense)
        return self.signs.shape[1] * (1 + pruned)

    @property
    def operations(self) -> int:
        """Synapses that are looked at, of a sample, at all positions."""
        return sum(each.blocks * sum(op.mode is not Mode.CONSTANT for op in each.ops) for each in self.passes)

    # -- time

    @property
    def latency(self) -> Latency:
        waits = sum(each.wait for each in self.passes[:-1])
        cycles = sum(each.cycles for each in self.passes) + waits + ENDING + self.scores
        return Latency(cycles, cycles)

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        found = [
            (
                f"layer {self.layers.index(each.layer) + self.start}, {type(each.layer).__name__}",
                each.cycles + each.wait,
            )
            for each in self.passes
        ]
        (name, _), rest = found[-1], sum(cycles for _, cycles in found[:-1])
        return *found[:-1], (name, self.latency.most - rest)

    @property
    def interval(self) -> int:
        return self.given.size + self.latency.most

    @property
    def input_io(self) -> Io:
        return Io.SERIAL

    @property
    def collides(self) -> bool:
        return False  # rows are written before they are read

    # -- what is in memory

    @cached_property
    def leftmost(self) -> int:
        """Places to the left of its own at which a lane looks."""
        return max((each.reads.padding for each in self.passes if not each.dense), default=0)

    @cached_property
    def shifts(self) -> int:
        """Places at which it looks, its own among them."""
        right = [each.inputs[:, 2].max() - each.reads.padding for each in self.passes if not each.dense]
        return 1 + self.leftmost + int(max(right, default=0))

    @property
    def fields(self) -> dict[str, int]:
        """Bits of a synapse's operation: `negative`; `where` in the words, a rotation by segments and a shift, or of a
        dense layer the bit; `address`.
        """
        shift = (self.segments - 1).bit_length() + (self.shifts - 1).bit_length()
        bit = (self.lanes - 1).bit_length() if any(each.dense for each in self.passes) else 0
        return {"negative": 1, "where": max(shift, bit), "address": self.depth.bit_length()}

    @property
    def op_bits(self) -> int:
        return 2 + max(sum(self.fields.values()), 4 + len(GROUPS))

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The operations of all layers: the mode lowest, then the fields of a synapse or emits, inverted, clears,
        chosen and groups of a constant.
        """
        return tuple(self._word(op, each) for each in self.passes for op in each.ops)

    def _word(self, op: Op, each: Pass) -> int:
        if op.mode is Mode.CONSTANT:
            return int(op.mode) | op.emits << 2 | op.inverted << 3 | op.clears << 4 | op.chosen << 5 | op.groups << 6
        address, where = self._place(each, *each.inputs[op.synapse].tolist())
        return int(op.mode) | op.negative << 2 | where << 3 | address << 3 + self.fields["where"]

    def _place(self, each: Pass, channel: int, row: int, column: int) -> tuple[int, int]:
        reads = each.reads
        base = reads.first + channel * reads.blocks
        if each.dense:
            word, segment = divmod(row, reads.rows)
            return base + word, segment * reads.pitch + column
        word, segment = divmod(row - reads.padding, reads.rows)
        rotation = segment * self.segments // reads.rows
        shift = column - reads.padding + self.leftmost
        return base + word, rotation | shift << (self.segments - 1).bit_length()

    @property
    def word_bits(self) -> int:
        """Of an operation in large memory: a power of two of them side by side."""
        return SPRAM_WIDTH << max(0, (-(-self.op_bits // SPRAM_WIDTH) - 1).bit_length())

    @property
    def buffered(self) -> int:
        """Kernels of layers that are pooled row by row: the first of two rows waits for the second."""
        return max((len(each.layer.weights) for each in self.passes if each.pooled and each.reads.rows == 1), default=0)

    def _block_rams(self, device: Device) -> int:
        """Beside those of the operations."""
        images = self.segments * device.brams(self.depth, self.lanes // self.segments)
        signs = device.brams(len(self.signs), self.sign_bits)
        return images + signs + (device.brams(self.buffered, self.lanes // 2) if self.buffered else 0)

    @property
    def program(self) -> int:
        """Operations in memory."""
        return sum(len(each.ops) for each in self.passes)

    def loads(self, device: Device) -> bool:
        """Whether the operations do not fit the device's block RAM and it has large memory."""
        room = device.capacity.bram - RESERVED - self._block_rams(device)
        return bool(device.capacity.spram) and device.brams(self.program, self.op_bits) > room

    def image(self, device: Device) -> np.ndarray | None:
        if not self.loads(device):
            return None
        size = self.word_bits // 8
        return np.frombuffer(b"".join(each.to_bytes(size, "little") for each in self.words), np.uint8).reshape(-1, size)

    @property
    def memory_bits(self) -> MemoryBits:
        weights = self.program * self.op_bits + self.signs.shape[0] * self.sign_bits
        return MemoryBits(weights + self.depth * self.lanes + self.buffered * self.lanes // 2, weights)

    # -- on a device

    def fits(self, device: Device) -> bool:
        """Whether it has cells, and memory for the operations: large memory no deeper than one block."""
        cost = self.cost(device)
        room = replace(device.capacity, bram=device.capacity.bram - RESERVED)
        return cost <= room and (not self.loads(device) or self.program <= SPRAM_DEPTH)

    def cost(self, device: Device) -> Resources:
        select = 1 + (self.segments > 1) + (self.shifts > 1)
        cells = self.lanes * (self.count_bits + 4 + 2 * select) + CONTROL
        loaded = self.loads(device)
        return Resources(
            lut4=cells,
            logic_cells=cells,
            ff=self.lanes * (self.count_bits + 3) + CONTROL // 2,
            bram=self._block_rams(device) + (0 if loaded else device.brams(self.program, self.op_bits)),
            spram=self.word_bits // SPRAM_WIDTH * -(-self.program // SPRAM_DEPTH) if loaded else 0,
        )

    def delay_ns(self, device: Device) -> float:
        return LEVELS * device.level_ns

    @classmethod
    def of(cls, network: Network, start: int, count: int, device: Device) -> "Differences":
        """The lanes that answer first, of those for which the device has cells and memory. Raises `MappingError` where
        there are none.
        """
        stop = start + count
        classes = network.activations[stop - 1].size
        widest = max(classes, widest_of(network.layers[start:stop], network.activations[start:stop]))
        found = []
        for segments in SEGMENTS:
            pairs = 2 * segments
            for rows in (1, 2, 4):
                lanes = -(-max(2, widest) * rows // pairs) * pairs
                engine = cls(network, start, count, lanes, segments)
                if engine.fits(device):
                    found.append(engine)
        if not found:
            raise MappingError(
                f"{device.name} has too few cells, or too little memory for the operations of Differences"
            )
        return min(found, key=lambda each: (each.latency.most, each.lanes))

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Differences | None":
        """For all that follows, up to the class."""
        layers = network.layers[start:]
        if period_ns is None or not isinstance(layers[0], BinaryConv2d | BinaryDense):
            return None
        return cls.of(network, start, len(layers), device)


def _check(layer: Layer, index: int, before: Layer | None, last: bool) -> None:
    """Raises `MappingError` for a layer that is not computed, after the one `before` it."""
    match layer:
        case BinaryConv2d() | BinaryDense():
            if isinstance(layer.activation, Offset) != last:
                raise MappingError(
                    f"Differences gives scores with its last layer and bits before, not with layer {index}"
                )
            if isinstance(layer, BinaryConv2d):
                if layer.stride != 1 or layer.padding >= min(layer.weights.shape[2:]):
                    raise MappingError(
                        f"Differences convolves with stride 1 and padding below the kernel's size, but layer {index} "
                        f"has {layer.stride} and {layer.padding}"
                    )
                if last or isinstance(before, Flatten):
                    raise MappingError(f"Differences ends with dense layers, but layer {index} is a convolution")
        case MaxPool2d() if isinstance(before, BinaryConv2d):
            if layer.size != 2:
                raise MappingError(f"Differences pools 2 x 2, but layer {index} {layer.size} x {layer.size}")
        case Flatten() | Argmax():
            pass
        case _:
            raise MappingError(f"Differences computes binarized layers; layer {index} is {type(layer).__name__}")
