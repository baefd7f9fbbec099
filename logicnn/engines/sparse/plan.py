"""Layers of pruned kernels as a schedule for a few sparse processing engines: what the convolution engine does, cycle
by cycle.

Yang et al. 2018, section III, whose hardware was left as future work. Layers run one after the other on one `Tile`. A
*pass* brings one window of an input channel (of a dense layer: of the next inputs) and goes on through the positions of
a group of outputs (of a dense layer: through all its outputs), one a cycle; the sums wait in a memory between passes.
Positions that are pooled together follow each other (`logicnn.engines.sparse.scan`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from logicnn.engines.sparse.kernels import (
    MOST_PATTERNS,
    WEIGHT_BITS,
    PrunedLayer,
    Segment,
    SparseError,
    pruned_layers,
    segments,
)
from logicnn.engines.sparse.scan import Map, map_of
from logicnn.network import Activations, IntConv2d, IntDense, Interval, Network

__all__ = ["MOST_MULTIPLIERS", "Fields", "Layer", "Plan", "Tile", "planned"]

MOST_MULTIPLIERS = 16  # of a tile: beyond, the memory of the weights is what holds dense layers up
DEPTH = 11  # cycles from the last step of a layer to its last word in memory, for one output


@dataclass(frozen=True)
class Tile:
    """Sparse processing engines side by side: `lanes` of `slots` multipliers each, fed by words of `word_bits` from the
    weights' memory.
    """

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
    """A word of the weights' memory: `weights` of 8 bits, indices of `index_bits`, flags next and back, and how many
    lanes are missing.
    """

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

    `keep` weights of a kernel in `joined` lanes; `records` kernels a word; `group` outputs at once. `steps` positions
    (dense: words) a pass, `channels` passes for a group, `groups` of them. Before its first position a pass takes
    ``lead - 1`` cycles.

    Place o of group g has the output ``o * apart + g * onward``, or none: a lane works for neighbouring outputs, which
    share patterns, so that its selector reads few positions ("each individual SPE block is designed to operate uniquely
    on one set of kernels").
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
    gives: Map | None  # None: its outputs are the engine's
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
        """Clock cycles from its first to that of the next layer."""
        return (
            self.groups * (self.channels * (self.lead - 1 + self.steps) + self.hold * self.blocks) + DEPTH + self.group
        )

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
    """The layers of a network before `stop` on a tile: in which order the engine does what, and how many cycles that
    takes.

    What its memories hold for it is in `logicnn.engines.sparse.contents`. Raises `SparseError` where the engine cannot
    run the layers, or the tile is too small for a kernel.
    """

    network: Network
    stop: int
    tile: Tile

    def __post_init__(self) -> None:
        needed = self.fields.bits
        if needed > self.tile.word_bits:
            raise SparseError(f"a word needs {needed} bits, but Tile.word_bits is {self.tile.word_bits}")

    @property
    def decides(self) -> bool:
        """Whether its last layer is the Argmax."""
        return self.network.layers[self.stop - 1].decides

    @property
    def side(self) -> int:
        """Rows of a window."""
        return isqrt(self.size)

    @property
    def size(self) -> int:
        """Words of a window."""
        return pruned_layers(self.network, self.stop)[0].kernels.shape[2]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        found, network = pruned_layers(self.network, self.stop), self.network
        flattened = [each.index > 0 and network.layers[each.index - 1].reshapes for each in found]
        shapes = [network.activations[each.index - flat].shape for each, flat in zip(found, flattened, strict=True)]
        convolves = [isinstance(each.layer, IntConv2d) for each in found]
        sizes = [map_of(shape, conv, self.side, 0).words for shape, conv in zip(shapes, convolves, strict=True)]
        depth = max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))
        maps = [  # from both ends in turn, so that a layer's input and output are apart
            map_of(shape, conv, self.side, depth - words if place % 2 else 0)
            for place, (shape, conv, words) in enumerate(zip(shapes, convolves, sizes, strict=True))
        ]
        return tuple(
            self._layer(each, network.activations[each.index], given, gives, records)
            for each, given, gives, records in zip(found, maps, [*maps[1:], None], self._records(found), strict=True)
        )

    def _records(self, found: Sequence[PrunedLayer]) -> list[int]:
        """Kernels that a word holds of every layer: those for which all words are the fewest, weights and indices side
        by side.
        """
        lanes, slots = self.tile.lanes, self.tile.slots
        joined = [-(-each.keep // slots) for each in found]
        most = max(each.keep for each in found)
        if max(joined) > min(2, lanes):
            raise SparseError(
                f"a kernel keeps {most} weights, but Tile has {slots} slots a lane, and {min(2, lanes)} lanes for a "
                f"kernel"
            )
        index_bits = (MOST_PATTERNS - 1).bit_length()
        best = None
        for indices in range(max(joined), lanes + 1):
            for weights in range(most, self.tile.multipliers + 1):
                records = [
                    min(lanes // j, weights // each.keep, indices // j) for each, j in zip(found, joined, strict=True)
                ]
                if min(records) < 1:
                    continue
                groups = [self._group(each, count) for each, count in zip(found, records, strict=True)]
                missing = max(-len(each.kernels) % group for each, group in zip(found, groups, strict=True))
                words = sum(-(-each.kernels[..., 0].size // count) for each, count in zip(found, records, strict=True))
                if Fields(weights, indices, index_bits, missing.bit_length()).bits <= self.tile.word_bits:
                    best = min(best or (words, records), (words, records))
        if best is None:
            raise SparseError(
                f"Tile.word_bits must hold the {most} weights of a kernel and its index, not {self.tile.word_bits}"
            )
        return best[1]

    def _group(self, found: PrunedLayer, records: int) -> int:
        """Outputs at once of a layer with so many kernels a word."""
        at_once = records if isinstance(found.layer, IntDense) else self.tile.lanes // -(-found.keep // self.tile.slots)
        return min(len(found.kernels), at_once)

    def _layer(self, found: PrunedLayer, read: Activations, given: Map, gives: Map | None, records: int) -> Layer:
        layer, kernels, pool, dense = found.layer, found.kernels, found.pool, isinstance(found.layer, IntDense)
        joined = -(-found.keep // self.tile.slots)
        group = self._group(found, records)
        groups = -(-len(kernels) // group)
        # The last layer's outputs come in order: of equal scores the first is to be found, and other engines read them
        # so.
        apart, onward = (1, group) if gives is None else (groups, 1)
        ends = [min(len(kernels), (place + 1) * groups) if apart > 1 else len(kernels) for place in range(group)]
        outputs = tuple(
            tuple(output for place in range(group) if (output := place * apart + step * onward) < ends[place])
            for step in range(groups)
        )
        _, rows, columns = (1, 1, groups) if dense else layer.infer(read).shape
        words = 1 if dense else -(-group // records)
        flat = layer.weights.reshape(len(layer.weights), -1).astype(np.int64) * read.interval.high
        added = 0 if layer.activation is None else layer.activation.added
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
            given=given,
            gives=gives,
            kernels=kernels,
            outputs=outputs,
            apart=apart,
            onward=onward,
            segments=segments(found, outputs, group),
            bias=layer.bias + added,
            shift=np.zeros(len(kernels), np.int64)
            if layer.activation is None
            else layer.activation.shift.astype(np.int64),
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
        """The range of the sums in the engine, finished or not, without bias."""
        return Interval(min(each.total.low for each in self.layers), max(each.total.high for each in self.layers))

    @property
    def sums(self) -> int:
        """Words of the sums' memory; 0 where every sum is finished in one pass."""
        return max((each.steps for each in self.layers if each.channels > 1), default=0)

    @property
    def latency(self) -> int:
        """Cycles from the transfer of an input's last word to that in which its output is valid."""
        return 2 + sum(each.cycles for each in self.layers)

    @property
    def interval(self) -> int:
        """Cycles from an input's first word to that of the next, where nothing else waits: its words, and until its
        output is taken.
        """
        return self.network.input.size + self.latency

    @property
    def products(self) -> int:
        """Multiplications by weights that are not 0, of one image."""
        return sum(int(np.count_nonzero(each.kernels)) * (1 if each.dense else each.steps) for each in self.layers)


def planned(network: Network, multipliers: int, stop: int | None = None) -> Plan:
    """The plan with the least latency of all tiles with up to so many multipliers, for the layers before `stop` (None:
    for all).

    Raises `SparseError` where there is none.
    """
    stop = len(network.layers) if stop is None else stop
    found, reason = [], None
    for slots in range(1, max(each.keep for each in pruned_layers(network, stop)) + 1):
        for lanes in range(1, min(multipliers, MOST_MULTIPLIERS) // slots + 1):
            try:
                plan = Plan(network, stop, Tile(lanes, slots))
            except SparseError as error:
                reason = error
                continue
            found.append((plan.latency, plan.tile.multipliers, slots, plan))
    if not found:
        raise reason or SparseError(f"multipliers must be at least 1, not {multipliers}")
    return min(found, key=lambda each: each[:3])[3]
