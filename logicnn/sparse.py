"""A network of pruned kernels as a schedule for a few sparse processing engines: what the convolution engine does, cycle by cycle.

Yang et al. 2018, section III, whose hardware was left as future work. Layers run one after the other on one `Tile`. A *pass* brings one
window of an input channel (of a dense layer: of the next inputs) and goes on through the positions of a group of outputs (of a dense layer:
through all its outputs), one a cycle; the sums wait in a memory between passes. Positions that are pooled together follow each other, and
every step of the walk is to a neighbour, so that a window takes one row or column of words from memory, never more (`walk`).

Maps lie in as many banks as a window has rows, word `a` of a map in bank ``a mod side`` at ``a // side``: with a pitch that is 1 modulo
`side`, the words of a row or of a column of a window are in different banks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import isqrt

import numpy as np
from scipy.optimize import linear_sum_assignment

from logicnn.errors import LogicnnError
from logicnn.integers import IntConv2d, IntDense
from logicnn.network import Argmax, Flatten, MaxPool2d, Network
from logicnn.patterns import kernels_of
from logicnn.values import Activations, Interval

__all__ = ["Fields", "Layer", "Map", "Move", "Plan", "SparseError", "Tile", "planned", "walk"]

WEIGHT_BITS = 8
WORD_BITS = 8  # of activations
MOST_PATTERNS = 16  # of a set, as in Tables II and III
DEPTH = 11  # cycles from the last step of a layer to its last word in memory, for one output


class SparseError(LogicnnError):
    """A network that the convolution engine cannot run, or a tile that is too small for it."""


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


class Move:
    """Where a window goes: its origin by one column or row; the numbers are those of the walks' memory."""

    RIGHT, LEFT, DOWN, UP = range(4)


def walk(rows: int, columns: int, pool: int) -> Iterator[tuple[int, int, int]]:
    """(move to a position, whether it ends a block and how the block's place moves then: 0 no end, else 1 + `Move`) of every position.

    Blocks of ``pool * pool`` positions, `rows` x `columns` of them in a boustrophedon; in a block of four round three sides of it. From
    position to position is one step, always: a strip that goes right enters its blocks at the top left and leaves them at the top right,
    one that goes left enters at the bottom right and leaves at the bottom left, and the block at which the walk goes down is left at its
    bottom left by either. The third of each triple is the position's number in its block.
    """
    inside = {1: ((), ()), 2: ((Move.DOWN, Move.RIGHT, Move.UP), (Move.UP, Move.LEFT, Move.DOWN))}
    turn = (Move.RIGHT, Move.DOWN, Move.LEFT)
    arrive = Move.RIGHT
    for row in range(rows):
        goes_left = row % 2
        along = Move.LEFT if goes_left else Move.RIGHT
        for column in range(columns):
            last = column == columns - 1
            steps = inside[pool][goes_left]
            if pool == 2 and (column == 0 if goes_left else last):
                steps = turn
            leave = Move.DOWN if last else along
            for number, move in enumerate((arrive, *steps)):
                yield move, 1 + leave if number == pool * pool - 1 else 0, number
            arrive = leave


@dataclass(frozen=True)
class Map:
    """Where activations lie: word (channel, y, x) at ``base * side + channel * stride + y * pitch + x``; `words` of each bank."""

    base: int
    pitch: int
    stride: int
    words: int


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
    sets: tuple[tuple[int, ...], ...]  # outputs of every set
    patterns: tuple[tuple[tuple[int, ...], ...], ...]  # of every set: positions
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
    def output_groups(self) -> list[tuple[int, ...]]:
        """The outputs that are computed at once; none are of two sets."""
        return [each[start : start + self.group] for each in self.sets for start in range(0, len(each), self.group)]


def _parsed(network: Network) -> list[tuple[int, IntConv2d | IntDense, int]]:
    """(index, layer, pooling after it) of the layers with weights. Raises `SparseError` for what the engine does not do."""
    found: list[tuple[int, IntConv2d | IntDense, int]] = []
    for index, layer in enumerate(network.layers):
        match layer:
            case IntConv2d() | IntDense():
                if isinstance(layer, IntConv2d) and (layer.stride != 1 or layer.padding):
                    raise SparseError(f"layer {index} must have stride 1 and no padding, not {layer.stride} and {layer.padding}")
                if layer.width is not None or (layer.activation is not None and (layer.activation.multiplier != 1).any()):
                    raise SparseError(f"layer {index} must have no widths, and a requantiser that multiplies by 1")
                if layer.activation is not None and (layer.activation.low or layer.activation.high > 255):
                    raise SparseError(f"layer {index} must clip to words of up to 8 bits without sign, not {layer.activation.interval}")
                if np.abs(layer.weights.astype(np.int64) + (layer.weights < 0)).max() >= 1 << WEIGHT_BITS - 1:
                    raise SparseError(f"layer {index} must have weights of {WEIGHT_BITS} bits")
                found.append((index, layer, 1))
            case MaxPool2d() if found and found[-1][0] == index - 1 and layer.size == 2:
                found[-1] = *found[-1][:2], layer.size
            case Flatten():
                pass
            case Argmax() if found and isinstance(found[-1][1], IntDense) and found[-1][1].activation is None:
                pass
            case _:
                raise SparseError(
                    f"layer {index} must be a convolution (with pooling by 2 or not), dense, or an Argmax of sums, not {layer!r}"
                )
    if not isinstance(network.layers[-1], Argmax):
        raise SparseError("the network must end in Argmax")
    if any(layer.activation is None for _, layer, _ in found[:-1]):
        raise SparseError("all layers but the last must have an activation")
    if network.input.interval.low or network.input.interval.high > 255:
        raise SparseError(f"the input must be words of up to 8 bits without sign, not {network.input.interval}")
    return found


def _side(found: Sequence[tuple[int, IntConv2d | IntDense, int]]) -> int:
    """Rows of the window: those of every convolution's kernels; 5 where there is none."""
    shapes = {layer.weights.shape[2:] for _, layer, _ in found if isinstance(layer, IntConv2d)} or {(5, 5)}
    if len(shapes) > 1 or len(set(next(iter(shapes)))) > 1 or next(iter(shapes))[0] < 2:
        raise SparseError(f"kernels must be square and of one size, at least 2 x 2, not {sorted(shapes)}")
    return next(iter(shapes))[0]


def _covered(kernels: np.ndarray, keep: int) -> tuple[tuple[int, ...], ...]:
    """The fewest found sets of up to `keep` positions of which every kernel (n, size) needs only one: those that are in no other."""
    supports = sorted({tuple(np.flatnonzero(row).tolist()) for row in np.unique(kernels != 0, axis=0)}, key=lambda each: (-len(each), each))
    patterns: list[set[int]] = []
    for support in map(set, supports):
        if any(support <= each for each in patterns):
            continue
        room = next((each for each in patterns if len(each | support) <= keep), None)
        if room is None:
            patterns.append(support)
        else:
            room |= support
    return tuple(tuple(sorted(each)) for each in patterns)


def _sets_of(kernels: np.ndarray, keep: int, index: int) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[tuple[int, ...], ...], ...]]:
    """The fewest sets of neighbouring outputs of `kernels` (out, n, size) with few patterns each: (outputs, patterns) by set."""
    worst = 0
    for count in range(1, len(kernels) + 1):
        outputs = [tuple(each.tolist()) for each in np.array_split(np.arange(len(kernels)), count)]
        patterns = []
        for each in outputs:
            patterns.append(_covered(kernels[list(each)].reshape(-1, kernels.shape[2]), keep))
            if len(patterns[-1]) > MOST_PATTERNS:
                worst = len(patterns[-1])
                break
        else:
            return tuple(outputs), tuple(patterns)
    raise SparseError(f"layer {index} has {worst} patterns in the kernels of one output, at most {MOST_PATTERNS}; prune it to patterns")


@dataclass(frozen=True, eq=False)
class _Weights:
    """A layer with its pooling, its kernels (out, n, size), how many weights these keep, and their patterns by set of outputs."""

    index: int
    layer: IntConv2d | IntDense
    pool: int
    kernels: np.ndarray
    keep: int
    sets: tuple[tuple[int, ...], ...]
    patterns: tuple[tuple[tuple[int, ...], ...], ...]


@lru_cache(maxsize=8)
def _analysed(network: Network) -> tuple[_Weights, ...]:
    """The layers with weights, whatever the tile."""
    parsed = _parsed(network)
    side, found = _side(parsed), []
    for index, layer, pool in parsed:
        kernels = kernels_of(layer.weights, side**2).astype(np.int64)
        keep = max(1, int(np.count_nonzero(kernels, axis=2).max()))
        found.append(_Weights(index, layer, pool, kernels, keep, *_sets_of(kernels, keep, index)))
    return tuple(found)


def _index_bits(found: Sequence[_Weights]) -> int:
    return max(1, (max(len(patterns) for each in found for patterns in each.patterns) - 1).bit_length())


def _map_of(shape: tuple[int, ...], conv: bool, side: int, base: int) -> Map:
    """Where activations of a shape lie for a convolution, or in order for a dense layer."""
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
    pitch = width + (1 - width) % side if conv else width
    stride = -(-height * pitch // side) * side if conv else height * pitch
    return Map(base, pitch, stride, -(-channels * stride // side))


def _assigned(rows: Sequence[tuple[int, ...]], keeps: Sequence[int], size: int) -> np.ndarray:  # (rows, slots), -1: none
    """Positions to the first `keep` slots of each row so that slots read few different positions: the cheapest assignment, row by row."""
    slots = max(keeps)
    users, chosen = np.zeros((slots, size), np.int64), np.full((len(rows), slots), -1)
    best, kept = None, chosen.copy()
    while True:
        for place, (row, keep) in enumerate(zip(rows, keeps, strict=True)):
            old = chosen[place]
            users[np.flatnonzero(old >= 0), old[old >= 0]] -= 1
            given = np.array(row, np.int64)
            cost = np.where(users[:keep, given] > 0, -users[:keep, given] / len(rows), 1.0)
            slot, at = linear_sum_assignment(cost)
            chosen[place] = -1
            chosen[place, slot] = given[at]
            users[slot, given[at]] += 1
        inputs = np.count_nonzero(users)
        if best is not None and inputs >= best:
            return kept
        best, kept = inputs, chosen.copy()


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
        return _analysed(self.network)[0].kernels.shape[2]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        found, network = _analysed(self.network), self.network
        flattened = [each.index > 0 and isinstance(network.layers[each.index - 1], Flatten) for each in found]
        shapes = [network.activations[each.index - flat].shape for each, flat in zip(found, flattened, strict=True)]
        convolves = [isinstance(each.layer, IntConv2d) for each in found]
        sizes = [_map_of(shape, conv, self.side, 0).words for shape, conv in zip(shapes, convolves, strict=True)]
        depth = max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))
        maps = [  # from both ends in turn, so that a layer's input and output are apart
            _map_of(shape, conv, self.side, depth - words if place % 2 else 0)
            for place, (shape, conv, words) in enumerate(zip(shapes, convolves, sizes, strict=True))
        ]
        return tuple(
            self._layer(each, network.activations[each.index], maps[place : place + 2], records)
            for place, (each, records) in enumerate(zip(found, self._records(found), strict=True))
        )

    def _records(self, found: Sequence[_Weights]) -> list[int]:
        """Kernels that a word holds of every layer: those for which all words are the fewest, weights and indices side by side."""
        lanes, slots = self.tile.lanes, self.tile.slots
        joined = [-(-each.keep // slots) for each in found]
        most = max(each.keep for each in found)
        if max(joined) > min(2, lanes):
            raise SparseError(f"a kernel keeps {most} weights, but Tile has {slots} slots a lane, and {min(2, lanes)} lanes for a kernel")
        index_bits = _index_bits(found)
        best = None
        for indices in range(max(joined), lanes + 1):
            for weights in range(most, self.tile.multipliers + 1):
                records = [min(lanes // j, weights // each.keep, indices // j) for each, j in zip(found, joined, strict=True)]
                if min(records) < 1:
                    continue
                groups = [self._group(each, count) for each, count in zip(found, records, strict=True)]
                missing = max(-len(outputs) % group for each, group in zip(found, groups, strict=True) for outputs in each.sets)
                words = sum(-(-each.kernels[..., 0].size // count) for each, count in zip(found, records, strict=True))
                if Fields(weights, indices, index_bits, missing.bit_length()).bits <= self.tile.word_bits:
                    best = min(best or (words, records), (words, records))
        if best is None:
            raise SparseError(f"Tile.word_bits must hold the {most} weights of a kernel and its index, not {self.tile.word_bits}")
        return best[1]

    def _group(self, found: _Weights, records: int) -> int:
        """Outputs at once of a layer with so many kernels a word."""
        at_once = records if isinstance(found.layer, IntDense) else self.tile.lanes // -(-found.keep // self.tile.slots)
        return min(len(found.kernels), at_once)

    def _layer(self, found: _Weights, given: Activations, maps: Sequence[Map], records: int) -> Layer:
        layer, kernels, pool, dense = found.layer, found.kernels, found.pool, isinstance(found.layer, IntDense)
        joined = -(-found.keep // self.tile.slots)
        group = self._group(found, records)
        groups = sum(-(-len(each) // group) for each in found.sets)
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
            sets=found.sets,
            patterns=found.patterns,
            bias=layer.bias + rounding,
            shift=np.zeros(len(kernels), np.int64) if layer.activation is None else layer.activation.shift.astype(np.int64),
            high=0 if layer.activation is None else layer.activation.high,
            total=Interval(int(np.minimum(flat, 0).sum(1).min()), int(np.maximum(flat, 0).sum(1).max())),
        )

    @cached_property
    def fields(self) -> Fields:
        missing = max(-len(outputs) % each.group for each in self.layers for outputs in each.sets)
        return Fields(
            weights=max(each.keep * each.records for each in self.layers),
            indices=max(each.records * each.joined for each in self.layers),
            index_bits=_index_bits(_analysed(self.network)),
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
    def sums(self) -> int:
        """Words of the sums' memory; 0 where every sum is finished in one pass."""
        return max((each.steps for each in self.layers if each.channels > 1), default=0)

    @cached_property
    def slots(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Of every layer and set the position that each slot of a kernel's lanes reads: (patterns, joined * slots), -1 for none."""
        rows = [row for layer in self.layers for patterns in layer.patterns for row in patterns]
        keeps = [layer.keep for layer in self.layers for patterns in layer.patterns for _ in patterns]
        all_rows = iter(_assigned(rows, keeps, self.size))
        found = []
        for layer in self.layers:
            width = layer.joined * self.tile.slots
            sets = []
            for patterns in layer.patterns:
                each = np.full((len(patterns), width), -1)
                for place in range(len(patterns)):
                    row = next(all_rows)[:width]
                    each[place, : len(row)] = row
                sets.append(each)
            found.append(tuple(sets))
        return tuple(found)

    @cached_property
    def inputs(self) -> tuple[tuple[frozenset[int], ...], ...]:
        """Of every lane and slot the positions that some pattern needs there."""
        tile = self.tile
        found = [[set[int]() for _ in range(tile.slots)] for _ in range(tile.lanes)]
        for layer, sets in zip(self.layers, self.slots, strict=True):
            for lane in range(layer.group * layer.joined):
                part = lane % layer.joined * tile.slots
                for rows in sets:
                    for slot, column in enumerate(rows[:, part : part + tile.slots].T.tolist()):
                        found[lane][slot] |= {position for position in column if position >= 0}
        return tuple(tuple(map(frozenset, each)) for each in found)

    @cached_property
    def codes(self) -> tuple[tuple[int, ...], ...]:
        """Of every slot its positions in the order of their codes, the same in all lanes: what most lanes need comes first."""
        counts = [Counter(position for lane in self.inputs for position in lane[slot]) for slot in range(self.tile.slots)]
        return tuple(tuple(sorted(each, key=lambda position: (-each[position], position))) or (0,) for each in counts)  # noqa: B023

    @property
    def code_bits(self) -> int:
        """Bits of a slot's code."""
        return max(1, max((len(each) - 1).bit_length() for each in self.codes))

    @cached_property
    def tables(self) -> np.ndarray:  # (tables, rows) int64
        """The patterns' memory: by set and index the codes of a lane's slots, `code_bits` each; a table for every lane that a word fills."""
        indexed = 1 << self.fields.index_bits
        count = sum(len(each.sets) for each in self.layers)
        found = np.zeros((self.fields.indices, count * indexed), np.int64)
        first = 0
        for layer, sets in zip(self.layers, self.slots, strict=True):
            for rows in sets:
                for table in range(self.fields.indices):
                    part = table % layer.joined * self.tile.slots
                    for index, row in enumerate(rows[:, part : part + self.tile.slots].tolist()):
                        codes = [order.index(position) if position >= 0 else 0 for order, position in zip(self.codes, row, strict=True)]
                        packed = sum(code << self.code_bits * slot for slot, code in enumerate(codes))
                        found[table, first * indexed + index] = packed
                first += 1
        return found

    @cached_property
    def words(self) -> np.ndarray:  # (n,) of Python integers
        """The weights' memory, in the order in which it is read."""
        made: list[int] = []
        for layer, sets in zip(self.layers, self.slots, strict=True):
            made += self._layer_words(layer, sets)
        return np.array(made, dtype=object)

    @property
    def image_words(self) -> np.ndarray:  # (n, word_bits / 8) uint8
        """The weights' memory in bytes, the lowest of a word first."""
        width = self.tile.word_bits // 8
        return np.frombuffer(b"".join(word.to_bytes(width, "little") for word in self.words.tolist()), np.uint8).reshape(-1, width)

    def _layer_words(self, layer: Layer, sets: Sequence[np.ndarray]) -> list[int]:
        set_of = {output: place for place, outputs in enumerate(layer.sets) for output in outputs}
        groups = layer.output_groups
        order = (
            [(group, channel) for channel in range(layer.channels) for group in range(len(groups))]
            if layer.dense
            else [(group, channel) for group in range(len(groups)) for channel in range(layer.channels)]
        )
        made = []
        for group, channel in order:
            outputs = groups[group]
            place = set_of[outputs[0]]
            ends = group == len(groups) - 1 or set_of[groups[group + 1][0]] != place
            whole = channel == layer.channels - 1
            for word in range(layer.words):
                records = [
                    self._record(layer, sets[place], layer.patterns[place], layer.kernels[output, channel])
                    for output in outputs[word * layer.records : (word + 1) * layer.records]
                ]
                last = word == layer.words - 1
                goes_back = layer.dense and group == len(groups) - 1 and not whole
                moves_on = last and ends and not goes_back and (layer.dense or whole)
                made.append(self._packed(records, layer, moves_on, goes_back, layer.group - len(outputs)))
        return made

    def _record(self, layer: Layer, slots: np.ndarray, patterns: Sequence[tuple[int, ...]], kernel: np.ndarray) -> tuple[int, list[int]]:
        """(index of its pattern, weights by slot) of a kernel."""
        support = set(np.flatnonzero(kernel).tolist())
        index = next(place for place, each in enumerate(patterns) if support <= set(each))
        return index, [int(kernel[position]) if position >= 0 else 0 for position in slots[index][: layer.keep]]

    def _packed(self, records: Sequence[tuple[int, list[int]]], layer: Layer, moves_on: bool, goes_back: bool, missing: int) -> int:
        fields, word, at = self.fields, 0, 0
        weights = [weight for _, each in records for weight in each]
        indices = [index for index, _ in records for _ in range(layer.joined)]
        for value, bits, count in ((weights, WEIGHT_BITS, fields.weights), (indices, fields.index_bits, fields.indices)):
            for place, each in enumerate(value):
                word |= (each & (1 << bits) - 1) << at + place * bits
            at += bits * count
        return word | moves_on << at | goes_back << at + 1 | missing << at + 2

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
        shifts = max(int(each.shift.max()) for each in self.layers).bit_length()
        biases = Interval(int(min(each.bias.min() for each in self.layers)), int(max(each.bias.max() for each in self.layers)))
        outputs = sum(len(each.kernels) for each in self.layers)
        return {
            **{f"bank{bank}": (self.depth, WORD_BITS) for bank in range(self.side)},
            **{f"table{place}": (len(rows), self.code_bits * self.tile.slots) for place, rows in enumerate(self.tables)},
            "sums": (self.sums + 1 if self.sums else 0, self.total.word * self.tile.lanes),
            "biases": (outputs, biases.word),
            "shifts": (outputs, shifts),
            "walk": (len(self.walks[1]), 5),
        }


MOST_MULTIPLIERS = 16  # of a tile: beyond, the memory of the weights is what holds dense layers up


def planned(network: Network, multipliers: int) -> Plan:
    """The plan with the least latency of all tiles with up to so many multipliers. Raises `SparseError` where there is none."""
    found, reason = [], None
    for slots in range(1, max(each.keep for each in _analysed(network)) + 1):
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
