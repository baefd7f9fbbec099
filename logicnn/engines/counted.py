"""Classes counted one after the other: one sum for all of them, for networks whose scores are sums of bits.

The bits that the classes' sums are of are held in registers, which on iCE40 are in the cells of the tables that give
them. In a class's turn its bits are chosen, their sum is made, and compared with the greatest so far. A bit that is
counted by logic of its own takes two LUT4; of ten classes one that is counted in turn takes half a LUT4 to choose it
(`logicnn.gateware.choice`) and a tenth of a sum.
"""

from dataclasses import dataclass
from functools import cached_property
from math import log2

from logicnn.engines.costs import popcount_lut4
from logicnn.engines.engine import Engine, Latency, MappingError
from logicnn.engines.mapping import Mapping
from logicnn.engines.unrolled import Unrolled
from logicnn.network import Argmax, GroupSum, LutLayer, Network
from logicnn.resources import Device, Family, Resources

__all__ = ["Counted"]

CONTROL = 12  # logic cells, and one a class: turns, which class is ahead, the streams
CHAIN = 8  # LUTs of `logicnn.gateware.choice` one after the other
ONE = -1  # a bit that is always 1
AFTER = 3  # cycles from a class's turn to the output: its bits, their sum, and the greatest


@dataclass(frozen=True, eq=False)
class Counted(Engine):
    """A `GroupSum` and the `Argmax` after it: a class a cycle, of equal ones the first."""

    network: Network
    start: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _countable(self.network, self.start):
            names = [type(each).__name__ for each in self.network.layers[self.start : self.start + 2]]
            raise MappingError(
                f"Counted is for a GroupSum of 2 classes at least and the Argmax after it, not for layers "
                f"{self.start} ... of type {', '.join(names)}"
            )

    # -- what is computed

    @property
    def has_own_logic(self) -> bool:
        return True  # only the counts take turns

    @property
    def span(self) -> int:
        return 2

    @property
    def sums(self) -> GroupSum:
        layer = self.network.layers[self.start]
        assert isinstance(layer, GroupSum)
        return layer

    @property
    def classes(self) -> int:
        return len(self.sums.sizes)

    @cached_property
    def columns(self) -> tuple[tuple[tuple[int | None, ...], ...], ...]:
        """Of each class, for each place of a weight, which bits are counted: an input's index, or `ONE`, of which its
        offset is made. All classes have as many places and bits, where there are fewer None.
        """
        sums, least = self.sums, int(self.sums.offsets.min())
        ahead = [each - least for each in self.sums.offsets.tolist()]
        places = max(int(sums.weights.max()), max(ahead)).bit_length()
        found = []
        for group, offset in zip(sums.groups, ahead, strict=True):
            counted = [*sums.columns(group), *[[]] * places][:places]
            found.append([[*each, *[ONE] * (offset >> place & 1)] for place, each in enumerate(counted)])
        most = [max(map(len, column)) for column in zip(*found, strict=True)]
        return tuple(
            tuple((*each, *[None] * (count - len(each))) for each, count in zip(counted, most, strict=True))
            for counted in found
        )

    @property
    def slots(self) -> int:
        """Bits of a class."""
        return sum(map(len, self.columns[0]))

    @property
    def width(self) -> int:
        """Bits of a sum."""
        most = self.sums.most - int(self.sums.offsets.min())
        return max(1, int(most.max()).bit_length())

    @property
    def _bare(self) -> int:
        """Bits that no LUT gives."""
        if self.start == self.network.core_start:
            return self.given.size
        before = self.network.layers[self.start - 1]
        return int((before.depends.sum(1) <= 1).sum()) if isinstance(before, LutLayer) else 0

    # -- time

    @property
    def latency(self) -> Latency:
        return Latency(self.classes + AFTER, self.classes + AFTER)

    @property
    def interval(self) -> int:
        return self.classes

    # -- on a device

    @property
    def restructured(self) -> bool:
        return False

    @property
    def crowded(self) -> bool:
        return False

    @property
    def density(self) -> float:
        return 0.8

    def cost(self, device: Device) -> Resources:
        """Registers of the bits share the cells of the logic that gives them, where any does."""
        chains = device.family is Family.ICE40
        pairs = -(-self.classes // 2)
        chosen = self.slots * (pairs + -(-pairs // CHAIN) - 1 if chains else self.classes - 1)
        control = CONTROL + self.classes
        cells = chosen + popcount_lut4(self.slots) + 2 * self.width + control
        registers = self.given.size + self.slots + 2 * self.width + control
        alone = 0 if device.separate_ff else self._bare
        return Resources(lut4=cells, logic_cells=cells + alone, ff=registers)

    def delay_ns(self, device: Device) -> float:
        return device.level_ns * max(1.5 * log2(max(2, self.slots)), self.classes / 2)

    @classmethod
    def row(cls, network: Network) -> Mapping:
        """Logic up to the sums."""
        index = len(network.layers) - 2
        return Mapping([*(Unrolled(network, each) for each in range(network.core_start, index)), cls(network, index)])

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Counted | None":
        return cls(network, start) if period_ns is not None and _countable(network, start) else None


def _countable(network: Network, start: int) -> bool:
    layers = network.layers[start : start + 2]
    return (
        len(layers) == 2
        and isinstance(layers[0], GroupSum)
        and len(layers[0].sizes) > 1
        and (isinstance(layers[1], Argmax))
    )
