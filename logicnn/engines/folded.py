"""The engine for one dense layer whose multipliers each serve as many weights as the reuse factor says: a whole sample
in, a whole sample out, and the next sample that many cycles later (hls4ml's `ReuseFactor` with `io_parallel`, FINN's
folding; Ramhorst, Loncar, Constantinides 2023, arXiv 2308.05170, section 3).

The multipliers are a tile of `neurons` times `inputs`, as in `logicnn.engines.reused`, and a row is what it multiplies
in a cycle. A multiplier all of whose weights are zero is not built, so that its bits are in no memory either and what
is left is packed anew; nor is a row of zeros. Layers follow each other as engines in a row: all work at once, each on
a sample of its own.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from logicnn.engines.costs import argmax_lut4
from logicnn.engines.engine import Engine, Latency, MappingError, MemoryBits
from logicnn.engines.mapping import Mapping
from logicnn.engines.rows import Program, Scan, offsets_of, packed, program_of
from logicnn.network import Activations, Argmax, Even, Flatten, FloatScaled, IntDense, Interval, Layer, Network
from logicnn.resources import Device, Family, Resources

__all__ = ["ROWS_IN_LOGIC", "Folded", "tile_of"]

ROWS_IN_LOGIC = 16  # of a LUT4 for every bit of a weight; weights of more rows are in block RAM
RADIX = 4  # products, or sums of them, that are added between registers
LEVELS = 6  # of LUT4 and routes, through two sums or what bounds a word
CONTROL = 20  # logic cells


def tile_of(shape: tuple[int, int], reuse: int) -> tuple[int, int]:
    """Neurons and inputs at a time of a layer (neurons, inputs) in which a multiplier serves `reuse` weights at most:
    all neurons at once, as long as one has so many inputs. Where the factor divides neither, the last ones are padded.
    """
    if reuse < 1:
        raise MappingError(f"reuse must be at least 1 weight of a multiplier, not {reuse}")
    neurons, inputs = shape
    wide = -(-inputs // reuse)
    words = -(-inputs // wide)
    return -(-neurons // max(1, reuse // words)), wide


@dataclass(frozen=True, eq=False)
class Folded(Engine):
    """An `IntDense`, with `Flatten` before it and `Argmax` after it, on `neurons` times `inputs` multipliers.

    Sums are exact; its activation shifts and bounds, and does not multiply. The class is found by a tournament with a
    register after each round.
    """

    network: Network
    start: int
    neurons: int
    inputs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        index = self._index
        layer = self.network.layers[index]
        if not isinstance(layer, IntDense):
            raise MappingError(f"Folded computes dense layers of integers; layer {index} is {type(layer).__name__}")
        for name, value, most in (
            ("neurons", self.neurons, layer.weights.shape[0]),
            ("inputs", self.inputs, layer.weights.shape[1]),
        ):
            if not 1 <= value <= most:
                raise MappingError(f"{name} must be 1 ... {most} at a time in layer {index}, not {value}")
        if layer.width is not None:
            raise MappingError(f"Folded computes exact sums, but layer {index} wraps at a width")
        if layer.activation is not None and (layer.activation.multiplier != 1).any():
            raise MappingError(f"Folded shifts sums, but layer {index} multiplies them before")
        if isinstance(layer.activation, Even | FloatScaled):
            raise MappingError(f"Folded rounds ties up, but layer {index} to the even level")

    # -- what is computed

    @property
    def _index(self) -> int:
        """Of the dense layer."""
        return _index(self.network, self.start)

    @property
    def span(self) -> int:
        return self._index + 1 + self.decides - self.start

    @property
    def dense(self) -> IntDense:
        layer = self.network.layers[self._index]
        assert isinstance(layer, IntDense)
        return layer

    @property
    def decides(self) -> bool:
        """Whether it gives the class."""
        following = self.network.layers[self._index + 1 : self._index + 2]
        return any(isinstance(each, Argmax) for each in following)

    @property
    def scores(self) -> Activations:
        """What its dense layer gives."""
        return self.network.activations[self._index + 1]

    @property
    def rounds(self) -> int:
        """Of the tournament for the class."""
        return (self.scores.size - 1).bit_length() if self.decides else 0

    @property
    def groups(self) -> int:
        """Of neurons, one after the other."""
        return -(-len(self.dense.weights) // self.neurons)

    @property
    def words(self) -> int:
        """Of inputs, one after the other."""
        return -(-self.given.size // self.inputs)

    @cached_property
    def program(self) -> Program:
        scan = Scan(self.dense, self.dense.weights[:, :, None, None], 1, 1, 1, 1, (1, 1))
        return program_of([scan], self.neurons, self.inputs)

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Of each row, its group and its word of inputs."""
        found, group, place = [], 0, -1
        for skip, ends in zip(self.program.skips.tolist(), self.program.ends.tolist(), strict=True):
            place += 1 + skip
            found.append((group, place))
            if ends:
                group, place = group + 1, -1
        return tuple(found)

    @property
    def built(self) -> tuple[tuple[int, int], ...]:
        """The multipliers, (neuron, input) of the tile, that have any weight to serve."""
        return self.program.lanes

    @cached_property
    def word(self) -> Interval:
        return self.given.interval

    @cached_property
    def weight(self) -> Interval:
        weights = self.dense.weights
        return Interval(min(int(weights.min()), 0), max(int(weights.max()), 1))

    @cached_property
    def memory(self) -> tuple[int, ...]:
        """The weights of the rows: those of the multipliers that are built, the first one lowest."""
        return packed(self.program, self.weight.word)

    @cached_property
    def offsets(self) -> np.ndarray:  # (groups, neurons) int64
        """What each sum begins with."""
        found = np.zeros(self.groups * self.neurons, np.int64)
        found[: len(self.dense.weights)] = offsets_of(self.dense).astype(np.int64)
        return found.reshape(self.groups, self.neurons)

    @cached_property
    def shifts(self) -> np.ndarray:  # (groups, neurons) int64
        found = np.zeros(self.groups * self.neurons, np.int64)
        if self.dense.activation is not None:
            found[: len(self.dense.weights)] = self.dense.activation.shift
        return found.reshape(self.groups, self.neurons)

    @cached_property
    def total(self) -> Interval:
        """Of sums, whole or in part, with what they begin with."""
        weights, offsets = self.dense.weights.astype(np.int64), self.offsets.ravel()[: len(self.dense.weights)]
        up, down = np.maximum(weights, 0).sum(1), np.minimum(weights, 0).sum(1)
        most, least = max(0, self.word.high), min(0, self.word.low)
        high, low = offsets + up * most + down * least, offsets + up * least + down * most
        return Interval(min(int(low.min()), 0), max(int(high.max()), 1))

    # -- time

    @cached_property
    def adding(self) -> int:
        """Registers between a row's products and their sums, of as many products as the busiest neuron has."""
        counts = np.bincount([neuron for neuron, _ in self.built], minlength=1)
        deep, left = 0, int(counts.max())
        while left > 1:
            deep, left = deep + 1, -(-left // RADIX)
        return deep

    @property
    def latency(self) -> Latency:
        cycles = len(self.program) + 4 + self.adding + self.rounds
        return Latency(cycles, cycles)

    @property
    def interval(self) -> int:
        return len(self.program)

    @property
    def collides(self) -> bool:
        return False  # its memory is not written

    # -- on a device

    @property
    def in_memory(self) -> bool:
        """Whether weights are in block RAM, and not in LUTs."""
        return len(self.program) > ROWS_IN_LOGIC and bool(self.built)

    @property
    def memory_bits(self) -> MemoryBits:
        bits = len(self.memory) * len(self.built) * self.weight.word if self.in_memory else 0
        return MemoryBits(bits, bits)

    def cost(self, device: Device) -> Resources:
        width, weight, total = self.word.word, self.weight.word, self.total.word
        count, sums = len(self.built), self.neurons
        in_blocks = bool(device.multipliers) and (device.family is Family.ECP5 or max(width, weight) <= 8)
        product = width + weight
        held = self.given.size * width
        score = self.scores.interval.word
        gives = self.scores.size * score
        chosen = len({place for _, place in self.built}) * width * (self.words - 1) * 2 // 3
        added = max(0, count - sums) * (product + 2) + sums * total
        bounded = sums * (total + score) if self.dense.activation is not None else 0
        decided = argmax_lut4(self.scores.size, score) if self.decides else 0
        stored = 0 if self.in_memory else count * weight
        multiplied = 0 if in_blocks else count * width * (weight + 1)
        cells = chosen + added + bounded + decided + stored + multiplied + CONTROL
        registers = held + gives * (1 + self.decides) + count * (2 * product) + sums * total
        per_block = device.multipliers // device.capacity.dsp if device.capacity.dsp else 1
        return Resources(
            lut4=cells,
            logic_cells=max(cells, registers) if device.separate_ff else cells + held,
            ff=registers,
            bram=device.brams(len(self.memory), count * weight) if self.in_memory else 0,
            dsp=-(-count // per_block) if in_blocks else 0,
        )

    def delay_ns(self, device: Device) -> float:
        return LEVELS * device.level_ns

    @classmethod
    def of(cls, network: Network, start: int, reuse: int) -> "Folded":
        """The tile in which a multiplier serves at most so many weights (`tile_of`)."""
        index = _index(network, start)
        layer = network.layers[index]
        if not isinstance(layer, IntDense):
            raise MappingError(f"Folded computes dense layers of integers; layer {index} is {type(layer).__name__}")
        return cls(network, start, *tile_of(layer.weights.shape, reuse))

    @classmethod
    def row(cls, network: Network, reuse: int) -> Mapping:
        """All layers, each dense one on a tile of its own. Raises `MappingError` for a layer that is not dense."""
        engines = [cls.of(network, network.core_start, reuse)]
        while engines[-1].stop < len(network.layers):
            engines.append(cls.of(network, engines[-1].stop, reuse))
        return Mapping(engines)

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Folded | None":
        """With the least reuse, a power of two, with which all dense layers together fit the device's multipliers."""
        if period_ns is None or not device.multipliers or not _folds(network.layers[_index(network, start)]):
            return None
        shapes = [layer.weights.shape for layer in network.layers if isinstance(layer, IntDense) and _folds(layer)]
        reuse = 1
        while sum(neurons * inputs for neurons, inputs in (tile_of(shape, reuse) for shape in shapes)) > (
            device.multipliers
        ):
            if all(reuse >= neurons * inputs for neurons, inputs in shapes):
                return None
            reuse *= 2
        return cls.of(network, start, reuse)


def _index(network: Network, start: int) -> int:
    """Of the first layer from `start` on that is not `Flatten`, or of the last of all."""
    flat = isinstance(network.layers[start], Flatten)
    return min(start + flat, len(network.layers) - 1)


def _folds(layer: Layer) -> bool:
    if not isinstance(layer, IntDense) or layer.width is not None:
        return False
    of = layer.activation
    return of is None or (bool((of.multiplier == 1).all()) and not isinstance(of, Even | FloatScaled))
