"""That a fault in a board's link or store shows nowhere, in the states that a board enters from power-up on.

The board and the one with the fault run side by side, on the same line. Some registers come to differ; that they are
not read while they do is proved by induction: what was true in all simulated cycles is conjectured, the conjectures
are assumed of a state, and those that the solver finds an input for with which they are not true after it are dropped,
until none is (Flanagan and Leino, "Houdini, an annotation assistant for ESC/Java", FME 2001). Conjectures are

    of the board    of two registers, or two words of a few bits, that two values of theirs do not occur together
    of both         where a register differs, some other register or net has a known value

If what is left says that all other registers, pins and ports of memories are the same after any state in which it is
true, the fault is harmless. So it is where the two never differ, since it takes some cycles to get to a state in which
they would: of any cycles before, in which the board is as it should be, none leads there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from benchmarks.link import Heard, registers_of
from benchmarks.machine import Machine
from logicnn.netlist.graph import FALSE, TRUE, Graph, solver
from logicnn.netlist.netlist import Module, Net

__all__ = ["Reachable", "inductive"]

PATTERNS = 1024
ONES = (1 << PATTERNS) - 1
STEPS = 8  # cycles before a state, in which a board that is as it should be shows that it is not reached
SAMPLED = 3000  # cycles in which conjectures are looked for
WORD, WIDTH = 4, 8  # bits of a small word, and of two
Cube = tuple[tuple[Net, bool], ...]  # values of registers


@dataclass(frozen=True, eq=False)
class Reachable:
    """A board `without` its logic and what was heard of it."""

    module: Module
    heard: Heard

    @cached_property
    def _unseen(self) -> list[Cube]:
        """Values of two registers, and of two small words of one part of the board, that never occurred together."""
        nets = list(self.heard.registers)
        rows = {net: row[:: max(1, len(row) // SAMPLED)] for net, row in self.heard.registers.items()}
        pairs = [(a, b) for i, a in enumerate(nets) for b in nets[i:]]
        found = [cube for a, b in pairs for cube in _cubes((a,) if a == b else (a, b), rows)]
        known = set(found)
        for words in self._words.values():
            for a, b in combinations(words, 2):
                joint = tuple(dict.fromkeys((*a, *b)))
                cubes = _cubes(joint, rows) if WIDTH >= len(joint) > 2 else []
                found += [cube for cube in cubes if not any(pair in known for pair in combinations(cube, 2))]
        return list(dict.fromkeys(found))

    @cached_property
    def _words(self) -> dict[str, list[tuple[Net, ...]]]:
        """Signals of few bits by the part of the board in which they are, no two of the same registers."""
        found: dict[str, dict[frozenset, tuple[Net, ...]]] = {}
        for name, bits in self.module.names.items():
            held = tuple(dict.fromkeys(net for net in bits if net in self.heard.registers))
            if 0 < len(held) <= WORD and len(bits) <= WIDTH:
                found.setdefault(".".join(name.split(".")[:3]), {})[frozenset(held)] = held
        return {part: list(words.values()) for part, words in found.items()}

    def patterns(self, heard: Mapping[Net, np.ndarray], chosen: np.ndarray) -> dict[Net, int]:
        """Values of registers in (cycle, lane) pairs, pattern p in bit p."""
        cycles, lanes = chosen.T
        found = {}
        for net, row in heard.items():
            values = (row[cycles] >> lanes.astype(np.uint64) & np.uint64(1)).astype(np.uint8)
            found[net] = int.from_bytes(np.packbits(values, bitorder="little").tobytes(), "little")
        return found

    @cached_property
    def invariants(self) -> list[Cube]:
        """Values of registers that never occur together, by induction."""
        graph = Graph(patterns=PATTERNS)
        machine = Machine.of(self.module, graph, seen=self.patterns(self.heard.registers, self._some(None)))
        cubes = [each for each in self._unseen if all(("next", net) in machine.functions for net, _ in each)]
        now = [_none(graph, machine.state, each) for each in cubes]
        after = {net: machine.functions["next", net] for net in self.heard.registers}
        then = [_none(graph, after, each) for each in cubes]
        return [cubes[place] for place in inductive(graph, now, then, [])]

    def _some(self, differs: np.ndarray | None) -> np.ndarray:  # (PATTERNS, 2)
        """Cycles and lanes, half of them such that `differs` (cycles,), a lane a bit."""
        rng = np.random.default_rng(1)
        cycles = len(next(iter(self.heard.registers.values())))
        chosen = np.stack([rng.integers(0, cycles, PATTERNS), rng.integers(0, 64, PATTERNS)], axis=1)
        if differs is not None and differs.any():
            lanes = np.arange(64, dtype=np.uint64)
            where = np.argwhere((differs[:, None] >> lanes & np.uint64(1)).astype(bool))
            chosen[: PATTERNS // 2] = where[rng.integers(0, len(where), PATTERNS // 2)]
        return chosen

    def is_harmless(self, wrong: Module, heard: Heard) -> bool:
        """Of a board with a fault, which was heard on the same line."""
        right, other = self.heard.registers, heard.registers
        differ = [net for net in right if (right[net] != other[net]).any()]
        if not differ and self._never_differs(wrong):
            return True
        every = [right[net] ^ other[net] for net in differ]
        differs = np.bitwise_or.reduce(every) if every else None
        graph = Graph(patterns=PATTERNS)
        chosen = self._some(differs)
        good = Machine.of(self.module, graph, seen=self.patterns(right, chosen))
        seen = self.patterns({net: other[net] for net in differ}, chosen)
        state = {**good.state, **{net: graph.input(seen[net]) for net in differ}}
        bad = Machine.of(wrong, graph, state)
        same = [
            _same(graph, good.functions[key], bad.functions.get(key, FALSE))
            for key in good.functions
            if not (isinstance(key, tuple) and key[0] == "next" and key[1] in differ)
        ]
        known = [_none(graph, good.state, each) for each in self.invariants]
        now, then = self._conjectures(graph, good, bad, state, differ)
        left = inductive(graph, now, then, known)
        told = _all(graph, [*known, *(now[place] for place in left)])
        return not graph.satisfiable(graph.both(told, _all(graph, same) ^ 1))

    def _never_differs(self, wrong: Module) -> bool:
        """Whether the functions are the same in all states `STEPS` cycles after one in which the invariants are true,
        and in those sooner after power-up.
        """
        graph, registers = Graph(), set(registers_of(self.module))
        machine = Machine.of(self.module, graph)
        known = [_none(graph, machine.state, each) for each in self.invariants]
        for _ in range(STEPS):
            machine = self._after(machine, graph, registers)
        if self._differs(machine, wrong, graph, known):
            return False
        begin = {net: FALSE if net in registers else graph.input() for net in machine.state}
        machine = Machine.of(self.module, graph, begin)
        for _ in range(STEPS):
            if self._differs(machine, wrong, graph, []):
                return False
            machine = self._after(machine, graph, registers)
        return True

    def _after(self, machine: Machine, graph: Graph, registers: Collection[Net]) -> Machine:
        """A cycle later; what comes from outside and from memories is new."""
        state = {net: machine.functions["next", net] if net in registers else graph.input() for net in machine.state}
        return Machine.of(self.module, graph, state)

    def _differs(self, machine: Machine, wrong: Module, graph: Graph, known: Sequence[int]) -> bool:
        other = Machine.of(wrong, graph, machine.state)
        same = [_same(graph, each, other.functions.get(key, FALSE)) for key, each in machine.functions.items()]
        asked = [*known, _all(graph, same) ^ 1]
        clauses, names = graph.clauses(asked)
        units = [[-names[each >> 1] if each & 1 else names[each >> 1]] for each in asked]
        with solver([*clauses, *units]) as found:
            return bool(found.solve())

    def _conjectures(
        self, graph: Graph, good: Machine, bad: Machine, state: Mapping[Net, int], differ: Sequence[Net]
    ) -> tuple[list[int], list[int]]:
        """Where a register differs, registers with known values, in a state and in the one after it."""
        now, then = [], []
        following = {
            net: good.functions["next", net] for net in self.heard.registers if ("next", net) in good.functions
        }
        fixed = [(net,) for net in following if net not in differ]
        words = [word for part in self._words.values() for word in part if len(word) > 1]
        fixed += [word for word in words if all(net in following and net not in differ for net in word)]
        for net in differ:
            unlike = _same(graph, good.state[net], state[net]) ^ 1
            later = _same(graph, following[net], bad.functions["next", net]) ^ 1
            for word in fixed:
                for values in product((False, True), repeat=len(word)):
                    cube = tuple(zip(word, values, strict=True))
                    has = _none(graph, good.state, cube) ^ 1
                    if not graph.value(unlike) & graph.value(has) & ONES:  # what the solver has found is no state
                        now.append(graph.both(unlike, has) ^ 1)
                        then.append(graph.both(later, _none(graph, following, cube) ^ 1) ^ 1)
        return now, then


def _same(graph: Graph, a: int, b: int) -> int:
    return graph.both(graph.both(a, b ^ 1) ^ 1, graph.both(a ^ 1, b) ^ 1)


def _none(graph: Graph, state: Mapping[Net, int], cube: Cube) -> int:
    """That registers do not have these values."""
    return _all(graph, (state[net] ^ (not value) for net, value in cube)) ^ 1


def _cubes(nets: Sequence[Net], rows: Mapping[Net, np.ndarray]) -> list[Cube]:
    """Values of these registers that are in no row."""
    found, left = [], [((), ~np.uint64(0))]
    for net in nets:
        ones = rows[net]
        left = [
            ((*cube, (net, value)), there & (ones if value else ~ones))
            for cube, there in left
            for value in (False, True)
        ]
    for cube, there in left:
        if not there.any():
            found.append(cube)
    return found


def _all(graph: Graph, literals: Iterable[int]) -> int:
    made = TRUE
    for each in literals:
        made = graph.both(made, each)
    return made


def inductive(graph: Graph, now: Sequence[int], then: Sequence[int], known: Sequence[int]) -> list[int]:
    """Which conjectures are true after every state in which they and what is `known` are."""
    clauses, names = graph.clauses([*now, *then, *known])

    def named(literal: int) -> int:
        return -names[literal >> 1] if literal & 1 else names[literal >> 1]

    left, last = list(range(len(now))), len(names) + 1
    with solver([*clauses, *([named(each)] for each in known)]) as asked:
        while left:
            last += 1
            asked.add_clause([-last, *(-named(then[place]) for place in left)])
            if not asked.solve(assumptions=[last, *(named(now[place]) for place in left)]):
                break
            true = set(asked.get_model())
            left = [place for place in left if named(then[place]) in true]
    return left
