"""Which multiplexer reads which position of a window: slots of multipliers, before each of them a multiplexer with few
inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from logicnn.network import NetworkError
from logicnn.pruning.patterns import CompressedKernels, PatternSet

__all__ = ["Assignment", "Row", "Selection", "assigned"]


@dataclass(frozen=True)
class Row:
    """A pattern at a place of a layer's groups: its positions, and the slots of the tile that they may go to."""

    positions: tuple[int, ...]
    slots: tuple[int, ...]


Assignment = dict[int, int]  # by slot, the position that it reads


def assigned(rows: Sequence[Row], slots: int, size: int, first: Sequence[Assignment] | None = None) -> list[Assignment]:
    """Which slot reads which position, for every row, so that slots read few: the cheapest assignment, row by row,
    while that helps.

    It begins with `first`, where that is given, or with nothing.
    """
    users = np.zeros((slots, size), np.int64)
    chosen: list[Assignment] = [{} for _ in rows] if first is None else list(first)
    for each in chosen:
        for slot, position in each.items():
            users[slot, position] += 1
    best, kept = None if first is None else np.count_nonzero(users), list(chosen)
    while True:
        for place, row in enumerate(rows):
            for slot, position in chosen[place].items():
                users[slot, position] -= 1
            there = users[np.ix_(row.slots, row.positions)]
            at, of = linear_sum_assignment(np.where(there > 0, -there / len(rows), 1.0))
            chosen[place] = {row.slots[a]: row.positions[b] for a, b in zip(at.tolist(), of.tolist(), strict=True)}
            for slot, position in chosen[place].items():
                users[slot, position] += 1
        inputs = np.count_nonzero(users)
        if best is not None and inputs >= best:
            return kept
        best, kept = inputs, list(chosen)


@dataclass(frozen=True, eq=False)
class Selection:
    """How the weights that sets of patterns keep go to multipliers: by pattern, which position each of `keep` slots
    reads.

    A slot is a multiplexer whose inputs are the positions that some pattern has there. `numbers` put a pattern's set
    and its index side by side: ``set << index_bits | index``.
    """

    sets: tuple[PatternSet, ...]
    slots: tuple[
        np.ndarray, ...
    ]  # of every set (patterns, keep), the positions of `PatternSet.positions` in another order

    @classmethod
    def of(cls, sets: Sequence[PatternSet]) -> "Selection":
        """A selection with few inputs: from positions in order, pattern by pattern the cheapest assignment to slots,
        while it lowers their number.

        Raises `NetworkError` for sets of different sizes, or that keep different counts.
        """
        shapes = {(each.size, each.keep) for each in sets}
        if len(shapes) != 1:
            raise NetworkError(f"sets must have one size and keep one count of weights, not {sorted(shapes)}")
        ((size, keep),) = shapes
        positions = np.concatenate([each.positions for each in sets])
        slots = tuple(range(keep))
        rows = [Row(tuple(row), slots) for row in positions.tolist()]
        chosen = assigned(rows, keep, size, [dict(enumerate(row.positions)) for row in rows])
        ends = np.cumsum([len(each.masks) for each in sets])[:-1]
        return cls(tuple(sets), tuple(np.split(np.array([[each[slot] for slot in slots] for each in chosen]), ends)))

    @property
    def keep(self) -> int:
        return self.sets[0].keep

    @property
    def size(self) -> int:
        return self.sets[0].size

    @property
    def index_bits(self) -> int:
        return max(each.index_bits for each in self.sets)

    @property
    def number_bits(self) -> int:
        return self.index_bits + (len(self.sets) - 1).bit_length()

    @property
    def numbers(self) -> dict[int, tuple[int, ...]]:
        """The position of every slot, by the number of a pattern."""
        return {
            place << self.index_bits | index: tuple(row)
            for place, rows in enumerate(self.slots)
            for index, row in enumerate(rows.tolist())
        }

    @property
    def inputs(self) -> tuple[tuple[int, ...], ...]:
        """The positions that every slot's multiplexer has to choose from."""
        return tuple(tuple(sorted(set(column))) for column in np.concatenate(self.slots).T.tolist())

    def arranged(self, place: int, kernels: CompressedKernels) -> tuple[np.ndarray, np.ndarray]:
        """(numbers (kernels,), weights (kernels, keep) by slot) of kernels of the set at `place`."""
        order = np.argsort(np.argsort(self.slots[place], axis=1), axis=1)  # the rank of every slot's position
        weights = np.take_along_axis(kernels.weights, order[kernels.index], axis=1)
        return place << self.index_bits | kernels.index, weights
