"""The engine for dense layers and convolutions on few multipliers, each of which serves many weights, one a cycle (the
reuse factor of hls4ml; Ramhorst, Loncar, Constantinides 2023, arXiv 2308.05170, section 3).

A tile of `neurons` times `inputs` multipliers takes `inputs` values a cycle for `neurons` sums: the *row* of a group of
neurons and a word of values is what it multiplies in a cycle, and a word of the weights' memory. So there are two kinds
of groups of weights that cost something. The weights of one multiplier, those of every `neurons`-th neuron and every
`inputs`-th value: where all are zero, it is not built. And a row: where all its weights are zero, it is neither stored
nor does it take a cycle; then a second memory says which words are left out, and which row ends a group. Groups of
neurons that nothing reads, or that always give the same, are left out as wholes.

Values are in memory pixel by pixel, of each the words of its channels; an image that is read with padding has a border
of zeros that nothing writes. A convolution takes its rows again for every position; a dense layer is one whose kernel
is as large as its image.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from logicnn.engines.engine import Engine, Io, Latency, MappingError, MemoryBits
from logicnn.engines.idle import without_idle
from logicnn.engines.rows import Pass, Program, Scan, offsets_of, packed, program_of, scheduled
from logicnn.network import (
    Activations,
    Argmax,
    Even,
    Flatten,
    FloatScaled,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    MaxPool2d,
    Network,
)
from logicnn.resources import SPRAM_DEPTH, SPRAM_WIDTH, Device, Family, Resources

__all__ = ["Reused"]

LOGIC_BITS = 4  # weights so narrow are also multiplied in logic, where multipliers run out
MOST_IN_LOGIC = 16  # multipliers
MOST_INPUTS = 16
CLOSEST = 24  # tiles whose time and cost are known exactly before one is chosen
LEVELS = 8  # of LUT4, to a word through a wide sum's shift and bounds
RESERVED = 2  # block RAMs of the board's link
CONTROL = 250  # logic cells that are no sum and no multiplier
PRODUCT = 2.3  # logic cells for each bit times bit of a signed product, as Yosys makes it of LUT4


@dataclass(frozen=True, eq=False)
class Reused(Engine):
    """`count` layers from `start` on, one after the other on the same multipliers: values of its input, one a transfer;
    the class, or all outputs at once.

    Of the layers, `Flatten` may come before a dense one, `MaxPool2d` after a convolution, and `Argmax` after the last.
    Neurons of a group leave one a cycle, so that the last row of a group waits until those of the group before have
    left.
    """

    network: Network
    start: int
    count: int
    neurons: int
    inputs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.count <= len(self.network.layers) - self.start:
            raise MappingError(f"count must be 1 ... {len(self.network.layers) - self.start} layers, not {self.count}")
        if self.neurons < 1:
            raise MappingError(f"neurons must be at least 1 at a time, not {self.neurons}")
        if self.inputs < 1 or self.inputs & (self.inputs - 1):
            raise MappingError(f"inputs must be a power of two of values at a time, not {self.inputs}")
        before: Layer | None = None
        for index, layer in enumerate(self.layers, self.start):
            _check(layer, index, before, last=index >= self.stop - 1 - self.decides)
            before = layer
        if not isinstance(self.layers[-1 - self.decides :][0], IntDense):
            raise MappingError(f"Reused must end with a dense layer or its class, not {type(self.layers[-1]).__name__}")

    # -- what is computed

    @property
    def span(self) -> int:
        return self.count

    @property
    def effective(self) -> Network:
        """The layers, without weights that have no effect."""
        return _effective(self.network, self.start, self.count)

    @cached_property
    def computing(self) -> tuple[IntDense | IntConv2d, ...]:
        """Those of them that have weights."""
        return tuple(each for each in self.effective.layers if isinstance(each, IntDense | IntConv2d))

    @cached_property
    def scans(self) -> tuple[Scan, ...]:
        found: list[Scan] = []
        shape = self.given.shape
        for index, layer in enumerate(self.effective.layers):
            gives = self.effective.activations[index + 1].shape
            match layer:
                case IntConv2d():
                    high, wide = (each + 2 * layer.padding for each in shape[1:])
                    blocks = gives[1], gives[2]
                    found.append(Scan(layer, layer.weights, high, wide, layer.stride, 1, blocks, layer.padding))
                case MaxPool2d():
                    found[-1] = replace(found[-1], pool=layer.size, blocks=(gives[1], gives[2]))
                case IntDense():
                    image = shape if len(shape) == 3 else (shape[0], 1, 1)
                    weights = layer.weights.reshape(-1, *image)
                    found.append(Scan(layer, weights, image[1], image[2], 1, 1, (1, 1)))
            if not isinstance(layer, Flatten) or not found:  # what a convolution gives stays pixel by pixel
                shape = gives
        read = [np.asarray(np.any(each.weights != 0, axis=(0, 2, 3))) for each in found[1:]]
        return tuple(replace(each, read=one) for each, one in zip(found, [*read, None], strict=True))

    @property
    def pixels(self) -> tuple[int, int, int]:
        """Of the input: channels, rows and columns."""
        first = self.scans[0]
        border = 2 * first.padding
        return first.weights.shape[1], first.height - border, first.width - border

    @property
    def pads(self) -> bool:
        return any(each.padding for each in self.scans)

    @property
    def decides(self) -> bool:
        """Whether it gives the class."""
        return isinstance(self.layers[-1], Argmax)

    @property
    def scores(self) -> Activations:
        """What its last dense layer gives."""
        return self.network.activations[self.stop - self.decides]

    @cached_property
    def word(self) -> Interval:
        """Of the values in memory: all layers'."""
        given = [self.given.interval, *(each.activation.interval for each in self.computing[:-1] if each.activation)]
        zero = [Interval(0, 0)] if self.pads else []
        return Interval(min(each.low for each in [*given, *zero]), max(each.high for each in [*given, *zero]))

    @cached_property
    def weight(self) -> Interval:
        return Interval(
            min(min(int(each.weights.min()) for each in self.computing), 0),
            max(max(int(each.weights.max()) for each in self.computing), 1),
        )

    @cached_property
    def total(self) -> Interval:
        """Of sums without bias, and of what they are made of: products, before all are added."""
        low = high = 0
        for layer in self.computing:
            weights = layer.weights.reshape(len(layer.weights), -1).astype(np.int64)
            up, down = np.maximum(weights, 0).sum(1), np.minimum(weights, 0).sum(1)
            high = max(high, int((up * max(0, self.word.high) + down * min(0, self.word.low)).max()))
            low = min(low, int((up * min(0, self.word.low) + down * max(0, self.word.high)).min()))
        return Interval(low, max(high, 1))

    @cached_property
    def program(self) -> Program:
        """Where no row of zeros can be left out, rows are all there and nothing says which are."""
        return program_of(self.scans, self.neurons, self.inputs)

    @cached_property
    def skips(self) -> bool:
        """Whether any row is left out, so that the program is stored."""
        return bool(self.program.skips.any()) or any(each.rows != each.groups * each.words for each in self.passes)

    @property
    def omits(self) -> bool:
        """Whether any group of neurons is left out."""
        return any(len(each.outputs) != len(each.scan.weights) for each in self.passes)

    @property
    def built(self) -> tuple[tuple[int, int], ...]:
        """The multipliers, (neuron, input) of the tile, that have any weight to serve."""
        return self.program.lanes

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The weights' memory, a row each: weights of the multipliers that are built, the first one lowest."""
        return packed(self.program, self.weight.word)

    @property
    def word_bits(self) -> int:
        """Of a row: a power of two of large memories side by side."""
        return SPRAM_WIDTH << max(0, (-(-len(self.built) * self.weight.word // SPRAM_WIDTH) - 1).bit_length())

    # -- time

    def about(self, neurons: int, inputs: int) -> int:
        """Rows of a tile of this size, before any is left out."""
        total = 0
        for each in self.scans:
            kernel = each.weights.shape[2] * each.weights.shape[3] * each.pixel_words(inputs)
            total += each.positions * max(-(-len(each.weights) // neurons) * kernel, len(each.weights))
        return total

    @property
    def multiplies(self) -> bool:
        """Whether sums are multiplied before they are shifted."""
        return self.multiplier_bits > 0

    @property
    def evens(self) -> bool:
        """Whether ties are rounded to the even level, anywhere."""
        return any(isinstance(each.activation, Even | FloatScaled) for each in self.computing)

    @property
    def floats(self) -> bool:
        """Whether what is nearly a tie is one, as for 32 bits of floating point."""
        return any(isinstance(each.activation, FloatScaled) for each in self.computing)

    @property
    def multiplier_bits(self) -> int:
        """Of what sums are multiplied by, in logic; 0 where that is 1 everywhere."""
        most = max((int(each.activation.multiplier.max()) for each in self.computing if each.activation), default=1)
        return most.bit_length() if most > 1 else 0

    @property
    def summing(self) -> int:
        """Cycles from a row to its sums: an address, a word of values, two of multiplication, and a sum of several."""
        return 5 if self.inputs > 1 else 4

    @property
    def pools(self) -> bool:
        return any(each.pool > 1 for each in self.scans)

    @property
    def leaving(self) -> int:
        """Cycles from a group's last row to the cycle in which its first output is written."""
        return self.summing + 4 + self.multiplies + self.evens + self.floats + 2 * self.pools

    @cached_property
    def _schedule(self) -> tuple[tuple[Pass, ...], int]:
        return scheduled(self.scans, self.program, self.neurons, self.inputs, self.leaving)

    @property
    def passes(self) -> tuple[Pass, ...]:
        return self._schedule[0]

    @property
    def latency(self) -> Latency:
        cycles = 1 + self._schedule[1] + self.leaving + self.passes[-1].rest
        return Latency(cycles, cycles)

    @property
    def interval(self) -> int:
        """The values of a sample, and then all that it takes."""
        return self.given.size + self.latency.most

    @property
    def products(self) -> int:
        """Products with weights that are not zero, of a sample."""
        return sum(int(np.count_nonzero(each.weights)) * each.positions for each in self.scans)

    @property
    def occupancy(self) -> float:
        """Of the products that the multipliers could make in `latency` cycles, the fraction that is needed."""
        return self.products / (max(1, len(self.built)) * self.latency.most)

    @property
    def input_io(self) -> Io:
        return Io.SERIAL

    @property
    def collides(self) -> bool:
        return False  # no value is read before the cycle after it was written

    # -- on a device

    @cached_property
    def depth(self) -> int:
        """Words of values that are kept."""
        return max(each.reads + each.scan.words(self.inputs) for each in self.passes)

    @cached_property
    def _memories(self) -> tuple[tuple[int, int], ...]:
        """(depth, bits) of all memories but the weights'."""
        outputs = sum(len(each.outputs) for each in self.passes)
        held = max((each.high - each.low).bit_length() for each in (self.total, self.offsets)) + 6
        if self.omits:
            held += max(max(each.outputs) for each in self.passes).bit_length()
        found = [(self.depth, self.inputs * self.word.word), (outputs, held)]
        if self.skips:
            found.append((len(self.program), self.skip_bits + 1))
        return tuple(found)

    @property
    def skip_bits(self) -> int:
        return int(self.program.skips.max()).bit_length()

    @cached_property
    def offsets(self) -> Interval:
        values = [int(each) for layer in self.computing for each in offsets_of(layer)]
        return Interval(min(*values, 0), max(*values, 1))

    def _block_rams(self, device: Device) -> int:
        """Beside those of the weights."""
        return sum(device.brams(*each) for each in self._memories)

    def image(self, device: Device) -> np.ndarray | None:
        """The weights, where they do not fit the device's block RAM and it has large memory, which a bitstream does not
        fill.
        """
        bits = len(self.built) * self.weight.word
        if not device.capacity.spram or self._block_rams(device) + device.brams(len(self.words), bits) <= (
            device.capacity.bram - RESERVED
        ):
            return None
        size = self.word_bits // 8
        return np.frombuffer(b"".join(each.to_bytes(size, "little") for each in self.words), np.uint8).reshape(-1, size)

    def most_rows(self, device: Device) -> int:
        """As many rows of this tile as a device has memory for, weights and program, beside all else. Raises
        `MappingError` where not even one for each group of neurons fits.
        """
        bits, program = len(self.built) * self.weight.word, max(1, self.skip_bits) + 1
        least = sum(each.groups for each in self.passes)
        beside = sum(device.brams(*each) for each in self._memories[:2])
        room = device.capacity.bram - RESERVED - beside

        def fits(rows: int) -> bool:
            large = device.capacity.spram * SPRAM_WIDTH >= self.word_bits and rows <= SPRAM_DEPTH
            return device.brams(rows, program) + (0 if large else device.brams(rows, bits)) <= room

        if not fits(least):
            raise MappingError(
                f"neurons and inputs of {self.neurons} and {self.inputs} at a time need {beside} block RAMs of the "
                f"{device.name} for values and constants, and {device.brams(least, bits)} for at least {least} rows of "
                f"weights; there are {device.capacity.bram - RESERVED}"
            )
        return bisect_left(range(SPRAM_DEPTH + 1), True, lo=least, key=lambda rows: not fits(rows)) - 1

    @property
    def memory_bits(self) -> MemoryBits:
        weights = len(self.words) * len(self.built) * self.weight.word
        return MemoryBits(weights + sum(depth * width for depth, width in self._memories), weights)

    def in_blocks(self, device: Device) -> int:
        """How many of the multipliers are DSP blocks' where the device has some."""
        fits = max(self.word.word, self.weight.word) <= 8 or device.family is Family.ECP5
        return min(len(self.built), device.multipliers) if fits else 0

    def cost(self, device: Device) -> Resources:
        blocks = self.in_blocks(device)
        in_logic = round((len(self.built) - blocks) * PRODUCT * self.word.word * (self.weight.word + 1))
        total = self.total.word
        sums = self.neurons * (self.inputs - 1) * (self.word.word + self.weight.word + 2) + self.neurons * 2 * total
        held = (
            (total + 8) * (4 + 2 * self.multiplies)
            + round(PRODUCT * total * self.multiplier_bits)
            + 6 * total * (self.evens + 2 * self.floats)
        )
        outputs = 3 * self.scores.interval.word if self.decides else self.gives.size * self.gives.interval.word
        cells = sums + in_logic + held + outputs + self.inputs * self.word.word + CONTROL
        loaded = self.image(device) is not None
        bits = len(self.built) * self.weight.word
        per_block = device.multipliers // device.capacity.dsp if device.capacity.dsp else 1
        return Resources(
            lut4=cells - outputs,
            logic_cells=cells,
            ff=self.neurons * 2 * total + outputs + 4 * total + self.inputs * self.word.word + CONTROL // 3,
            bram=self._block_rams(device) + (0 if loaded else device.brams(len(self.words), bits)),
            dsp=-(-blocks // per_block),
            spram=self.word_bits // SPRAM_WIDTH * -(-len(self.words) // SPRAM_DEPTH) if loaded else 0,
        )

    def delay_ns(self, device: Device) -> float:
        return LEVELS * device.level_ns

    @classmethod
    def of(cls, network: Network, start: int, count: int, device: Device) -> "Reused":
        """The tile that answers first, of those whose multipliers and memory the device has; narrow weights also on
        multipliers of logic. Raises `MappingError` where there is none.
        """
        first = cls(network, start, count, 1, 1)
        narrow = first.weight.word <= LOGIC_BITS
        most = (device.multipliers or MOST_IN_LOGIC) + (MOST_IN_LOGIC if narrow and device.multipliers else 0)
        tiles = {
            (lanes // inputs, inputs)
            for inputs in (1 << bit for bit in range(MOST_INPUTS.bit_length()))
            for lanes in {most, most - most % 4, device.multipliers or most, *range(4, most, 4)}
            if lanes >= inputs
        }
        found = []
        for tile in sorted(tiles, key=lambda each: first.about(*each))[:CLOSEST]:
            engine = cls(network, start, count, *tile)
            cost = engine.cost(device)
            bound = device.capacity
            deep = engine.image(device) is None or len(engine.words) <= SPRAM_DEPTH
            if deep and cost.bram <= bound.bram - RESERVED and cost.spram <= bound.spram:
                found.append(engine)
        if not found:
            needed, there = first.memory_bits, device.memory_bits
            inside = ", in words that do not hold these" if needed.total <= there else ""
            raise MappingError(
                f"layers {start} ... {start + count - 1} need {needed.total} bits of memory, {needed.weights} of them "
                f"for weights; the {device.name} has {there}{inside}"
            )
        return min(found, key=lambda each: (each.latency.most, each.cost(device).logic_cells))

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Reused | None":
        """All layers from here on up to the last dense one that it can compute, and what that decides."""
        count, goes_on = 0, period_ns is not None
        before: Layer | None = None
        for index, layer in enumerate(network.layers[start:], 1):
            if isinstance(layer, Argmax) and count and count == index - 1:
                count = index
            try:
                _check(layer, start + index - 1, before, last=isinstance(layer, IntDense))
            except MappingError:
                break
            if not goes_on:
                break
            if isinstance(layer, IntDense):
                count, goes_on = index, layer.activation is not None
            before = layer
        return cls.of(network, start, count, device) if count else None


@lru_cache(8)  # tiles for the same layers are made one after the other
def _effective(network: Network, start: int, count: int) -> Network:
    return without_idle(Network(network.activations[start], network.layers[start : start + count]))


def _check(layer: Layer, index: int, before: Layer | None, last: bool) -> None:
    """Raises `MappingError` for a layer that is not computed, after the one `before` it."""
    match layer:
        case IntDense() | IntConv2d():
            if layer.width is not None:
                raise MappingError(f"Reused computes exact sums, but layer {index} wraps at a width")
            if layer.activation is None and not last:
                raise MappingError(f"Reused needs layers before the last to be requantized, as layer {index} is not")
        case MaxPool2d():
            if not isinstance(before, IntConv2d):
                raise MappingError(f"Reused pools after a convolution, which layer {index} does not follow")
        case Flatten():
            pass
        case _:
            if not (last and isinstance(layer, Argmax)):
                raise MappingError(f"Reused computes layers of integers; layer {index} is {type(layer).__name__}")
