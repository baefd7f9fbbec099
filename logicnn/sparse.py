"""A network of pruned kernels as a schedule for a few sparse processing engines: what the convolution engine does, cycle by cycle.

Yang et al. 2018, section III, whose hardware was left as future work. Layers run one after the other on one `Tile`. A *pass* brings one
window of an input channel (of a dense layer: of the next inputs) and goes on through the positions of a group of outputs (of a dense layer:
through all its outputs), one a cycle; the sums wait in a memory between passes. Positions that are pooled together follow each other
(`logicnn.walks`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from logicnn.integers import IntConv2d, IntDense
from logicnn.kernels import (
    MOST_PATTERNS,
    WEIGHT_BITS,
    WORD_BITS,
    PrunedLayer,
    Row,
    Segment,
    SparseError,
    assigned,
    pruned_layers,
    segments,
)
from logicnn.network import Flatten, Network
from logicnn.values import Activations, Interval
from logicnn.walks import Map, map_of, walk

__all__ = ["MOST_MULTIPLIERS", "EngineTimes", "Fields", "Layer", "Plan", "Tile", "planned"]

MOST_MULTIPLIERS = 16  # of a tile: beyond, the memory of the weights is what holds dense layers up
DEPTH = 11  # cycles from the last step of a layer to its last word in memory, for one output


@dataclass(frozen=True)
class Tile:
    """Sparse processing engines side by side: `lanes` of `slots` multipliers each, fed by words of `word_bits` from the weights' memory."""

    lanes: int
    slots: int
    word_bits: int = 64

    def __post_init__(self) -> None:
        for name in ("lanes", "slots", "word_bits"):
            if getattr(self, name) < 1:
                raise SparseError(f"Tile.{name} must be positive, not {getattr(self, name)}")

    @property
    def multipliers(self) -> int:
        return self.lanes * self.slots


@dataclass(frozen=True)
class Fields:
    """A word of the weights' memory: `weights` of 8 bits, indices of `index_bits`, flags next and back, and how many lanes are missing."""

    weights: int
    indices: int
    index_bits: int
    missing_bits: int

    @property
    def bits(self) -> int:
        return self.weights * WEIGHT_BITS + self.indices * self.index_bits + 2 + self.missing_bits


@dataclass(frozen=True, eq=False)
class Layer:
    """One convolution or dense layer with its pooling, as the engine runs it.

    `keep` weights of a kernel in `joined` lanes; `records` kernels a word; `group` outputs at once. `steps` positions (dense: words) a
    pass, `channels` passes for a group, `groups` of them. Before its first position a pass takes ``lead - 1`` cycles.

    Place o of group g has the output ``o * apart + g * onward``, or none: a lane works for neighbouring outputs, which share patterns, so
    that its selector reads few positions ("each individual SPE block is designed to operate uniquely on one set of kernels").
    """

    dense: bool
    keep: int
    joined: int
    records: int
    group: int
    steps: int
    channels: int
    groups: int
    lead: int
    words: int  # of a pass (dense: of a step)
    pool: int
    rows: int  # of the output's blocks
    columns: int
    given: Map
    gives: Map | None  # None: scores
    kernels: np.ndarray  # (out, kernels of an output, size)
    outputs: tuple[tuple[int, ...], ...]  # of every group
    apart: int
    onward: int
    segments: tuple[Segment, ...]
    bias: np.ndarray  # (out,), the rounding with it
    shift: np.ndarray  # (out,)
    high: int
    total: Interval  # of sums without their bias

    @property
    def hold(self) -> int:
        """Cycles that the engine waits after a finished block, while its outputs are written one by one."""
        return max(0, self.group - self.pool**2)

    @property
    def blocks(self) -> int:
        return self.steps // self.pool**2

    @property
    def cycles(self) -> int:
        """From its first cycle to that of the next layer."""
        return self.groups * (self.channels * (self.lead - 1 + self.steps) + self.hold * self.blocks) + DEPTH + self.group

    @property
    def order(self) -> list[int]:
        """Outputs in the order in which they are written."""
        return [output for group in self.outputs for output in group]

    @property
    def sets(self) -> int:
        """Sets of the patterns' memory: one a segment, and of a convolution one a word of its passes."""
        return len(self.segments) * self.words

    def lane_of(self, word: int, table: int) -> int:
        """The lane that gets its codes from a table, by a word of a pass."""
        return (word * self.records + table // self.joined) * self.joined + table % self.joined


@dataclass(frozen=True, eq=False)
class Plan:
    """A network on a tile: all that the engine's memories hold, and how many cycles it takes.

    Raises `SparseError` where the engine cannot run the network, or the tile is too small for a kernel.
    """

    network: Network
    tile: Tile

    def __post_init__(self) -> None:
        needed = self.fields.bits
        if needed > self.tile.word_bits:
            raise SparseError(f"a word needs {needed} bits, but Tile.word_bits is {self.tile.word_bits}")

    @property
    def side(self) -> int:
        """Rows of a window."""
        return isqrt(self.size)

    @property
    def size(self) -> int:
        """Words of a window."""
        return pruned_layers(self.network)[0].kernels.shape[2]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        found, network = pruned_layers(self.network), self.network
        flattened = [each.index > 0 and isinstance(network.layers[each.index - 1], Flatten) for each in found]
        shapes = [network.activations[each.index - flat].shape for each, flat in zip(found, flattened, strict=True)]
        convolves = [isinstance(each.layer, IntConv2d) for each in found]
        sizes = [map_of(shape, conv, self.side, 0).words for shape, conv in zip(shapes, convolves, strict=True)]
        depth = max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))
        maps = [  # from both ends in turn, so that a layer's input and output are apart
            map_of(shape, conv, self.side, depth - words if place % 2 else 0)
            for place, (shape, conv, words) in enumerate(zip(shapes, convolves, sizes, strict=True))
        ]
        return tuple(
            self._layer(each, network.activations[each.index], maps[place : place + 2], records)
            for place, (each, records) in enumerate(zip(found, self._records(found), strict=True))
        )

    def _records(self, found: Sequence[PrunedLayer]) -> list[int]:
        """Kernels that a word holds of every layer: those for which all words are the fewest, weights and indices side by side."""
        lanes, slots = self.tile.lanes, self.tile.slots
        joined = [-(-each.keep // slots) for each in found]
        most = max(each.keep for each in found)
        if max(joined) > min(2, lanes):
            raise SparseError(f"a kernel keeps {most} weights, but Tile has {slots} slots a lane, and {min(2, lanes)} lanes for a kernel")
        index_bits = (MOST_PATTERNS - 1).bit_length()
        best = None
        for indices in range(max(joined), lanes + 1):
            for weights in range(most, self.tile.multipliers + 1):
                records = [min(lanes // j, weights // each.keep, indices // j) for each, j in zip(found, joined, strict=True)]
                if min(records) < 1:
                    continue
                groups = [self._group(each, count) for each, count in zip(found, records, strict=True)]
                missing = max(-len(each.kernels) % group for each, group in zip(found, groups, strict=True))
                words = sum(-(-each.kernels[..., 0].size // count) for each, count in zip(found, records, strict=True))
                if Fields(weights, indices, index_bits, missing.bit_length()).bits <= self.tile.word_bits:
                    best = min(best or (words, records), (words, records))
        if best is None:
            raise SparseError(f"Tile.word_bits must hold the {most} weights of a kernel and its index, not {self.tile.word_bits}")
        return best[1]

    def _group(self, found: PrunedLayer, records: int) -> int:
        """Outputs at once of a layer with so many kernels a word."""
        at_once = records if isinstance(found.layer, IntDense) else self.tile.lanes // -(-found.keep // self.tile.slots)
        return min(len(found.kernels), at_once)

    def _layer(self, found: PrunedLayer, given: Activations, maps: Sequence[Map], records: int) -> Layer:
        layer, kernels, pool, dense = found.layer, found.kernels, found.pool, isinstance(found.layer, IntDense)
        joined = -(-found.keep // self.tile.slots)
        group = self._group(found, records)
        groups = -(-len(kernels) // group)
        # Scores come in order, so that the first of equal ones is found.
        apart, onward = (1, group) if layer.activation is None else (groups, 1)
        ends = [min(len(kernels), (place + 1) * groups) if apart > 1 else len(kernels) for place in range(group)]
        outputs = tuple(
            tuple(output for place in range(group) if (output := place * apart + step * onward) < ends[place]) for step in range(groups)
        )
        _, rows, columns = (1, 1, groups) if dense else layer.infer(given).shape
        words = 1 if dense else -(-group // records)
        flat = layer.weights.reshape(len(layer.weights), -1).astype(np.int64) * given.interval.high
        rounding = 0 if layer.activation is None else layer.activation.rounding
        return Layer(
            dense=dense,
            keep=found.keep,
            joined=joined,
            records=records,
            group=group,
            steps=rows // pool * pool * (columns // pool) * pool,
            channels=kernels.shape[1],
            groups=1 if dense else groups,
            lead=max(self.side, words),
            words=words,
            pool=pool,
            rows=rows // pool,
            columns=columns // pool,
            given=maps[0],
            gives=maps[1] if len(maps) > 1 else None,
            kernels=kernels,
            outputs=outputs,
            apart=apart,
            onward=onward,
            segments=segments(found, outputs, group),
            bias=layer.bias + rounding,
            shift=np.zeros(len(kernels), np.int64) if layer.activation is None else layer.activation.shift.astype(np.int64),
            high=0 if layer.activation is None else layer.activation.high,
            total=Interval(int(np.minimum(flat, 0).sum(1).min()), int(np.maximum(flat, 0).sum(1).max())),
        )

    @cached_property
    def fields(self) -> Fields:
        missing = max(each.group - len(outputs) for each in self.layers for outputs in each.outputs)
        patterns = max(len(place) for each in self.layers for segment in each.segments for place in segment.patterns)
        return Fields(
            weights=max(each.keep * each.records for each in self.layers),
            indices=max(each.records * each.joined for each in self.layers),
            index_bits=max(1, (patterns - 1).bit_length()),
            missing_bits=missing.bit_length(),
        )

    @cached_property
    def depth(self) -> int:
        """Words of a bank."""
        return max(each.given.base + each.given.words for each in self.layers)

    @property
    def total(self) -> Interval:
        """Of the sums in the engine, finished or not, without bias."""
        return Interval(min(each.total.low for each in self.layers), max(each.total.high for each in self.layers))

    @property
    def biases(self) -> list[int]:
        """Of all outputs, with their rounding, in the order in which they are written."""
        return [value for each in self.layers for value in each.bias[each.order].tolist()]

    @property
    def bias(self) -> Interval:
        return Interval(min(self.biases), max(self.biases))

    @property
    def least_shift(self) -> int:
        """Of outputs that are shifted: all but scores."""
        return min((int(each.shift.min()) for each in self.layers if each.gives is not None), default=0)

    @property
    def shifts(self) -> list[int]:
        """By how much more than the least each output is shifted, in the order in which they are written."""
        return [max(0, value - self.least_shift) for each in self.layers for value in each.shift[each.order].tolist()]

    @property
    def sums(self) -> int:
        """Words of the sums' memory; 0 where every sum is finished in one pass."""
        return max((each.steps for each in self.layers if each.channels > 1), default=0)

    @cached_property
    def reads(self) -> tuple[dict[tuple[int, int, tuple[int, ...]], dict[int, int]], ...]:
        """Of every layer, by segment, place and pattern: which slot (``lane * slots + slot``) reads which position."""
        slots, keys, rows = self.tile.slots, [], []
        for index, layer in enumerate(self.layers):
            for number, segment in enumerate(layer.segments):
                for place, patterns in enumerate(segment.patterns):
                    first = place * layer.joined * slots
                    for pattern in patterns:
                        keys.append((index, number, place, pattern))
                        rows.append(Row(pattern, tuple(range(first, first + layer.keep))))
        found: tuple[dict, ...] = tuple({} for _ in self.layers)
        for (index, *key), chosen in zip(keys, assigned(rows, self.tile.multipliers, self.size), strict=True):
            found[index][tuple(key)] = chosen
        return found

    @cached_property
    def codes(self) -> tuple[tuple[int, ...], ...]:
        """Of every multiplier the positions that its selector chooses from, in the order of their codes."""
        found: list[set[int]] = [set() for _ in range(self.tile.multipliers)]
        for layer in self.reads:
            for chosen in layer.values():
                for slot, position in chosen.items():
                    found[slot].add(position)
        return tuple(tuple(sorted(each)) or (0,) for each in found)

    @property
    def code_bits(self) -> int:
        """Bits of a slot's code."""
        return max(1, max((len(each) - 1).bit_length() for each in self.codes))

    @cached_property
    def tables(self) -> np.ndarray:  # (tables, rows) int64
        """The patterns' memory: by set and index the codes of a lane's slots, `code_bits` each; a table for each lane of a word."""
        indexed, slots = 1 << self.fields.index_bits, self.tile.slots
        found = np.zeros((self.fields.indices, sum(each.sets for each in self.layers) * indexed), np.int64)
        first = 0
        for layer, reads in zip(self.layers, self.reads, strict=True):
            for number, segment in enumerate(layer.segments):
                for word in range(layer.words):
                    for table in range(layer.records * layer.joined):
                        lane = layer.lane_of(word, table)
                        if lane >= layer.group * layer.joined:
                            continue
                        place = lane // layer.joined
                        for index, pattern in enumerate(segment.patterns[place]):
                            chosen = reads[number, place, pattern]
                            mine = {slot - lane * slots: position for slot, position in chosen.items() if slot // slots == lane}
                            packed = sum(
                                self.codes[lane * slots + slot].index(position) << self.code_bits * slot for slot, position in mine.items()
                            )
                            found[table, first * indexed + index] = packed
                    first += 1
        return found

    @cached_property
    def words(self) -> np.ndarray:  # (n,) of Python integers
        """The weights' memory, in the order in which it is read."""
        made = [word for layer, reads in zip(self.layers, self.reads, strict=True) for word in self._layer_words(layer, reads)]
        return np.array(made, dtype=object)

    @property
    def image_words(self) -> np.ndarray:  # (n, word_bits / 8) uint8
        """The weights' memory in bytes, the lowest of a word first."""
        width = self.tile.word_bits // 8
        return np.frombuffer(b"".join(word.to_bytes(width, "little") for word in self.words.tolist()), np.uint8).reshape(-1, width)

    def _layer_words(self, layer: Layer, reads: Mapping) -> Iterator[int]:
        segment_of = [number for number, each in enumerate(layer.segments) for _ in range(each.start, each.stop)]
        groups, channels = range(len(layer.outputs)), range(layer.channels)
        order = (
            [(group, channel) for channel in channels for group in groups]
            if layer.dense
            else [(group, channel) for group in groups for channel in channels]
        )
        for group, channel in order:
            outputs, number = layer.outputs[group], segment_of[group]
            last_group, last_channel = group == groups[-1], channel == channels[-1]
            ends = last_group or segment_of[group + 1] != number
            for word in range(layer.words):
                places = range(word * layer.records, min((word + 1) * layer.records, len(outputs)))
                records = [self._record(layer, reads, number, place, layer.kernels[outputs[place], channel]) for place in places]
                if word < layer.words - 1:
                    onward, back = True, False
                elif layer.dense:
                    onward, back = ends and not (last_group and not last_channel), last_group and not last_channel
                else:
                    onward, back = ends and last_channel, not (ends and last_channel)
                yield self._packed(records, layer, onward, back, layer.group - len(outputs))

    def _record(self, layer: Layer, reads: Mapping, number: int, place: int, kernel: np.ndarray) -> tuple[int, list[int]]:
        """(index of its pattern, weights by slot) of a kernel at a place of a group."""
        support = set(np.flatnonzero(kernel).tolist())
        index, pattern = next((i, each) for i, each in enumerate(layer.segments[number].patterns[place]) if support <= set(each))
        chosen, first = reads[number, place, pattern], place * layer.joined * self.tile.slots
        return index, [int(kernel[chosen[first + slot]]) if first + slot in chosen else 0 for slot in range(layer.keep)]

    def _packed(self, records: Sequence[tuple[int, list[int]]], layer: Layer, onward: bool, back: bool, missing: int) -> int:
        fields, word, at = self.fields, 0, 0
        weights = [weight for _, each in records for weight in each]
        indices = [index for index, _ in records for _ in range(layer.joined)]
        for value, bits, count in ((weights, WEIGHT_BITS, fields.weights), (indices, fields.index_bits, fields.indices)):
            for place, each in enumerate(value):
                word |= (each & (1 << bits) - 1) << at + place * bits
            at += bits * count
        return word | onward << at | back << at + 1 | missing << at + 2

    @cached_property
    def walks(self) -> tuple[tuple[int, ...], np.ndarray]:
        """(where each layer's walk begins, all moves: ``move | block's move << 2``); dense layers have none."""
        starts, moves = [], []
        for layer in self.layers:
            starts.append(len(moves))
            if not layer.dense:
                moves += [move | leave << 2 for move, leave, _ in walk(layer.rows, layer.columns, layer.pool)]
        return tuple(starts), np.array(moves or [0])

    @property
    def walk_bits(self) -> int:
        return max(3, int(self.walks[1].max()).bit_length())

    @property
    def latency(self) -> int:
        """Cycles from the transfer of an input's last word to that in which its class is valid."""
        return 2 + sum(each.cycles for each in self.layers)

    @property
    def interval(self) -> int:
        """Cycles from an input's first word to that of the next, where nothing else waits: its words, and until its class is taken."""
        return self.network.input.size + self.latency

    @property
    def products(self) -> int:
        """Multiplications by weights that are not 0, of one image."""
        return sum(int(np.count_nonzero(each.kernels)) * (1 if each.dense else each.steps) for each in self.layers)

    @property
    def memories(self) -> dict[str, tuple[int, int]]:
        """(depth, width) of all memories but the weights'."""
        outputs = len(self.biases)
        return {
            **{f"bank{bank}": (self.depth, WORD_BITS) for bank in range(self.side)},
            **{f"table{place}": (len(rows), self.code_bits * self.tile.slots) for place, rows in enumerate(self.tables)},
            "sums": (self.sums + 1 if self.sums else 0, self.total.word * self.tile.lanes),
            "biases": (outputs, self.bias.word),
            "shifts": (outputs, max(self.shifts).bit_length()),
            "walk": (len(self.walks[1]), self.walk_bits),
        }


@dataclass(frozen=True)
class EngineTimes:
    """Of an engine on a board, in cycles: from reset until its weights are there (0 where they always are), and from an input's last word
    to its class; and the cycle in ns.
    """

    loading: int
    latency: int
    period_ns: float


def planned(network: Network, multipliers: int) -> Plan:
    """The plan with the least latency of all tiles with up to so many multipliers. Raises `SparseError` where there is none."""
    found, reason = [], None
    for slots in range(1, max(each.keep for each in pruned_layers(network)) + 1):
        for lanes in range(1, min(multipliers, MOST_MULTIPLIERS) // slots + 1):
            try:
                plan = Plan(network, Tile(lanes, slots))
            except SparseError as error:
                reason = error
                continue
            found.append((plan.latency, plan.tile.multipliers, slots, plan))
    if not found:
        raise reason or SparseError(f"multipliers must be at least 1, not {multipliers}")
    return min(found, key=lambda each: each[:3])[3]
