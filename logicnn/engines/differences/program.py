"""What the lanes do in each cycle: a synapse of all positions at once, or a constant that brings a kernel's threshold
to zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np

from logicnn.engines.differences.orders import Order

__all__ = ["GROUPS", "Kernel", "Mode", "Op", "dense_ops", "kernels_of", "ops_of", "steps"]

# Bits of a count from which one net each is added: 0; 1 to 3; from 4 on. So constants are 0, 1, 14, 15, -16, -15, -2
# and -1.
GROUPS = (1, 14, -16)


class Mode(IntEnum):
    """What a bit that agrees, or one that does not, adds to a lane's count."""

    CONSTANT = 0  # neither is looked at
    ADD = 1  # 1 or 0: a synapse more
    FLIP = 2  # 1 or -1: a synapse of the other sign
    DROP = 3  # -1 or 0: a synapse less, which agreed or not


@dataclass(frozen=True)
class Op:
    """A cycle. Of a synapse: its number in the kernel, and whether bit 0 agrees (`negative`). Of a constant: the
    `groups` of bits that are added, by lanes that are `chosen` only; `emits`: what the count is before that decides a
    kernel, whose answer is `inverted`; `clears`: the count is zero after it.
    """

    mode: Mode
    synapse: int = 0
    negative: bool = False
    groups: int = 0
    chosen: bool = False
    emits: bool = False
    inverted: bool = False
    clears: bool = False


@cache
def _reached(span: int) -> dict[int, tuple[int, ...]]:
    """The fewest groups whose sum is each number of -span ... span."""
    sums = {choice: sum(value for bit, value in enumerate(GROUPS) if choice >> bit & 1) for choice in range(1, 8)}
    found: dict[int, tuple[int, ...]] = {0: ()}
    front = [0]
    while front and any(each not in found for each in range(-span, span + 1)):
        following = []
        for at in front:
            for choice, value in sums.items():
                if at + value not in found and abs(at + value) <= span + 16:
                    found[at + value] = (*found[at], choice)
                    following.append(at + value)
        front = following
    return found


def steps(delta: int) -> tuple[int, ...]:
    """The groups of bits to add, a cycle each, so that they come to `delta`."""
    return _reached(1 << max(5, abs(delta).bit_length()))[delta]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel as it is evaluated: `weights` (synapses,); it has the answer ``count >= level``, `inverted` where its
    opposite is evaluated.
    """

    number: int
    weights: np.ndarray
    level: int
    inverted: bool


def kernels_of(weights: np.ndarray, levels: np.ndarray, order: Order) -> list[Kernel]:
    """Kernels in order. That of an opposite agrees in ``fan-in - P`` synapses: ``P >= level`` where it does not agree
    in ``fan-in - level + 1``.
    """
    found = []
    for number, opposite in zip(order.kernels, order.opposite, strict=True):
        row, level = weights[number], int(levels[number])
        fan_in = int(np.count_nonzero(row))
        found.append(Kernel(number, -row if opposite else row, fan_in - level + 1 if opposite else level, opposite))
    return found


def _changed(before: np.ndarray, after: np.ndarray) -> Iterator[Op]:
    for synapse in np.flatnonzero(before != after).tolist():
        old, new = int(before[synapse]), int(after[synapse])
        mode = Mode.ADD if not old else Mode.FLIP if new else Mode.DROP
        yield Op(mode, synapse, (new or old) < 0)


def ops_of(kernels: Sequence[Kernel], apart: int, reuse: bool = True) -> list[Op]:
    """What evaluates the kernels at one place, from counts of zero to counts of zero; at least `apart` cycles from one
    answer to the next. Without `reuse` each begins anew.
    """
    found: list[Op] = [Op(Mode.CONSTANT, groups=each) for each in steps(-kernels[0].level)]
    before = np.zeros_like(kernels[0].weights)
    last = 0
    for place, kernel in enumerate(kernels):
        found += _changed(before, kernel.weights)
        found += [Op(Mode.CONSTANT)] * (last + apart - len(found) if place else 0)
        last = len(found)
        following = kernels[place + 1] if place + 1 < len(kernels) else None
        clears = following is None or not reuse
        level = 0 if following is None else -following.level if clears else kernel.level - following.level
        parts = [0, *steps(level)] if clears else list(steps(level)) or [0]
        found.append(Op(Mode.CONSTANT, groups=parts[0], emits=True, inverted=kernel.inverted, clears=clears))
        found += [Op(Mode.CONSTANT, groups=each) for each in parts[1:]]
        before = np.zeros_like(kernel.weights) if clears else kernel.weights
    return found


# Constants whose sums are 0 ... 15, as groups: 1, 14 and six times -2
UP_TO_15 = (0b001, 0b010, *[0b110] * 6)
DOWN_16 = 0b100


def dense_ops(weights: np.ndarray, levels: np.ndarray, scores: bool) -> tuple[tuple[Op, ...], np.ndarray]:
    """What evaluates neurons side by side, one a lane: (neurons, inputs), (neurons,) -> the operations, and the weights
    (rows, neurons) of those that look at each lane's own, in order: -1, 0 or +1, and -1 where a lane is `chosen`.
    Scores stay when they are done.
    """
    begin = -levels
    ops = [Op(Mode.CONSTANT, groups=each) for each in steps(int(begin.max()))]
    below = begin.max() - begin
    down, rest = -(-below // 16), -below % 16
    one, fourteen, twos = _parts(rest)
    rows = [down > number for number in range(int(down.max(initial=0)))]
    ops += [Op(Mode.CONSTANT, groups=DOWN_16, chosen=True) for _ in rows]
    if rest.any():
        rows += [one, fourteen, *(twos > number for number in range(6))]
        ops += [Op(Mode.CONSTANT, groups=each, chosen=True) for each in UP_TO_15]
    read = np.flatnonzero(weights.any(0))
    ops += [Op(Mode.ADD, synapse) for synapse in read.tolist()]
    ops.append(Op(Mode.CONSTANT, emits=True, clears=not scores))
    signs = np.concatenate([-np.array(rows, np.int8).reshape(-1, len(weights)), weights[:, read].T.astype(np.int8)])
    return tuple(ops), signs


def _parts(value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0 ... 15 as one, fourteen and how many times -2."""
    fourteen = value > 1
    one = value % 2 == 1
    return one, fourteen, np.where(fourteen, (14 + one - value) // 2, 0)
