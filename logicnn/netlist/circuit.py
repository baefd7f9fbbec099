"""A sequential circuit of one clock as a value: what the cells of a netlist mean, before anything runs.

Bits are expressions with ``& | ^ ~``, so that `netlist.netlist.gates` and `bits` build them; registers and the ports of
memories say what happens at the rising edge. `logicnn.netlist.cells` makes circuits, `logicnn.netlist.native` compiles
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from logicnn.netlist.netlist import Net, NetlistError

__all__ = ["ONE", "ZERO", "Bit", "Circuit", "Memory", "Read", "Register", "Write"]


class Bit:
    """A constant ("0", "1"), a net ("net") or an operator ("&", "|", "^", "~") on bits; operators on constants are
    folded.
    """

    __slots__ = ("net", "operands", "operator")

    def __init__(self, operator: str, *operands: "Bit", net: Net = ""):
        self.operator = operator
        self.operands = operands
        self.net = net

    def __and__(self, other: "Bit") -> "Bit":
        if self is ZERO or other is ONE or self is other:
            return self
        return other if other is ZERO or self is ONE else Bit("&", self, other)

    def __or__(self, other: "Bit") -> "Bit":
        if self is ONE or other is ZERO or self is other:
            return self
        return other if other is ONE or self is ZERO else Bit("|", self, other)

    def __xor__(self, other: "Bit") -> "Bit":
        if self is other:
            return ZERO
        for bit, constant in ((self, other), (other, self)):
            if constant is ZERO:
                return bit
            if constant is ONE:
                return ~bit
        return Bit("^", self, other)

    def __invert__(self) -> "Bit":
        if self is ZERO or self is ONE:
            return ONE if self is ZERO else ZERO
        return self.operands[0] if self.operator == "~" else Bit("~", self)


ZERO, ONE = Bit("0"), Bit("1")


@dataclass(frozen=True)
class Register:
    """A flip-flop: `next` at every edge, `initial` (0 or 1; None: unknown, random in every lane) before the first."""

    next: Bit
    initial: int | None = 0


@dataclass(frozen=True)
class Read:
    """A read at an edge, where `enable`: register ``outputs[j]`` becomes bit ``sum of weights of the 1 bits of the
    address + places[j]``.

    `late` reads see what is written at the same edge, the others what was there before.
    """

    enable: Bit
    address: Sequence[tuple[Bit, int]]  # (bit, weight)
    places: Sequence[int]
    outputs: Sequence[Net]
    late: bool = False


@dataclass(frozen=True)
class Write:
    """A write at an edge, where `enable` and ``masks[j]``: the bit at the address + ``places[j]`` becomes
    ``data[j]``.
    """

    enable: Bit
    address: Sequence[tuple[Bit, int]]
    places: Sequence[int]
    data: Sequence[Bit]
    masks: Sequence[Bit]


@dataclass(frozen=True)
class Memory:
    """`depth` words of `width` bits: bit ``width * word + place`` of the ports; without `initial` the content is
    unknown.
    """

    kind: str
    depth: int
    width: int
    initial: np.ndarray | None  # (depth, width) bool
    reads: Sequence[Read]
    writes: Sequence[Write]


@dataclass
class Circuit:
    """Collects what drives each net. Nets in `cut` keep their readers and lose their drivers: they are inputs."""

    cut: frozenset[Net] = frozenset()
    logic: dict[Net, Bit] = field(default_factory=dict)
    registers: dict[Net, Register] = field(default_factory=dict)
    inputs: set[Net] = field(default_factory=set)
    memories: dict[str, Memory] = field(default_factory=dict)
    clocks: dict[Net, str] = field(default_factory=dict)  # clock nets, each with the first cell that it clocks
    buffers: dict[Net, Net] = field(default_factory=dict)  # nets that are another one, which a clock may pass
    sources: dict[Net, str] = field(default_factory=dict)  # outputs that are known as clocks only, or not at all
    _nets: dict[Net, Bit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs |= self.cut

    def bit(self, net: Net) -> Bit:
        """The bit of a net; unknown constants are 0, as in a bitstream."""
        if net in ("0", "x", "z"):
            return ZERO
        if net == "1":
            return ONE
        if net not in self._nets:
            self._nets[net] = Bit("net", net=net)
        return self._nets[net]

    def drive(self, net: Net, bit: Bit) -> None:
        """Makes `bit` the value of a net, where the net is connected and not cut."""
        if not isinstance(net, str) and net not in self.cut:
            self.logic[net] = bit

    def register(self, net: Net, following: Bit, enable: Bit = ONE, initial: int | None = 0) -> Bit:
        """A register that drives a net; it keeps its value where `enable` is 0. Returns the net's bit."""
        if isinstance(net, str) or net in self.cut:
            return self.bit(net)
        output = self.bit(net)
        self.registers[net] = Register(output ^ (enable & (output ^ following)), initial)
        return output

    def buffer(self, net: Net, source: Net) -> None:
        """Makes a net, where it is connected, the same as another, for data and clocks."""
        if not isinstance(net, str):
            self.drive(net, self.bit(source))
            self.buffers[net] = source

    def share_pin(self, pin: Net, value: Bit, enable: Bit) -> None:
        """A pin that the circuit drives while `enable`; else it is the input ``("outside", pin)``."""
        if enable is ONE:
            self.drive(pin, value)
            return
        outside: Net = ("outside", pin)
        self.inputs.add(outside)
        level = self.bit(outside)
        self.drive(pin, level ^ (enable & (level ^ value)))

    def origin(self, net: Net) -> Net:
        """The net that a clock comes from, through buffers."""
        while net in self.buffers and net not in self.cut:
            net = self.buffers[net]
        return net

    def check_clock(self) -> None:
        """Traces all clocks to one net, whose level is then nowhere known; more than one raises `NetlistError`."""
        origins: dict[Net, str] = {}
        for net, cell in self.clocks.items():
            origins.setdefault(self.origin(net), cell)
        if len(origins) > 1:
            named = " and ".join(f"{self.sources.get(net, f'net {net}')} (of {cell})" for net, cell in origins.items())
            raise NetlistError(f"the netlist has {len(origins)} clocks: {named}")
        for net in [*self.buffers, *origins]:
            if self.origin(net) in origins:
                self.logic.pop(net, None)
                self.inputs.discard(net)
                self.sources.setdefault(net, "the clock")

    def unknown(self) -> set[Net]:
        """The nets whose value depends, within a cycle, on one without a known source."""
        readers: dict[Net, list[Net]] = {}
        for net, bit in self.logic.items():
            for each in _nets_of(bit):
                readers.setdefault(each, []).append(net)
        found: set[Net] = set()
        stack = [net for net in readers if not self.is_known(net)]
        while stack:
            net = stack.pop()
            if net not in found:
                found.add(net)
                stack.extend(readers.get(net, ()))
        return found

    def is_known(self, net: Net) -> bool:
        return net in self.logic or net in self.registers or net in self.inputs

    def needed(self, roots: Iterable[Bit]) -> list[Net]:
        """The registers that `roots` depend on, within any number of cycles."""
        registers: list[Net] = []
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            bit = stack.pop()
            if id(bit) in seen:
                continue
            seen.add(id(bit))
            if bit.operator == "net" and bit.net in self.registers:
                registers.append(bit.net)
                stack.append(self.registers[bit.net].next)
            elif bit.operator == "net" and bit.net in self.logic:
                stack.append(self.logic[bit.net])
            stack.extend(bit.operands)
        return registers

    def order(self, roots: Iterable[Bit], names: Mapping[Net, str]) -> list[Bit]:
        """All bits that `roots` depend on within a cycle, operands first; a net that is logic follows its logic.

        A loop and a net without a known driver raise `NetlistError`; `names` are names of nets for its message.
        """
        order: list[Bit] = []
        done: set[int] = {id(ZERO), id(ONE)}
        open_nets: set[Net] = set()
        stack = [(bit, False) for bit in roots][::-1]
        while stack:
            bit, finished = stack.pop()
            if finished:
                open_nets.discard(bit.net)
                done.add(id(bit))
                order.append(bit)
            elif id(bit) not in done:
                operands = self._operands(bit, names)
                if bit.operator == "net" and operands:
                    if bit.net in open_nets:
                        raise NetlistError(f"net {bit.net} ({names.get(bit.net, 'unnamed')}) depends on itself")
                    open_nets.add(bit.net)
                stack.append((bit, True))
                stack.extend((each, False) for each in operands if id(each) not in done)
        return order

    def _operands(self, bit: Bit, names: Mapping[Net, str]) -> tuple[Bit, ...]:
        if bit.operator != "net":
            return bit.operands
        if bit.net in self.logic:
            return (self.logic[bit.net],)
        if bit.net in self.registers or bit.net in self.inputs:
            return ()
        driver = self.sources.get(bit.net, "nothing")
        raise NetlistError(
            f"net {bit.net} ({names.get(bit.net, 'unnamed')}) is read but driven by {driver}, whose value is not known"
        )


def _nets_of(bit: Bit) -> set[Net]:
    found: dict[int, Bit] = {}
    stack = [bit]
    while stack:
        each = stack.pop()
        if id(each) not in found:
            found[id(each)] = each
            stack.extend(each.operands)
    return {each.net for each in found.values() if each.operator == "net"}
