"""What the memories of the convolution engine hold for a plan: weights, patterns, biases, shifts and scan orders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from logicnn.engines.sparse.kernels import WEIGHT_BITS, WORD_BITS
from logicnn.engines.sparse.plan import Layer, Plan
from logicnn.engines.sparse.scan import scan
from logicnn.engines.sparse.selectors import Assignment, Row, assigned
from logicnn.network import Interval

__all__ = ["Contents", "contents_of", "memories"]

_Reads = dict[tuple[int, int, tuple[int, ...]], Assignment]  # by segment, place in a group, and pattern


@dataclass(frozen=True, eq=False)
class Contents:
    """The memories of an engine.

    Slot ``lane * slots + slot`` has in `positions` those that its selector chooses from, in the order of their codes. A
    row of `tables` (tables, rows) has by set and index the codes of a lane's slots, `code_bits` each; there is a table
    for each lane of a word. `words` are those of the weights' memory in the order in which they are read. Biases, with
    their rounding, and shifts, by how much more than `least_shift`, are those of all outputs in the order in which they
    are written. A layer's scan order begins in `moves` at its one of `starts`: ``move | block's move << 2``; dense
    layers have none.
    """

    positions: tuple[tuple[int, ...], ...]
    code_bits: int
    tables: np.ndarray  # (tables, rows) int64
    words: tuple[int, ...]
    word_bytes: int
    biases: tuple[int, ...]
    least_shift: int
    shifts: tuple[int, ...]
    starts: tuple[int, ...]
    moves: tuple[int, ...]

    @property
    def bias(self) -> Interval:
        return Interval(min(self.biases), max(self.biases))

    @property
    def move_bits(self) -> int:
        return max(3, max(self.moves).bit_length())

    @property
    def image(self) -> np.ndarray:  # (n, word_bytes) uint8
        """The weights' memory in bytes, the lowest of a word first."""
        data = b"".join(word.to_bytes(self.word_bytes, "little") for word in self.words)
        return np.frombuffer(data, np.uint8).reshape(-1, self.word_bytes)


@lru_cache(maxsize=8)
def contents_of(plan: Plan) -> Contents:
    """The memories of a plan."""
    reads = _reads(plan)
    positions = _positions(plan, reads)
    code_bits = max(1, max((len(each) - 1).bit_length() for each in positions))
    words = [word for layer, read in zip(plan.layers, reads, strict=True) for word in _layer_words(plan, layer, read)]
    shifted = [layer for layer in plan.layers if layer.high]
    least = min((int(layer.shift.min()) for layer in shifted), default=0)
    starts, moves = _scans(plan)
    return Contents(
        positions=positions,
        code_bits=code_bits,
        tables=_tables(plan, reads, positions, code_bits),
        words=tuple(words),
        word_bytes=plan.tile.word_bits // 8,
        biases=tuple(value for layer in plan.layers for value in layer.bias[layer.order].tolist()),
        least_shift=least,
        shifts=tuple(max(0, value - least) for layer in plan.layers for value in layer.shift[layer.order].tolist()),
        starts=starts,
        moves=moves,
    )


def memories(plan: Plan) -> dict[str, tuple[int, int]]:
    """(depth, width) of all memories but the weights'."""
    contents = contents_of(plan)
    outputs = len(contents.biases)
    return {
        **{f"bank{bank}": (plan.depth, WORD_BITS) for bank in range(plan.side)},
        **{
            f"table{place}": (len(rows), contents.code_bits * plan.tile.slots)
            for place, rows in enumerate(contents.tables)
        },
        "sums": (plan.sums + 1 if plan.sums else 0, plan.total.word * plan.tile.lanes),
        "biases": (outputs, contents.bias.word),
        "shifts": (outputs, max(contents.shifts).bit_length()),
        "scan": (len(contents.moves), contents.move_bits),
    }


def _reads(plan: Plan) -> list[_Reads]:
    """Which slot reads which position, layer by layer."""
    slots, keys, rows = plan.tile.slots, [], []
    for index, layer in enumerate(plan.layers):
        for number, segment in enumerate(layer.segments):
            for place, patterns in enumerate(segment.patterns):
                first = place * layer.joined * slots
                for pattern in patterns:
                    keys.append((index, (number, place, pattern)))
                    rows.append(Row(pattern, tuple(range(first, first + layer.keep))))
    found: list[_Reads] = [{} for _ in plan.layers]
    for (index, key), chosen in zip(keys, assigned(rows, plan.tile.multipliers, plan.size), strict=True):
        found[index][key] = chosen
    return found


def _positions(plan: Plan, reads: Sequence[_Reads]) -> tuple[tuple[int, ...], ...]:
    found: list[set[int]] = [set() for _ in range(plan.tile.multipliers)]
    for layer in reads:
        for chosen in layer.values():
            for slot, position in chosen.items():
                found[slot].add(position)
    return tuple(tuple(sorted(each)) or (0,) for each in found)


def _tables(plan: Plan, reads: Sequence[_Reads], positions: Sequence[Sequence[int]], code_bits: int) -> np.ndarray:
    slots, indexed = plan.tile.slots, 1 << plan.fields.index_bits

    def codes(lane: int, chosen: Assignment) -> int:
        mine = {slot: position for slot, position in chosen.items() if slot // slots == lane}
        return sum(
            positions[slot].index(position) << code_bits * (slot - lane * slots) for slot, position in mine.items()
        )

    found = np.zeros((plan.fields.indices, sum(layer.sets for layer in plan.layers) * indexed), np.int64)
    first = 0
    for layer, read in zip(plan.layers, reads, strict=True):
        for number, segment in enumerate(layer.segments):
            for word in range(layer.words):
                for table in range(layer.records * layer.joined):
                    lane = layer.lane_of(word, table)
                    if lane >= layer.group * layer.joined:
                        continue
                    place = lane // layer.joined
                    for index, pattern in enumerate(segment.patterns[place]):
                        found[table, first * indexed + index] = codes(lane, read[number, place, pattern])
                first += 1
    return found


def _layer_words(plan: Plan, layer: Layer, reads: _Reads) -> Iterator[int]:
    """The words of a layer: those of a dense one channel by channel, of a convolution group by group."""
    segment_of = [number for number, each in enumerate(layer.segments) for _ in range(each.start, each.stop)]
    groups, channels = range(len(layer.outputs)), range(layer.channels)
    order = [(group, channel) for group in groups for channel in channels]
    if layer.dense:
        order = [(group, channel) for channel in channels for group in groups]
    for group, channel in order:
        outputs, number = layer.outputs[group], segment_of[group]
        last_group, last_channel = group == groups[-1], channel == channels[-1]
        ends = last_group or segment_of[group + 1] != number
        for word in range(layer.words):
            places = range(word * layer.records, min((word + 1) * layer.records, len(outputs)))
            kernels = {place: layer.kernels[outputs[place], channel] for place in places}
            records = [_record(plan, layer, reads, (number, place), kernel) for place, kernel in kernels.items()]
            if word < layer.words - 1:
                onward, back = True, False
            elif layer.dense:
                onward, back = ends and not (last_group and not last_channel), last_group and not last_channel
            else:
                onward, back = ends and last_channel, not (ends and last_channel)
            flags = onward | back << 1 | layer.group - len(outputs) << 2
            yield _packed(plan, layer, records, flags)


def _record(plan: Plan, layer: Layer, reads: _Reads, at: tuple[int, int], kernel: np.ndarray) -> tuple[int, list[int]]:
    """(index of its pattern, weights by slot) of a kernel in a segment, at a place of a group."""
    number, place = at
    support = set(np.flatnonzero(kernel).tolist())
    patterns = enumerate(layer.segments[number].patterns[place])
    index, pattern = next((index, each) for index, each in patterns if support <= set(each))
    chosen, first = reads[number, place, pattern], place * layer.joined * plan.tile.slots
    return index, [int(kernel[chosen[first + slot]]) if first + slot in chosen else 0 for slot in range(layer.keep)]


def _packed(plan: Plan, layer: Layer, records: Sequence[tuple[int, list[int]]], flags: int) -> int:
    """A word: weights, indices, flags (next, back, and how many lanes are missing)."""
    fields, word, at = plan.fields, 0, 0
    weights = [weight for _, each in records for weight in each]
    indices = [index for index, _ in records for _ in range(layer.joined)]
    for values, bits, count in ((weights, WEIGHT_BITS, fields.weights), (indices, fields.index_bits, fields.indices)):
        for place, each in enumerate(values):
            word |= (each & (1 << bits) - 1) << at + place * bits
        at += bits * count
    return word | flags << at


def _scans(plan: Plan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    starts, moves = [], []
    for layer in plan.layers:
        starts.append(len(moves))
        if not layer.dense:
            moves += [move | leave << 2 for move, leave, _ in scan(layer.rows, layer.columns, layer.pool)]
    return tuple(starts), tuple(moves or [0])
