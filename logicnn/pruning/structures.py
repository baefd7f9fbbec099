"""Groups of weights that one piece of hardware serves, and what leaves the netlist with a group that is all zero.

Ramhorst, Loncar, Constantinides 2023 (arXiv 2308.05170, section 3); the constants are those of
`logicnn.engines.reused`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.pruning.knapsack import Importance, importance, kept

__all__ = ["Structure", "masks_within", "memories", "multipliers", "neurons", "rows", "single"]


@dataclass(frozen=True, eq=False)
class Structure:
    """The groups of a layer: `group` (out, in) is the number of each weight's, from 0 on; `cost` has for each resource
    what each group (groups,) uses.
    """

    group: np.ndarray
    cost: Mapping[str, np.ndarray]

    @property
    def count(self) -> int:
        return int(self.group.max()) + 1

    def gathered(self, values: np.ndarray) -> np.ndarray:  # (out, in) -> (groups, weights of the largest)
        """Values of the weights by groups; groups that have fewer weights end in zeros."""
        order = np.argsort(self.group, axis=None, kind="stable")
        sizes = np.bincount(self.group.ravel(), minlength=self.count)
        place = np.arange(order.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found = np.zeros((self.count, int(sizes.max())), values.dtype)
        found[self.group.ravel()[order], place] = values.ravel()[order]
        return found

    def mask(self, keep: np.ndarray) -> np.ndarray:  # (groups,) bool -> (out, in) bool
        return keep[self.group]

    def used(self, weights: np.ndarray) -> dict[str, int]:
        """What the groups of weights (out, in) use that are not all zero."""
        alive = self.gathered(weights).any(1)
        return {name: int(each[alive].sum()) for name, each in self.cost.items()}


def _places(shape: tuple[int, int], inputs: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Neuron and input of every weight, and words of `inputs` values."""
    neuron, place = np.indices(shape)
    return neuron, place, -(-shape[1] // inputs)


def _checked(shape: tuple[int, int], neurons: int, inputs: int) -> None:
    for name, value in (("neurons", neurons), ("inputs", inputs)):
        if value < 1:
            raise LogicnnError(f"{name} must be at least 1 at a time, not {value}")
    if len(shape) != 2 or 0 in shape:
        raise LogicnnError(f"shape must be (neurons, inputs) of weights, not {shape}")


def rows(shape: tuple[int, int], neurons: int, inputs: int) -> Structure:
    """What a tile of `neurons` times `inputs` multipliers multiplies in a cycle: a group costs a ``cycle`` and a
    ``word`` of the weights' memory. A layer that no multiple fits is padded: its last groups have fewer weights.
    """
    _checked(shape, neurons, inputs)
    neuron, place, words = _places(shape, inputs)
    group = neuron // neurons * words + place // inputs
    one = np.ones(int(group.max()) + 1, np.int64)
    return Structure(group, {"cycle": one, "word": one})


def multipliers(shape: tuple[int, int], neurons: int, inputs: int, weight_bits: int) -> Structure:
    """What each multiplier of a tile serves: a group costs a ``dsp``, and ``width`` bits of every word of the weights'
    memory.
    """
    _checked(shape, neurons, inputs)
    neuron, place, _ = _places(shape, inputs)
    wide = min(inputs, shape[1])
    group = neuron % neurons * wide + place % inputs
    one = np.ones(int(group.max()) + 1, np.int64)
    return Structure(group, {"dsp": one, "width": weight_bits * one})


def memories(shape: tuple[int, int], neurons: int, inputs: int, weight_bits: int, word_bits: int) -> Structure:
    """Multipliers that follow each other and whose weights fill a memory's word of `word_bits` together: a group costs
    a ``dsp`` for each of them, and a ``bram``.
    """
    if not 1 <= weight_bits <= word_bits:
        raise LogicnnError(f"weight_bits must be 1 ... {word_bits} of a word, not {weight_bits}")
    single = multipliers(shape, neurons, inputs, weight_bits)
    together = word_bits // weight_bits
    sizes = np.bincount(np.arange(single.count) // together)
    return Structure(single.group // together, {"dsp": sizes, "bram": np.ones(len(sizes), np.int64)})


def neurons(shape: tuple[int, int]) -> Structure:
    """Whole neurons: each costs one."""
    _checked(shape, 1, 1)
    return Structure(_places(shape, 1)[0], {"neuron": np.ones(shape[0], np.int64)})


def single(shape: tuple[int, int]) -> Structure:
    """Every weight by itself, as hardware without reuse has it: each costs a ``weight``."""
    _checked(shape, 1, 1)
    return Structure(np.arange(shape[0] * shape[1]).reshape(shape), {"weight": np.ones(shape[0] * shape[1], np.int64)})


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
