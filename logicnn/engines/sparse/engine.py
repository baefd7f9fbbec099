"""The engine for layers of kernels pruned to patterns (Yang et al. 2018): a few multipliers, layer after layer, weights
from memory.
"""

from dataclasses import dataclass

import numpy as np

from logicnn.engines.engine import Engine, Io, Latency, MappingError, MemoryBits
from logicnn.engines.sparse.contents import contents_of, memories
from logicnn.engines.sparse.plan import MOST_MULTIPLIERS, Plan, planned
from logicnn.network import Network
from logicnn.resources import SPRAM_DEPTH, SPRAM_WIDTH, Device, Family, Resources

__all__ = ["Sparse"]

LEVELS = 8  # of LUT4, to a multiplier's words through the longest chains of a selector
# logic cells that are no window, selector, sum or weight: those of `lenet5-ikr`; other networks' are not known
CONTROL = 1300


@dataclass(frozen=True)
class Sparse(Engine):
    """The first layers of a network, whole or up to a dense one, on sparse processing engines: words of its input, one
    a transfer.
    """

    plan: Plan

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plan.network.core_start:
            raise MappingError("Sparse must begin with the network's input, which a thermometer encodes here")

    @property
    def network(self) -> Network:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.plan.network

    @property
    def start(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 0

    @property
    def span(self) -> int:
        return self.plan.stop

    @classmethod
    def of(cls, network: Network, device: Device, stop: int | None = None) -> "Sparse":
        """The engine with as many multipliers as the device has, at most; where it has none they are logic. For the
        layers before `stop`.

        Raises `SparseError` where it cannot run them.
        """
        return cls(planned(network, device.multipliers or MOST_MULTIPLIERS, stop))

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Sparse | None":
        return None if start or period_ns is None else cls.of(network, device)

    @property
    def input_io(self) -> Io:
        return Io.SERIAL

    @property
    def latency(self) -> Latency:
        return Latency(self.plan.latency, self.plan.latency)

    @property
    def interval(self) -> int:
        return self.plan.interval

    @property
    def collides(self) -> bool:
        return False  # maps are read while the next ones are written elsewhere; weights are loaded before any sample

    def cost(self, device: Device) -> Resources:
        """Memories, multipliers and logic; the outputs' registers where they are no class."""
        plan, tile, contents = self.plan, self.plan.tile, contents_of(self.plan)
        words = [len(each) for each in contents.positions]
        ice40 = device.family is Family.ICE40
        ways = sum(9 * (count // 2) if ice40 else 8 * (count - 1) for count in words)
        # A lane's sums: accumulated, compared, the greatest, that waits.
        sums = tile.lanes * (tile.slots * 18 + 5 * plan.total.word)
        outputs = 0 if plan.decides else self.gives.size * self.gives.interval.word
        cells = ways + 16 * plan.size + sums + 8 * tile.multipliers + CONTROL + outputs
        loaded = self.image(device) is not None
        bram = sum(device.brams(*each) for each in memories(plan).values() if all(each))
        dsp = -(-tile.multipliers * device.capacity.dsp // device.multipliers) if device.multipliers else 0
        blocks = -(-tile.word_bits // SPRAM_WIDTH) * -(-len(contents.words) // SPRAM_DEPTH)
        return Resources(
            lut4=cells - cells // 8,
            logic_cells=cells,
            ff=cells // 3 + outputs,
            bram=bram + (0 if loaded else device.brams(len(contents.words), tile.word_bits)),
            dsp=dsp,
            spram=blocks if loaded else 0,
        )

    def delay_ns(self, device: Device) -> float:
        return LEVELS * device.level_ns

    def image(self, device: Device) -> np.ndarray | None:
        """The weights, where the device has large memory, which a bitstream does not fill."""
        return contents_of(self.plan).image if device.capacity.spram else None

    @property
    def memory_bits(self) -> MemoryBits:
        weights = len(contents_of(self.plan).words) * self.plan.tile.word_bits
        return MemoryBits(weights + sum(depth * width for depth, width in memories(self.plan).values()), weights)
