"""Pipelining of feed-forward logic with the fewest register bits that meet a clock period.

A design without registers inside is pipelined by registers added at its outputs, which are then moved into the logic
("cascaded flip-flops", Xu et al. 2023, section III-B). Where they end up is a legal retiming (Leiserson & Saxe,
"Retiming synchronous circuitry", Algorithmica 6, 1991), and in a circuit without cycles that is no more than a stage
for every vertex:

       stage 0     |      stage 1      |  stage 2      Registers stand at the bars. The net that leaves `a` has
    in ---> a ---> | ---> b -----------|---> out       two registers: `b` reads it after the first, `out` after
            +----> | ------------------|---> out       the second, as taps of one shift register, which counts once.

* A period is met by as-soon-as-possible stages or by none (the paper's FEAS, which needs one pass here since the graph
  has no cycle).
* The fewest bits for a period are a linear program over differences of stages (the paper's section on minimum state):
  along a net stages do not fall, and two vertices are a stage apart when the longest path between them is longer than
  the period. Every row of such a matrix is a +1 and a -1, so it is totally unimodular, and an optimum at a vertex of
  the polytope is integral: exact, not a heuristic.

Inputs come out of registers before stage 0 and outputs go into registers after the last stage; neither is counted.

A path is the sum of its vertices' delays, less what it saves where a carry goes on from one vertex to the next
(`Shortcut`). Along an edge it saves at most the reader's delay, so that a longer path still never takes less, which is
all that the above needs.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from logicnn.errors import LogicnnError

__all__ = [
    "TOLERANCE",
    "Circuit",
    "Net",
    "Pipeline",
    "RetimingError",
    "Shortcut",
    "as_placed",
    "least_latency",
    "least_period",
    "period_ns",
    "register_bits",
    "retime",
    "soonest",
]

TOLERANCE = 1e-9  # ns by which a path may exceed a period: sums of the same delays in another order differ by less
BLOCK = 512  # start vertices whose longest paths are held at once: 512 * 10,000 vertices * 8 bytes = 41 MB


class RetimingError(LogicnnError):
    """A circuit that is none, stages that are not legal, or a period or a latency that cannot be reached."""


@dataclass(frozen=True)
class Net:
    """Bits that have one driver and the same readers, so that they are registered together."""

    source: int  # the driving vertex
    width: int  # bits
    readers: tuple[int, ...]  # the vertices that read it, each numbered after `source`


class Shortcut(NamedTuple):
    """A path that reaches `reader` from `source`, with no register between them, takes so much less than the reader's
    delay.
    """

    source: int
    reader: int
    saved_ns: float


@dataclass(frozen=True)
class Circuit:
    """Logic without registers. Vertices are the indices of `delays`, in topological order: a vertex reads lower ones
    only.

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
        edges = {(net.source, reader) for net in self.nets for reader in net.readers}
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
        for reader in net.readers:
            if not net.source < reader < len(self.delays):
                raise RetimingError(
                    f"{name}.readers must come after source {net.source}, up to {len(self.delays) - 1}, not {reader!r}"
                )

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
    def edges(self) -> np.ndarray:  # (edges, 2) int64
        """Every source and reader once, however many nets join them, sorted."""
        pairs = {(net.source, reader) for net in self.nets for reader in net.readers}
        return np.array(sorted(pairs), np.int64).reshape(-1, 2)

    @cached_property
    def drivers(self) -> "_Neighbours":
        """The vertices that every vertex reads, and what a path saves that comes from there."""
        return self._neighbours(1)

    @cached_property
    def readers(self) -> "_Neighbours":
        """The vertices that read every vertex, and what a path saves that goes on there."""
        return self._neighbours(0)

    def _neighbours(self, end: int) -> "_Neighbours":
        saved = {(source, reader): ns for source, reader, ns in self.shortcuts}
        found: list[list[tuple[int, float]]] = [[] for _ in self.delays]
        for source, reader in self.edges.tolist():
            edge = source, reader
            found[edge[end]].append((edge[1 - end], saved.get(edge, 0.0)))
        return tuple(map(tuple, found))


_Neighbours = tuple[tuple[tuple[int, float], ...], ...]  # of every vertex (neighbour, ns saved)


@dataclass(frozen=True)
class Pipeline:
    """A legal assignment of stages and what it costs."""

    stages: tuple[int, ...]  # of every vertex
    latency: int  # cycles: registers on every path between inputs and outputs
    period_ns: float  # the longest path from register to register, with `Circuit.latch_ns`
    register_bits: int  # without those before the inputs and after the outputs


def period_ns(circuit: Circuit, stages: Sequence[int]) -> float:
    """The longest path within one stage, with `latch_ns`. Raises `RetimingError` for stages that are not legal."""
    _check_stages(circuit, stages)
    arrivals: list[float] = []
    for vertex, delay in enumerate(circuit.delays):
        same = [arrivals[each] - saved for each, saved in circuit.drivers[vertex] if stages[each] == stages[vertex]]
        arrivals.append(max([0.0, *same]) + delay)
    return max(arrivals) + circuit.latch_ns


def register_bits(circuit: Circuit, stages: Sequence[int]) -> int:
    """Every net's width times its registers, which lead to its last reader. Raises `RetimingError` for stages that are
    not legal.
    """
    _check_stages(circuit, stages)
    return sum(net.width * (max(stages[reader] for reader in net.readers) - stages[net.source]) for net in circuit.nets)


def as_placed(circuit: Circuit, stages: Sequence[int]) -> Pipeline:
    """The pipeline of given stages: registers left where they were inserted. Raises `RetimingError` for stages that are
    not legal.
    """
    period, bits = period_ns(circuit, stages), register_bits(circuit, stages)  # which check the stages
    return Pipeline(tuple(map(int, stages)), int(stages[circuit.outputs[0]]), period, int(bits))


def least_period(circuit: Circuit, latency: int) -> float:
    """The least period in ns at a latency in cycles; some legal stages have exactly this `period_ns`.

    Bisection over what a run of `_soonest` says: fast enough stages have a period of their own; else, stages stay the
    same up to the shortest path that was cut. Both are sums of delays, so that the search ends in the exact one. Raises
    `RetimingError` for a negative number.
    """
    _check_latency(latency)
    low, high = circuit.least_period_ns, period_ns(circuit, [0] * len(circuit.delays))
    while low < high:
        middle = (low + high) / 2
        found = _soonest(
            circuit, middle if middle < high else low
        )  # of neighbouring floats the middle may be the higher
        if max(found.stages) <= latency:
            high = found.period_ns
        else:
            low = found.shortest_cut_ns
    return high


def soonest(circuit: Circuit, period: float) -> Pipeline:
    """Every vertex in the first stage that a period in ns leaves to it, as pipelining without a thought for register
    bits has it.

    Raises `RetimingError` for a period that the slowest vertex alone exceeds.
    """
    stages = _soonest(circuit, _limit(circuit, period)).stages
    ends = dict.fromkeys(circuit.outputs, max(stages))
    return as_placed(circuit, [ends.get(vertex, stage) for vertex, stage in enumerate(stages)])


def least_latency(circuit: Circuit, period: float) -> int:
    """The least latency in cycles for a period in ns. Raises `RetimingError` for one that the slowest vertex alone
    exceeds.
    """
    return max(_soonest(circuit, _limit(circuit, period)).stages)


def retime(circuit: Circuit, *, latency: int | None = None, period: float | None = None) -> Pipeline:
    """The pipeline with the fewest register bits.

    Of `latency` (cycles) alone it has the least period for it, of `period` (ns) alone the least latency for it, and of
    both that latency and at most that period. Raises `RetimingError` for neither, for a period that no latency or not
    this one reaches, and for a negative latency.
    """
    if latency is None and period is None:
        raise RetimingError("retime needs latency, period or both, not None and None")
    if latency is not None:
        _check_latency(latency)
    if period is None:
        assert latency is not None
        period = least_period(circuit, latency)
    limit = _limit(circuit, period)
    first = _soonest(circuit, limit).stages
    if latency is None:
        latency = max(first)
    elif max(first) > latency:
        raise RetimingError(
            f"period {period!r} ns needs a latency of {max(first)} cycles, but latency is {latency!r}; "
            f"{least_period(circuit, latency)!r} ns fits"
        )
    return _fewest_bits(circuit, limit, _Windows.of(circuit, limit, latency, first))


def _check_latency(latency: int) -> None:
    if latency < 0:
        raise RetimingError(f"latency must be at least 0, not {latency!r}")


def _limit(circuit: Circuit, period: float) -> float:
    """What no path may exceed when a period is asked for."""
    if not period + TOLERANCE >= circuit.least_period_ns:  # so that it refuses NaN, too
        raise RetimingError(
            f"period must be at least {circuit.least_period_ns!r} ns, the slowest vertex between two registers, not "
            f"{period!r}"
        )
    return period + TOLERANCE


def _check_stages(circuit: Circuit, stages: Sequence[int]) -> None:
    if len(stages) != len(circuit.delays):
        raise RetimingError(f"stages must have {len(circuit.delays)} entries, one per vertex, not {len(stages)}")
    last = stages[circuit.outputs[0]]
    for vertex, stage in enumerate(stages):
        if stage != int(stage) or not 0 <= stage <= last:
            raise RetimingError(
                f"stages[{vertex}] must be an integer of 0 ... {last}, the stage of outputs[0], not {stage!r}"
            )
    for name, vertices, wanted in (("inputs", circuit.inputs, 0), ("outputs", circuit.outputs, last)):
        for vertex in vertices:
            if stages[vertex] != wanted:
                raise RetimingError(f"stages[{vertex}] must be {wanted}, as of all {name}, not {stages[vertex]!r}")
    for source, reader in circuit.edges.tolist():
        if stages[source] > stages[reader]:
            raise RetimingError(
                f"stages[{reader}] must be at least {stages[source]}, the stage of its driver {source}, not "
                f"{stages[reader]!r}"
            )


class _Staging(NamedTuple):
    """Stages by a greedy search, and where it would have gone with a longer period."""

    stages: list[int]
    period_ns: float  # the longest path that was kept
    shortest_cut_ns: (
        float  # the shortest path that was longer than the limit: up to it, any limit gives the same stages
    )


def _greedy(
    delays: Sequence[float], neighbours: _Neighbours, order: Iterable[int], latch: float, limit: float
) -> _Staging:
    """A new stage only where a path would exceed the limit.

    No legal stages are lower anywhere, and none that are equal have an earlier arrival there (by induction along
    `order`).
    """
    stages, arrivals = [0] * len(delays), [0.0] * len(delays)
    longest, cut = 0.0, math.inf
    for vertex in order:
        stage, arrival = 0, 0.0
        for each, saved in neighbours[vertex]:
            if stages[each] > stage:
                stage, arrival = stages[each], max(0.0, arrivals[each] - saved)
            elif stages[each] == stage and arrivals[each] - saved > arrival:
                arrival = arrivals[each] - saved
        arrival += delays[vertex]
        if arrival + latch > limit:  # summed as in `period_ns`, so that a period found is met to the last digit
            cut = min(cut, arrival + latch)
            stage, arrival = stage + 1, delays[vertex]
        stages[vertex], arrivals[vertex] = stage, arrival
        longest = max(longest, arrival + latch)
    return _Staging(stages, longest, cut)


def _soonest(circuit: Circuit, limit: float) -> _Staging:
    """Every vertex in the first stage it can be in. Outputs are where they arrive: to move them to the last stage only
    cuts paths.
    """
    return _greedy(circuit.delays, circuit.drivers, range(len(circuit.delays)), circuit.latch_ns, limit)


class _Windows(NamedTuple):
    """The stages that are possible for every vertex: most pairs of vertices are a stage apart for this alone."""

    soonest: np.ndarray  # (vertices,) int64
    latest: np.ndarray  # (vertices,) int64
    latency: int

    @classmethod
    def of(cls, circuit: Circuit, limit: float, latency: int, stages: Sequence[int]) -> "_Windows":
        # Backwards, delays are summed in another order; a limit that is a tolerance higher keeps the bound a bound.
        order = range(len(circuit.delays) - 1, -1, -1)
        back = _greedy(circuit.delays, circuit.readers, order, circuit.latch_ns, limit + TOLERANCE).stages
        first, last = np.array(stages), latency - np.array(back)
        last[list(circuit.inputs)] = 0
        first[list(circuit.outputs)] = latency
        return cls(first, last, latency)


def _too_far(circuit: Circuit, limit: float, windows: _Windows) -> Iterator[tuple[np.ndarray, int]]:
    """Pairs that need a register between them: all start vertices for one end vertex.

    Of the pairs with a longest path over the limit, only those are needed with no such pair inside, since stages do not
    fall along paths. The longest path is ``D(v, u) = delay(v) + max over readers w of v of D(w, u)``, and the same over
    the drivers of u; so a pair has no other inside when neither the path without its start nor the path without its end
    is over the limit. What is saved on the way to u counts in the maximum over its drivers only; on the way from v it
    makes the path without it look shorter, which keeps a pair too many and never loses one.
    """
    delays = np.array(circuit.delays)
    count, latch = len(delays), circuit.latch_ns
    for begin in range(0, count, BLOCK):
        starts = np.arange(begin, min(begin + BLOCK, count))
        longest = np.full((count, len(starts)), -np.inf)  # from every start to every vertex, -inf where no path is
        for end in range(begin, count):
            drivers = [each for each, _ in circuit.drivers[end] if each >= begin]
            saved = np.array([ns for each, ns in circuit.drivers[end] if each >= begin])
            before = longest[drivers] if drivers else longest[[end]]
            without_end = before.max(0)
            whole = (
                (before - saved[:, None]).max(0) + delays[end] if saved.any() else without_end + delays[end]
            )  # as in `period_ns`
            # The other rounding of a difference may keep a pair too many, never lose one.
            without_start = whole - delays[starts] - TOLERANCE
            inside = (without_end + latch > limit) | (without_start + latch > limit)
            found = (whole + latch > limit) & ~inside & (windows.latest[starts] >= windows.soonest[end])
            if found.any():
                yield starts[found], end
            longest[end] = whole
            if end - begin < len(starts):
                longest[end, end - begin] = delays[end]


def _fewest_bits(circuit: Circuit, limit: float, windows: _Windows) -> Pipeline:
    """Minimise ``sum over nets of width * (last(net) - stage(source))``, where last(net) is a variable at least the
    stage of every reader.

    Variables are the stages, then `last` of every net that has several readers.
    """
    count = len(circuit.delays)
    shared = [net for net in circuit.nets if len(set(net.readers)) > 1]
    weights = np.zeros(count + len(shared))
    lasts = itertools.count(count)
    low, high, least = (
        [circuit.edges[:, 0]],
        [circuit.edges[:, 1]],
        [np.zeros(len(circuit.edges))],
    )  # x[high] - x[low] >= least
    for net in circuit.nets:
        last = net.readers[0] if len(set(net.readers)) == 1 else next(lasts)
        weights[net.source] -= net.width
        weights[last] += net.width
        if last >= count:
            low.append(np.array(net.readers))
            high.append(np.full(len(net.readers), last))
            least.append(np.zeros(len(net.readers)))
    for starts, end in _too_far(circuit, limit, windows):
        low.append(starts)
        high.append(np.full(len(starts), end))
        least.append(np.ones(len(starts)))
    bounds = np.zeros((len(weights), 2))
    bounds[:, 1] = windows.latency
    bounds[:count] = np.stack([windows.soonest, windows.latest], axis=1)
    x = _solve(weights, np.concatenate(low), np.concatenate(high), np.concatenate(least), bounds)
    stages = np.rint(x[:count])
    assert np.abs(x[:count] - stages).max() < 1e-6, "the optimum of a totally unimodular program is integral"
    pipeline = as_placed(circuit, stages.astype(np.int64).tolist())
    assert pipeline.latency == windows.latency and pipeline.period_ns <= limit, (
        "pairs of vertices leave out a path that is too long"
    )
    assert pipeline.register_bits == round(float(weights @ x)), "the registers are not those that were minimised"
    return pipeline


def _solve(weights: np.ndarray, low: np.ndarray, high: np.ndarray, least: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The `x` within `bounds` that minimises ``weights @ x`` while ``x[high] - x[low] >= least``."""
    needed = bounds[high, 0] - bounds[low, 1] < least  # the bounds alone do not say it
    low, high, least = low[needed], high[needed], least[needed]
    rows = np.arange(len(least))
    signs = np.repeat([1.0, -1.0], len(least))
    matrix = sparse.csr_array((signs, (np.tile(rows, 2), np.concatenate([low, high]))), (len(least), len(weights)))
    # Interior point, then crossover to a vertex: 3 s for 5,000 stages and 127,000 rows where the dual simplex takes 7
    # s.
    found = linprog(weights, matrix, -least, bounds=bounds, method="highs-ipm")
    assert found.status == 0, f"as-soon-as-possible stages are a solution, but HiGHS says: {found.message}"
    return found.x
