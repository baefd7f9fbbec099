"""What tiles of multipliers multiply in a cycle, row by row, without rows of zeros; where the rows of layers read. What
`logicnn.engines.reused` and `logicnn.engines.folded` have in common.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from logicnn.network import IntConv2d, IntDense

__all__ = ["Pass", "Program", "Scan", "offsets_of", "packed", "program_of", "scheduled"]


@dataclass(frozen=True, eq=False)
class Program:
    """The rows of all layers, in order: what each multiplies, which word of values, and whether it is the last of its
    group.
    """

    weights: np.ndarray  # (rows, neurons, inputs) int64
    offsets: np.ndarray  # (rows,) the word of each, from the first that the kernel meets on
    ends: np.ndarray  # (rows,) bool

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def skips(self) -> np.ndarray:  # (rows,)
        """Words between the row before of the same group and each, or before a group's first."""
        before = np.where(np.concatenate([[True], self.ends[:-1]]), -1, np.concatenate([[0], self.offsets[:-1]]))
        return self.offsets - before - 1

    @cached_property
    def lanes(self) -> tuple[tuple[int, int], ...]:
        """The multipliers, (neuron, input) of the tile, that have any weight to serve."""
        return tuple((int(neuron), int(place)) for neuron, place in np.argwhere(self.weights.any(0)))


@dataclass(frozen=True, eq=False)
class Scan:
    """Where a layer reads: of an image, with a border of `padding` zeros, its kernel `weights`, at positions `stride`
    apart, `pool` times `pool` of which are one output pixel, and `blocks` (rows, columns) such.
    """

    layer: IntDense | IntConv2d
    weights: np.ndarray  # (neurons, channels, kernel rows, kernel columns)
    height: int
    width: int
    stride: int
    pool: int
    blocks: tuple[int, int]
    padding: int = 0
    read: np.ndarray | None = None  # (neurons,) bool, which of them are read; None: all

    @property
    def positions(self) -> int:
        return self.blocks[0] * self.blocks[1] * self.pool**2

    def pixel_words(self, inputs: int) -> int:
        """Words of `inputs` values of a pixel."""
        return -(-self.weights.shape[1] // inputs)

    def words(self, inputs: int) -> int:
        """Of the image, border included."""
        return self.height * self.width * self.pixel_words(inputs)

    def origin(self, inputs: int) -> int:
        """The word behind the border at which the image begins."""
        return self.padding * (self.width + 1) * self.pixel_words(inputs)

    def groups(self, neurons: int) -> np.ndarray:
        """Of so many neurons, those of which any is read; at least one."""
        count = -(-len(self.weights) // neurons)
        if self.read is None:
            return np.arange(count)
        found = np.flatnonzero(np.logical_or.reduceat(self.read, np.arange(count) * neurons))
        return found if len(found) else np.zeros(1, np.int64)

    def corners(self, inputs: int) -> np.ndarray:  # (blocks, positions of one)
        """The first word that the kernel meets, at every position."""
        step, side = self.stride * self.pixel_words(inputs), np.arange(self.pool)
        down, right = (np.arange(count) * self.pool for count in self.blocks)
        rows = (down[:, None, None, None] + side[:, None]) * self.width * step
        columns = (right[:, None, None] + side) * step
        return (rows + columns).reshape(-1, self.pool**2)


@dataclass(frozen=True)
class Pass:
    """A layer on the tile: words of its kernel and of a pixel that it gives, where it reads and writes in the memory of
    words, and how many words lie between two rows of pixels that it writes; its `outputs`, the neurons that leave, in
    `groups` of which the last has `rest`; `rows` of the program, and `wait`, the cycles between its last row and the
    first of the next layer.
    """

    scan: Scan
    words: int
    gives_words: int
    reads: int
    writes: int
    between: int
    outputs: tuple[int, ...]
    groups: int
    rest: int
    rows: int
    wait: int

    @property
    def layer(self) -> IntDense | IntConv2d:
        return self.scan.layer


def program_of(scans: Sequence[Scan], neurons: int, inputs: int) -> Program:
    """The rows of layers on a tile, one layer after the other, without those of zeros and of neurons that nothing
    reads.
    """
    made = [each for scan in scans for each in _rows_of(scan, neurons, inputs)]
    return Program(
        np.concatenate([each[0] for each in made]),
        np.concatenate([each[1] for each in made]),
        np.concatenate([each[2] for each in made]),
    )


def _rows_of(scan: Scan, neurons: int, inputs: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of each group of a layer, at least one: weights, offsets and ends."""
    count, channels, down, right = scan.weights.shape
    words, groups = scan.pixel_words(inputs), -(-count // neurons)
    padded = np.zeros((groups * neurons, down, right, words * inputs), np.int64)
    padded[:count, :, :, :channels] = scan.weights.transpose(0, 2, 3, 1)
    rows = padded.reshape(groups, neurons, down * right * words, inputs).transpose(0, 2, 1, 3)
    pixels = np.arange(down)[:, None] * scan.width + np.arange(right)
    offsets = (pixels[:, :, None] * words + np.arange(words)).ravel()
    for group in rows[scan.groups(neurons)]:
        places = np.flatnonzero(group.any((1, 2)))
        places = places if len(places) else np.zeros(1, np.int64)
        yield group[places], offsets[places], np.arange(len(places)) == len(places) - 1


def _regions(scans: Sequence[Scan], inputs: int) -> list[int]:
    """Where each layer's image begins in the memory of words: those without a border in two places in turn, so that
    what one layer reads is not where it writes; those with one each in its own, whose zeros nothing ever writes.
    """
    sizes = [0 if each.padding else each.words(inputs) for each in scans]
    second, behind = max(sizes[0::2]), max(sizes[0::2]) + max(sizes[1::2], default=0)
    found = []
    for number, scan in enumerate(scans):
        found.append(behind if scan.padding else number % 2 * second)
        behind += scan.words(inputs) if scan.padding else 0
    return found


def scheduled(
    scans: Sequence[Scan], program: Program, neurons: int, inputs: int, leaving: int
) -> tuple[tuple[Pass, ...], int]:
    """The layers, and the cycle of the last row of all: rows come one a cycle, but that the last of a group comes when
    the neurons of the group before have left, and a layer's first when what it and its next ones read is written,
    `leaving` cycles after a group's last row.
    """
    regions = [*_regions(scans, inputs), 0]
    stops = np.flatnonzero(program.ends) + 1
    found: list[Pass] = []
    first = group = at = free = 0
    ready = np.zeros(1, np.int64)
    for number, scan in enumerate(scans):
        count = len(scan.weights)
        numbers = scan.groups(neurons)
        groups = len(numbers)
        sizes = np.minimum(neurons, count - numbers * neurons).tolist()
        outputs = (numbers[:, None] * neurons + np.arange(neurons)).ravel()[: sum(sizes)]
        rows = np.diff(stops[group : group + groups], prepend=first).tolist()
        if number:
            wait = max(0, _late(ready, scan, program.offsets[first : first + sum(rows)], rows, inputs) - at)
            found[-1] = replace(found[-1], wait=wait)
            at += wait
        blocks = scan.blocks[0] * scan.blocks[1]
        ends = np.zeros((blocks, groups), np.int64)
        for block in range(blocks):
            for each in range(groups):
                for _ in range(scan.pool**2):
                    ends[block, each] = max(at + rows[each] - 1, free)
                    at, free = int(ends[block, each]) + 1, int(ends[block, each]) + sizes[each]
        gives_words = -(-count // inputs)
        order = np.arange(len(outputs))
        written = np.zeros((blocks, gives_words * inputs), np.int64)
        written[:, outputs] = ends[:, order // neurons] + leaving + order % neurons
        next_scan = scans[number + 1] if number + 1 < len(scans) else None
        border = next_scan.padding if next_scan else 0
        image = written.reshape(*scan.blocks, gives_words, inputs).max(3)
        ready = np.pad(image, [(border, border), (border, border), (0, 0)]).ravel()
        kernel = scan.weights.shape[2] * scan.weights.shape[3] * scan.pixel_words(inputs)
        writes = regions[number + 1] + (next_scan.origin(inputs) if next_scan else 0)
        places = regions[number], writes, 2 * border * gives_words
        found.append(Pass(scan, kernel, gives_words, *places, tuple(outputs.tolist()), groups, sizes[-1], sum(rows), 0))
        first, group = first + sum(rows), group + groups
    return tuple(found), at - 1


def _late(ready: np.ndarray, scan: Scan, offsets: np.ndarray, rows: list[int], inputs: int) -> int:
    """The first cycle in which a layer can begin, and all its rows come one a cycle, so that none reads a word before
    it is `ready`.
    """
    corners = scan.corners(inputs)[:, :, None]
    read = [corners + each for each in np.split(offsets, np.cumsum(rows)[:-1])]
    places = np.concatenate([each.reshape(len(each), -1) for each in read], 1).ravel()
    return int((ready[places] - np.arange(len(places))).max())


def packed(program: Program, bits: int) -> tuple[int, ...]:
    """The rows as words of weights of so many bits: those of the multipliers that are built, the first one lowest."""
    lanes = np.array(program.lanes, np.int64).reshape(-1, 2)
    values = program.weights[:, lanes[:, 0], lanes[:, 1]] & ((1 << bits) - 1)
    return tuple(sum(each << place * bits for place, each in enumerate(row)) for row in values.tolist())


def offsets_of(layer: IntDense | IntConv2d) -> np.ndarray:  # (neurons,) object
    """What is added to a sum that was multiplied: the bias, multiplied, and what its activation adds."""
    if layer.activation is None:
        return layer.bias.astype(object)
    return layer.bias.astype(object) * layer.activation.multiplier.astype(object) + layer.activation.added
