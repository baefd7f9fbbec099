"""The one interface of engines: a value that says how some layers of a network are built, and all that anybody asks
about that.

Everything behind a mapping (costs, gateware, builds, exports, simulation, verification) asks an engine what it needs to
know and never what kind it is. An engine is a file in this folder, which defines a subclass of `Engine`, and one in
`logicnn.gateware`, which registers its component.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from inspect import isabstract
from typing import ClassVar, NamedTuple, Self

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Activations, Layer, Network
from logicnn.resources import Device, Resources

__all__ = ["DENSITY", "Engine", "FeedForward", "Io", "Latency", "MappingError", "MemoryBits"]

DENSITY = 0.9  # of cells that nextpnr uses in a region


class MappingError(LogicnnError):
    """An engine that does not suit its layers, or engines that do not fit together."""


class Io(Enum):
    """How a sample passes into an engine, or out of it."""

    PARALLEL = "io_parallel"  # all its values at once; hls4ml's name for it
    SERIAL = "io_stream"  # value by value, in C order, one a transfer


@dataclass(frozen=True)
class Latency:
    """Clock cycles from an input to its output where nothing waits: from least to most, which differ where decisions
    come early.

    They count from the transfer of a sample, or of its last value, to the cycle in which the output, or its last value,
    is there.
    """

    least: int
    most: int

    def __add__(self, other: "Latency") -> "Latency":
        return Latency(self.least + other.least, self.most + other.most)

    def __str__(self) -> str:
        return f"{self.most}" if self.least == self.most else f"{self.least} to {self.most}"


class MemoryBits(NamedTuple):
    """Bits of all memories of an engine, and how many of these are its weights."""

    total: int
    weights: int


class Engine(ABC):
    """How `span` layers of a network are built, from layer `start` on. Checks itself when it is made: `MappingError`
    names the layer.
    """

    types: ClassVar[list[type["Engine"]]] = []  # all of them, in the order in which their files are read

    network: Network
    start: int

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not isabstract(cls):
            Engine.types.append(cls)

    def __post_init__(self) -> None:
        """An engine that checks more does so after this."""
        if not 0 <= self.start < len(self.network.layers):
            raise MappingError(
                f"start must be a layer of the network, 0 ... {len(self.network.layers) - 1}, not {self.start}"
            )

    # -- which layers

    @property
    @abstractmethod
    def span(self) -> int:
        """How many layers it computes."""

    @property
    def stop(self) -> int:
        """The index of the layer after its last."""
        return self.start + self.span

    @property
    def layers(self) -> Sequence[Layer]:
        return self.network.layers[self.start : self.stop]

    @property
    def given(self) -> Activations:
        """What it reads."""
        return self.network.activations[self.start]

    @property
    def gives(self) -> Activations:
        return self.network.activations[self.stop]

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> Self | None:
        """The engine of this kind for layers from `start` on, or None where there is none; asked when a mapping is
        chosen.

        `period_ns` is what its registers are placed for, None where it is to have none. Raises `LogicnnError` where it
        might do but for a reason that its user can change.
        """
        return None

    # -- interface and time

    @property
    def input_io(self) -> Io:
        return Io.PARALLEL

    @property
    def output_io(self) -> Io:
        return Io.PARALLEL

    @property
    @abstractmethod
    def latency(self) -> Latency: ...

    @property
    @abstractmethod
    def interval(self) -> int:
        """The fewest cycles from a sample's first transfer to that of the next, where nothing else waits."""

    @property
    def registered(self) -> bool:
        """Whether its outputs come out of registers."""
        return True

    def cycles(self, x: np.ndarray) -> np.ndarray:  # (n, given.size) integers -> (n,)
        """The latency of each of these samples; an engine whose latency varies says how."""
        if self.latency.least != self.latency.most:
            raise NotImplementedError(f"{type(self).__name__} has a latency that varies and must say how: cycles()")
        return np.full(len(x), self.latency.most)

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """Where it works at one layer after the other: which, and for how many cycles, from the last value's transfer
        on.
        """
        return ()

    @property
    def has_own_logic(self) -> bool:
        """Whether each layer has logic that computes nothing else, so that all its bits are there with the answer."""
        return self.feed_forward

    @property
    def feed_forward(self) -> bool:
        """Whether it is logic and registers alone, whose sample goes in and comes out whole, each cycle one.

        Such an engine has plain ports and is checked as logic between two registers; any other has streams, and is
        checked clock by clock, from its memory image on.
        """
        return isinstance(self, FeedForward)

    # -- on a device

    @abstractmethod
    def cost(self, device: Device) -> Resources:
        """An estimate, before anything is synthesised."""

    @abstractmethod
    def delay_ns(self, device: Device) -> float:
        """The longest way between its registers, or through it, without a register's own delay: an estimate."""

    def image(
        self, device: Device
    ) -> np.ndarray | None:  # (words, bytes of a word) uint8, the lowest byte of a word first
        """What its memory must be loaded with at power-up on this device; None where nothing is to be loaded."""
        return None

    @property
    def memory_bits(self) -> MemoryBits:
        """What it needs memory for."""
        return MemoryBits(0, 0)

    # -- what synthesis is told

    @property
    def restructured(self) -> bool:
        """Whether its logic gains from the restructuring that synthesis does by itself; else it is mapped to LUTs as it
        stands.
        """
        return True

    @property
    def crowded(self) -> bool:
        """Whether words of its memories go to many selectors, which takes routes of another kind than logic does."""
        return not self.feed_forward

    @property
    def density(self) -> float:
        """How much of the cells of a region may be used, at most: less where many bits meet that lie apart."""
        return DENSITY

    @property
    def collides(self) -> bool:
        """Whether a word of its memories may be read in the cycle in which it is written; else synthesis need not care
        what is read then.
        """
        return True


@dataclass(frozen=True, eq=False)
class FeedForward(Engine):
    """Logic, with registers inside or at its end or without any: a sample a cycle, `latency` always the same, no
    control at all.

    With `register`, its outputs are registered.
    """

    network: Network
    start: int
    _: KW_ONLY
    register: bool = False

    @property
    def stages(self) -> int:
        """Registers on every path inside."""
        return 0

    @property
    def registered(self) -> bool:
        return self.register

    @property
    def latency(self) -> Latency:
        cycles = self.stages + self.register
        return Latency(cycles, cycles)

    @property
    def interval(self) -> int:
        return 1

    @abstractmethod
    def logic(self, device: Device) -> Resources:
        """An estimate of all but the registers of its outputs."""

    def cost(self, device: Device) -> Resources:
        registers = self.gives.size * self.gives.interval.word if self.register else 0
        return self.logic(device) + Resources(ff=registers)
