"""What the parts of the convolution engine say to each other, cycle by cycle."""

from amaranth import *
from amaranth.lib import data

from logicnn.engines.sparse.plan import Plan

__all__ = ["Beat", "delayed"]


class Beat(data.StructLayout):
    """What happens to one position, or to one word of weights.

    `read`: the window moves. `word`: a word of weights comes, the one with this `number` in its pass. `compute`: the
    window's products count, for the next sum of the pass, or for the first one (`starts`); the sums of this pass begin
    (`first`) or are complete (`last`). Of complete ones: whether they begin or end (`begins`, `ends`) a block of pooled
    positions, where the block's place moves then (`leave`), and whether the group of outputs is complete with them.
    """

    def __init__(self, plan: Plan):
        layers = plan.layers
        super().__init__(
            {
                "read": 1,
                "move": 2,
                "word": 1,
                "number": range(max(each.words for each in layers)),
                "compute": 1,
                "first": 1,
                "last": 1,
                "starts": 1,
                "begins": 1,
                "ends": 1,
                "leave": 2,
                "group": 1,
            }
        )


def delayed(m: Module, value, cycles: int, name: str) -> list:
    """A value and its delays by 1 ... `cycles` cycles."""
    values = [value]
    for stage in range(1, cycles + 1):
        later = Signal.like(value, name=f"{name}_{stage}")
        m.d.sync += later.eq(values[-1])
        values.append(later)
    return values
