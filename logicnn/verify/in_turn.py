"""An engine that works for several cycles at a sample, followed through all of them: what its registers hold, for every
sample.

The circuit of the netlist runs on literals of a graph. Registers that control it have the same value for every sample,
so that a cycle's logic shrinks to what that cycle does; what comes of data is the same bits as what is to be computed.
From where one sample leaves the registers the next one starts: those whose values depend on samples may then have any
(new inputs of the graph), and the others are a *state*. There are few of these, and every sample is proved from each,
so that nothing depends on what came before it.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from logicnn.errors import LogicnnError
from logicnn.netlist.cells import circuit
from logicnn.netlist.circuit import ONE, ZERO, Bit, Circuit
from logicnn.netlist.graph import FALSE, TRUE, Graph
from logicnn.netlist.netlist import Module, Net

__all__ = ["Answer", "Followed", "Samples"]

MOST_STATES = 64  # in which samples find an engine
State = Mapping[Net, int]  # literals of registers


@dataclass(frozen=True, eq=False)
class Followed:
    """The part of a netlist that `roots` depend on within any number of cycles, on literals of `graph`; nets of
    `inputs` are cut from what drives them.

    Raises `NetlistError` where it depends on what is not logic, a register or an input.
    """

    graph: Graph
    module: Module
    inputs: tuple[Net, ...]
    roots: tuple[Net, ...]
    seen: set[int] = field(default_factory=set)  # literals of nets and registers in all cycles
    _any: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nexts = [self._circuit.registers[net].next for net in self.registers]
        self._circuit.order([*map(self._circuit.bit, self.roots), *nexts], {})  # no loop, nothing unknown

    @cached_property
    def _circuit(self) -> Circuit:
        return circuit(self.module, self.inputs)

    @cached_property
    def registers(self) -> list[Net]:
        built = self._circuit
        return list(dict.fromkeys(built.needed(map(built.bit, self.roots))))

    def first(self) -> State:
        """The registers at power-up."""
        values = {net: self._circuit.registers[net].initial for net in self.registers}
        return {net: self.graph.input() if value is None else value for net, value in values.items()}

    def freed(self, state: State) -> State:
        """The registers of a state, those that vary with any values."""
        return {net: each if each in (FALSE, TRUE) else self.any(net) for net, each in state.items()}

    def any(self, name: Hashable) -> int:
        """An input of the graph of this name, for what may have any value."""
        if name not in self._any:
            self._any[name] = self.graph.input()
        return self._any[name]

    def _merged(self, literal: int) -> int:
        made = self.graph.merged(literal)
        self.seen.add(made)
        return made

    def cycle(self, state: State, given: Mapping[Net, int], merges: bool = True) -> tuple[Mapping[Net, int], State]:
        """The literals of the roots in a cycle, and the registers after it. Inputs that are not `given` may have any
        value. Where nothing `merges`, what follows from the constants of the state alone is known.
        """
        built, found = self._circuit, {id(ZERO): FALSE, id(ONE): TRUE}
        merged = self._merged if merges else int
        known = {**state, **given}
        roots = {net: self._value(built.bit(net), known, merged, found) for net in self.roots}
        nexts = {net: self._value(built.registers[net].next, known, merged, found) for net in self.registers}
        return roots, {net: merged(each) for net, each in nexts.items()}

    def _value(self, root: Bit, known: State, merged: Callable[[int], int], found: dict[int, int]) -> int:
        """The literal of a bit, by those `found`; what a constant makes irrelevant is not looked at."""
        stack = [root]
        while stack:
            bit = stack[-1]
            if id(bit) in found:
                stack.pop()
                continue
            needs = self._made(bit, known, merged, found)
            if isinstance(needs, Bit):
                stack.append(needs)
            else:
                found[id(bit)] = needs
        return found[id(root)]

    def _made(self, bit: Bit, known: State, merged: Callable[[int], int], found: Mapping[int, int]) -> int | Bit:
        """The literal of a bit, or an operand that is needed first."""
        graph = self.graph
        if bit.operator == "net":
            net, logic = bit.net, self._circuit.logic.get(bit.net)
            if net in known:
                return known[net]
            if logic is None:
                return graph.input()
            return merged(found[id(logic)]) if id(logic) in found else logic
        literals = []
        for operand in bit.operands:
            literal = found.get(id(operand))
            if literal is None:
                return operand
            if (bit.operator == "&" and literal == FALSE) or (bit.operator == "|" and literal == TRUE):
                return literal
            literals.append(literal)
        if bit.operator == "~":
            return literals[0] ^ 1
        a, b = literals
        if bit.operator == "&":
            return graph.both(a, b)
        neither = graph.both(a ^ 1, b ^ 1)
        return neither ^ 1 if bit.operator == "|" else graph.both(graph.both(a, b) ^ 1, neither ^ 1)


@dataclass(frozen=True)
class Answer:
    """What becomes of a sample: literals of the bits of the result and of whether it comes in the cycle in which it
    should, `cycles` after it; `begins` where nothing came before the sample since power-up.
    """

    result: tuple[int, ...]
    comes: int
    cycles: int
    begins: bool


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples that come to an engine: bits `sample` on the nets `bits` in a cycle in which `offers` is 1, others
    `interval` cycles or more after that, any number of them before. The register of the nets `result` takes the answer
    `latency` cycles later, when `comes` is 1.
    """

    followed: Followed
    offers: Net
    sample: Mapping[Net, int]
    held: Mapping[Net, int]  # inputs that stay as they are
    result: tuple[Net, ...]
    comes: Net
    latency: int
    interval: int

    def answers(self) -> Iterator[Answer]:
        """Of a sample in each state of the registers that samples leave."""
        first = self.followed.first()
        left, known = [first], set[frozenset]()
        while left:
            state = left.pop()
            if _controls(state) in known:
                continue
            known.add(_controls(state))
            if len(known) > MOST_STATES:
                raise LogicnnError(f"samples find the registers in more than {MOST_STATES} states: too many to prove")
            starts: list[State] = []
            yield from self._ways(state, (0, self.interval, 0), starts, state is first)
            left += [self.followed.freed(each) for each in starts]

    def _cycle(
        self, state: State, offered: bool, given: Mapping[Net, int], merges: bool = True
    ) -> tuple[Mapping[Net, int], State]:
        return self.followed.cycle(state, {**self.held, self.offers: TRUE if offered else FALSE, **given}, merges)

    def _ways(self, state: State, at: tuple[int, int, int], starts: list[State], begins: bool) -> Iterator[Answer]:
        """Answers to a sample that comes at time 0, with others later or not, from a time on, so long after the latest
        one, of so many; `starts` gets states in which these come.
        """
        time, since, count = at
        for offered in [time == 0] if time < self.interval else [False, True][: 1 + (since >= self.interval)]:
            if offered and time:
                starts.append(state)
            given = {net: self.followed.any((net, count)) for net in self.sample} if time and offered else {}
            roots, after = self._cycle(state, offered, given if time else self.sample)
            if time < self.latency:
                later = time + 1, 1 if offered else since + 1, count + offered
                yield from self._ways(after, later, starts, begins)
                continue
            result = tuple(int(net) if isinstance(net, str) else after[net] for net in self.result)
            yield Answer(result, roots[self.comes], self.latency, begins)
            if since >= self.latency and not offered:  # no other one has come
                starts.append(self._idle(after))

    def _idle(self, state: State) -> State:
        """What registers hold in all cycles from a state on in which nothing comes: those that are not the same in all
        of them vary.
        """
        while True:
            state = self.followed.freed(state)
            _, after = self._cycle(state, False, {}, merges=False)
            joined = {net: each if after[net] == each else self.followed.any(net) for net, each in state.items()}
            if _controls(joined) == _controls(state):
                return state
            state = joined


def _controls(state: State) -> frozenset[tuple[Net, int]]:
    """Registers that have the same value whatever the samples were."""
    return frozenset((net, each) for net, each in state.items() if each in (FALSE, TRUE))
