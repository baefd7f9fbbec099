"""Groups of weights that one piece of hardware serves, and what leaves the netlist with a group that is all zero.

Ramhorst, Loncar, Constantinides 2023 (arXiv 2308.05170, section 3); the constants are those of
`logicnn.engines.reused`. In hls4ml's terms a row is a block of the matrix, what a multiplier serves a pattern, and
kernels are structures as neurons are; single weights of layers that are logic are in `logicnn.nn.integer.luts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.pruning.knapsack import Importance, importance, kept

__all__ = ["Structure", "masks_within", "memories", "multipliers", "neurons", "rows", "single"]

Shape = tuple[int, ...]  # of weights: (neurons, inputs), or (kernels, channels, rows, columns)
Image = tuple[int, int, int]  # channels, rows, columns


@dataclass(frozen=True, eq=False)
class Structure:
    """The groups of a layer: `group`, shaped as its weights, is the number of each weight's, from 0 on; `cost` has for
    each resource what each group (groups,) uses.
    """

    group: np.ndarray
    cost: Mapping[str, np.ndarray]

    @property
    def count(self) -> int:
        return int(self.group.max()) + 1

    def gathered(self, values: np.ndarray) -> np.ndarray:  # as the weights -> (groups, weights of the largest)
        """Values of the weights by groups; groups that have fewer weights end in zeros."""
        order = np.argsort(self.group, axis=None, kind="stable")
        sizes = np.bincount(self.group.ravel(), minlength=self.count)
        place = np.arange(order.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found = np.zeros((self.count, int(sizes.max())), values.dtype)
        found[self.group.ravel()[order], place] = values.ravel()[order]
        return found

    def mask(self, keep: np.ndarray) -> np.ndarray:  # (groups,) bool -> as the weights, bool
        return keep[self.group]

    def used(self, weights: np.ndarray) -> dict[str, int]:
        """What the groups use whose weights are not all zero."""
        alive = self.gathered(weights).any(1)
        return {name: int(each[alive].sum()) for name, each in self.cost.items()}


def _places(shape: Shape, inputs: int, image: Image | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Neuron of every weight; its place in the words of `inputs` values that its neuron reads; and how many words."""
    full = _unfolded(shape, image)
    neuron, channel, row, column = np.indices(full)
    words = -(-full[1] // inputs)
    pixel = row * full[3] + column
    place = pixel * words * inputs + channel
    return neuron.reshape(shape), place.reshape(shape), full[2] * full[3] * words


def _unfolded(shape: Shape, image: Image | None) -> tuple[int, int, int, int]:
    """Neurons, channels, rows and columns; a dense layer on an image has a kernel as large as that."""
    if len(shape) == 4:
        return shape
    return (shape[0], *image) if image else (shape[0], shape[1], 1, 1)


def _checked(shape: Shape, neurons: int, inputs: int, image: Image | None = None) -> None:
    for name, value in (("neurons", neurons), ("inputs", inputs)):
        if value < 1:
            raise LogicnnError(f"{name} must be at least 1 at a time, not {value}")
    if len(shape) not in (2, 4) or 0 in shape:
        raise LogicnnError(
            f"shape must be (neurons, inputs) of weights or (kernels, channels, rows, columns), not {shape}"
        )
    if image and (len(shape) != 2 or np.prod(image) != shape[1]):
        raise LogicnnError(f"image must have the {shape[1]} inputs of a dense layer, not {image}")


def rows(shape: Shape, neurons: int, inputs: int, image: Image | None = None, positions: int = 1) -> Structure:
    """What a tile of `neurons` times `inputs` multipliers multiplies in a cycle: a group costs a ``word`` of the
    weights' memory, and a ``cycle`` at each of the `positions` of a kernel. A layer that no multiple fits is padded:
    its last groups have fewer weights.

    `image` is (channels, rows, columns) of what a dense layer reads, whose values come pixel by pixel.
    """
    _checked(shape, neurons, inputs, image)
    neuron, place, words = _places(shape, inputs, image)
    group = neuron // neurons * words + place // inputs
    one = np.ones(int(group.max()) + 1, np.int64)
    return Structure(group, {"cycle": positions * one, "word": one})


def multipliers(shape: Shape, neurons: int, inputs: int, weight_bits: int, image: Image | None = None) -> Structure:
    """What each multiplier of a tile serves: a group costs a ``dsp``, and ``width`` bits of every word of the weights'
    memory. `image` as in `rows`.
    """
    _checked(shape, neurons, inputs, image)
    neuron, place, _ = _places(shape, inputs, image)
    wide = min(inputs, _unfolded(shape, image)[1])
    group = neuron % neurons * wide + place % inputs
    one = np.ones(int(group.max()) + 1, np.int64)
    return Structure(group, {"dsp": one, "width": weight_bits * one})


def memories(shape: Shape, neurons: int, inputs: int, weight_bits: int, word_bits: int) -> Structure:
    """Multipliers that follow each other and whose weights fill a memory's word of `word_bits` together: a group costs
    a ``dsp`` for each of them, and a ``bram``.
    """
    if not 1 <= weight_bits <= word_bits:
        raise LogicnnError(f"weight_bits must be 1 ... {word_bits} of a word, not {weight_bits}")
    each = multipliers(shape, neurons, inputs, weight_bits)
    together = word_bits // weight_bits
    sizes = np.bincount(np.arange(each.count) // together)
    return Structure(each.group // together, {"dsp": sizes, "bram": np.ones(len(sizes), np.int64)})


def neurons(shape: Shape) -> Structure:
    """Whole neurons, or kernels: each costs one."""
    _checked(shape, 1, 1)
    return Structure(_places(shape, 1, None)[0], {"neuron": np.ones(shape[0], np.int64)})


def single(shape: Shape) -> Structure:
    """Every weight by itself, as hardware without reuse has it: each costs a ``weight``."""
    _checked(shape, 1, 1)
    count = int(np.prod(shape))
    return Structure(np.arange(count).reshape(shape), {"weight": np.ones(count, np.int64)})


def masks_within(
    budget: Mapping[str, int],
    structures: Sequence[Structure],
    weights: Sequence[np.ndarray],
    measure: Importance = Importance.L1,
    slopes: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:  # (out, in) bool of each layer
    """Which weights to keep: the groups of all layers that are worth most within the budget, by a knapsack over all of
    them at once, worth what `importance` says.

    `slopes` as `importance` takes them, (out, in). Raises `LogicnnError` for a budget of what no group costs.
    """
    names = sorted({name for each in structures for name in each.cost})
    values, costs = [], {name: [] for name in names}
    for number, (structure, weight) in enumerate(zip(structures, weights, strict=True)):
        slope = None if slopes is None else structure.gathered(slopes[number])
        values.append(importance(measure, structure.gathered(weight), slope))
        for name in names:
            costs[name].append(structure.cost.get(name, np.zeros(structure.count, np.int64)))
    value = np.concatenate(values)
    value = value / max(float(value.max()), np.finfo(np.float64).tiny)  # tolerances of the search are absolute
    keep = kept(value, {name: np.concatenate(each) for name, each in costs.items()}, budget)
    ends = np.cumsum([each.count for each in structures])
    return [structure.mask(part) for structure, part in zip(structures, np.split(keep, ends[:-1]), strict=True)]
