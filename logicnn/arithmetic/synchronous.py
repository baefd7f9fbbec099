"""Logic and registers of one clock as a value: vertices with delays, nets with registers on the way to their readers.

`logicnn.arithmetic.retiming` says where the registers are best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import NamedTuple

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["Circuit", "Neighbours", "Net", "RetimingError", "Shortcut"]


class RetimingError(LogicnnError):
    """A circuit that is none, stages that are not legal, or a period or a latency that cannot be reached."""


@dataclass(frozen=True)
class Net:
    """Bits that have one driver and the same readers, so that they are registered together."""

    source: int  # the driving vertex
    width: int  # bits
    readers: tuple[int, ...]  # the vertices that read it, numbered after `source` where no register is between
    registers: tuple[int, ...] = ()  # on the way to each reader, taps of one shift register; () for none anywhere

    @property
    def taps(self) -> tuple[int, ...]:
        """The registers on the way to each reader."""
        return self.registers or (0,) * len(self.readers)


class Shortcut(NamedTuple):
    """A path that reaches `reader` from `source`, with no register between them, takes so much less than the reader's
    delay.
    """

    source: int
    reader: int
    saved_ns: float


@dataclass(frozen=True)
class Circuit:
    """Logic, and registers in it. Vertices are the indices of `delays`, in topological order: a vertex reads lower ones
    only, but through registers any, so that every loop has one.

    A vertex that is no input and reads nothing is a constant: it may be in any stage. Raises `RetimingError` that names
    the field.
    """

    delays: tuple[float, ...]  # ns of every vertex: its logic and the route to it
    nets: tuple[Net, ...]
    inputs: tuple[int, ...]  # vertices held at stage 0; they read nothing
    outputs: tuple[int, ...]  # vertices held at the last stage; nothing reads them
    latch_ns: float  # clock to output plus setup, a part of every path from register to register
    shortcuts: tuple[Shortcut, ...] = ()  # edges that carries run along

    def __post_init__(self) -> None:
        for index, delay in enumerate(self.delays):
            self._check_delay(f"delays[{index}]", delay)
        self._check_delay("latch_ns", self.latch_ns)
        for index, net in enumerate(self.nets):
            self._check_net(f"nets[{index}]", net)
        if not self.outputs:
            raise RetimingError("outputs must name at least one vertex, not ()")
        driven = {reader for net in self.nets for reader in net.readers}
        self._check_ends("inputs", self.inputs, driven, "a vertex that reads nothing")
        self._check_ends(
            "outputs",
            self.outputs,
            {net.source for net in self.nets} | set(self.inputs),
            "no input and nothing's source",
        )
        edges = {(source, reader) for source, reader, _ in self.edges.tolist()}
        for index, (source, reader, saved) in enumerate(self.shortcuts):
            if (source, reader) not in edges:
                raise RetimingError(
                    f"shortcuts[{index}] must join a net's source and reader, not {source!r} and {reader!r}"
                )
            if not 0 <= saved <= self.delays[reader]:
                raise RetimingError(
                    f"shortcuts[{index}].saved_ns must be within the reader's {self.delays[reader]!r} ns, not {saved!r}"
                )

    @staticmethod
    def _check_delay(name: str, delay: float) -> None:
        if not (math.isfinite(delay) and delay >= 0):
            raise RetimingError(f"{name} must be finite and at least 0 ns, not {delay!r}")

    def _check_net(self, name: str, net: Net) -> None:
        if not 0 <= net.source < len(self.delays):
            raise RetimingError(f"{name}.source must be a vertex of 0 ... {len(self.delays) - 1}, not {net.source!r}")
        if net.width < 1:
            raise RetimingError(f"{name}.width must be at least 1 bit, not {net.width!r}")
        if not net.readers:
            raise RetimingError(f"{name}.readers must name at least one vertex, not ()")
        if len(net.taps) != len(net.readers):
            raise RetimingError(f"{name}.registers must be one for every reader, not {len(net.registers)}")
        for reader, registers in zip(net.readers, net.taps, strict=True):
            if registers < 0:
                raise RetimingError(f"{name}.registers must be at least 0, not {registers!r}")
            if not (0 if registers else net.source + 1) <= reader < len(self.delays):
                where = "be a vertex" if registers else f"come after source {net.source}"
                raise RetimingError(f"{name}.readers must {where}, up to {len(self.delays) - 1}, not {reader!r}")

    def _check_ends(self, name: str, vertices: tuple[int, ...], excluded: set[int], what: str) -> None:
        for index, vertex in enumerate(vertices):
            if not 0 <= vertex < len(self.delays):
                raise RetimingError(f"{name}[{index}] must be a vertex of 0 ... {len(self.delays) - 1}, not {vertex!r}")
            if vertex in excluded:
                raise RetimingError(f"{name}[{index}] must be {what}, not {vertex!r}")

    @property
    def least_period_ns(self) -> float:
        """The slowest vertex between two registers: no latency gets below."""
        return max(self.delays) + self.latch_ns

    @cached_property
    def sequential(self) -> bool:
        """Whether it has registers of its own, so that there may be loops."""
        return any(any(net.registers) for net in self.nets)

    @cached_property
    def edges(self) -> np.ndarray:  # (edges, 3) int64
        """Every source, reader and number of registers between once, however many nets join them, sorted."""
        found = {
            (net.source, *tap) for net in self.nets for tap in zip(net.readers, net.taps, strict=True)
        }  # (source, reader, registers)
        return np.array(sorted(found), np.int64).reshape(-1, 3)

    @cached_property
    def drivers(self) -> "Neighbours":
        """The vertices that every vertex reads, and what a path saves that comes from there."""
        return self._neighbours(1)

    @cached_property
    def readers(self) -> "Neighbours":
        """The vertices that read every vertex, and what a path saves that goes on there."""
        return self._neighbours(0)

    def _neighbours(self, end: int) -> "Neighbours":
        saved = {(source, reader): ns for source, reader, ns in self.shortcuts}
        found: list[list[tuple[int, int, float]]] = [[] for _ in self.delays]
        for source, reader, registers in self.edges.tolist():
            edge = source, reader
            found[edge[end]].append((edge[1 - end], registers, saved.get(edge, 0.0)))
        return tuple(map(tuple, found))

    def order(self, stages: Sequence[int]) -> Sequence[int]:
        """The vertices, each after those that it reads without a register between when they are in such stages."""
        if not self.sequential:
            return range(len(self.delays))
        return list(
            TopologicalSorter(
                {
                    vertex: [each for each, registers, _ in drivers if registers + stages[vertex] == stages[each]]
                    for vertex, drivers in enumerate(self.drivers)
                }
            ).static_order()
        )


Neighbours = tuple[tuple[tuple[int, int, float], ...], ...]  # of every vertex (neighbour, registers between, ns saved)
