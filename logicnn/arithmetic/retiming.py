"""Retiming: the registers of a circuit where they meet a clock period, and are fewest.

A design without registers inside is pipelined by registers added at its outputs, which are then moved into the logic
("cascaded flip-flops", Xu et al. 2023, section III-B). Where they end up is a legal retiming (Leiserson & Saxe,
"Retiming synchronous circuitry", Algorithmica 6, 1991), and that is no more than a stage for every vertex:

       stage 0     |      stage 1      |  stage 2      Registers stand at the bars. The net that leaves `a` has
    in ---> a ---> | ---> b -----------|---> out       two registers: `b` reads it after the first, `out` after
            +----> | ------------------|---> out       the second, as taps of one shift register, which counts once.

A circuit may also have registers of its own, and loops through them. A vertex in stage `s` then computes in every cycle
what it computed `s` cycles earlier, and `s` may be negative; at a latency of 0, outputs stay the same in every cycle.
What the registers hold at first is the caller's to say: where they move forwards it follows from what they held, and
where they move backwards there may be no such value.

* A period is met by as-soon-as-possible stages or by none (the paper's FEAS: a pass over a circuit without registers,
  else passes until nothing changes).
* The fewest bits for a period are a linear program over differences of stages (the paper's section on minimum state):
  along a net the stage rises by no less than the registers that the net lacks, and along a path that is longer than the
  period by one more than that. Every row of such a matrix is a +1 and a -1, so it is totally unimodular, and an optimum
  at a vertex of the polytope is integral: exact, not a heuristic. Without loops all pairs of vertices that need a
  register between are found at once; else, paths that the optimum leaves too long are added until there are none.

Inputs come out of registers before stage 0 and outputs go into registers after the last stage; neither is counted.

A path is the sum of its vertices' delays, less what it saves where a carry goes on from one vertex to the next
(`Shortcut`). Along an edge it saves at most the reader's delay, so that a longer path still never takes less, which is
all that the above needs.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from logicnn.arithmetic.synchronous import Circuit, Neighbours, RetimingError

__all__ = [
    "TOLERANCE",
    "Pipeline",
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


@dataclass(frozen=True)
class Pipeline:
    """A legal assignment of stages and what it costs."""

    stages: tuple[int, ...]  # of every vertex
    latency: int  # cycles: registers on every path between inputs and outputs
    period_ns: float  # the longest path from register to register, with `Circuit.latch_ns`
    register_bits: int  # without those before the inputs and after the outputs


def period_ns(circuit: Circuit, stages: Sequence[int]) -> float:
    """The longest path between registers, with `latch_ns`. Raises `RetimingError` for stages that are not legal."""
    _check_stages(circuit, stages)
    arrivals = [0.0] * len(circuit.delays)
    for vertex in circuit.order(stages):
        same = [
            arrivals[each] - saved
            for each, registers, saved in circuit.drivers[vertex]
            if stages[each] == stages[vertex] + registers
        ]
        arrivals[vertex] = max([0.0, *same]) + circuit.delays[vertex]
    return max(arrivals) + circuit.latch_ns


def register_bits(circuit: Circuit, stages: Sequence[int]) -> int:
    """Every net's width times its registers, which lead to its last reader. Raises `RetimingError` for stages that are
    not legal.
    """
    _check_stages(circuit, stages)
    return sum(
        net.width
        * (max(stages[reader] + tap for reader, tap in zip(net.readers, net.taps, strict=True)) - stages[net.source])
        for net in circuit.nets
    )


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
        if found.latency is not None and found.latency <= latency:
            high = found.period_ns
        else:
            low = found.shortest_cut_ns
    return high


def soonest(circuit: Circuit, period: float) -> Pipeline:
    """Every vertex in the first stage that a period in ns leaves to it, as pipelining without a thought for register
    bits has it.

    Raises `RetimingError` for a period that the slowest vertex alone or a loop exceeds.
    """
    found, latency = _in_time(circuit, period)
    ends = dict.fromkeys(circuit.outputs, latency)
    return as_placed(circuit, [ends.get(vertex, stage) for vertex, stage in enumerate(found.stages)])


def least_latency(circuit: Circuit, period: float) -> int:
    """The least latency in cycles for a period in ns. Raises `RetimingError` for one that the slowest vertex alone or a
    loop exceeds.
    """
    return _in_time(circuit, period)[1]


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
    first, least = _in_time(circuit, period)
    if latency is None:
        latency = least
    elif least > latency:
        raise RetimingError(
            f"period {period!r} ns needs a latency of {least} cycles, but latency is {latency!r}; "
            f"{least_period(circuit, latency)!r} ns fits"
        )
    limit = _limit(circuit, period)
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


def _in_time(circuit: Circuit, period: float) -> tuple["_Staging", int]:
    """The soonest stages, and their latency."""
    found = _soonest(circuit, _limit(circuit, period))
    if found.latency is None:
        raise RetimingError(f"period {period!r} ns is less than a loop takes by its registers, whatever the latency")
    return found, found.latency


def _check_stages(circuit: Circuit, stages: Sequence[int]) -> None:
    if len(stages) != len(circuit.delays):
        raise RetimingError(f"stages must have {len(circuit.delays)} entries, one per vertex, not {len(stages)}")
    last = stages[circuit.outputs[0]]
    wanted = "an integer" if circuit.sequential else f"an integer of 0 ... {last}, the stage of outputs[0]"
    for vertex, stage in enumerate(stages):
        if stage != int(stage) or not (circuit.sequential or 0 <= stage <= last):
            raise RetimingError(f"stages[{vertex}] must be {wanted}, not {stage!r}")
    for name, vertices, wanted in (("inputs", circuit.inputs, 0), ("outputs", circuit.outputs, last)):
        for vertex in vertices:
            if stages[vertex] != wanted:
                raise RetimingError(f"stages[{vertex}] must be {wanted}, as of all {name}, not {stages[vertex]!r}")
    for source, reader, registers in circuit.edges.tolist():
        if stages[source] > stages[reader] + registers:
            less = f", less {registers} registers" if registers else ""
            raise RetimingError(
                f"stages[{reader}] must be at least {stages[source] - registers}, the stage of its driver {source}"
                f"{less}, not {stages[reader]!r}"
            )


class _Staging(NamedTuple):
    """Stages by a greedy search, and where it would have gone with a longer period."""

    stages: list[int]
    latency: int | None  # the least one for these stages, None where a loop takes longer than the limit
    bound: list[bool]  # of every vertex, whether what is held leads to it, so that no legal stage is lower
    period_ns: float  # the longest path that was kept
    shortest_cut_ns: float  # the shortest path that was longer than the limit: up to it, any limit gives the same


class _Greedy:
    """A new stage only where a path would exceed the limit, from the `held` vertices on, whose stage is 0.

    No legal stages are lower anywhere, and none that are equal have an earlier arrival there: stages start low and rise
    to what their drivers make necessary, by induction along `order` and over passes. Around a loop that takes longer
    than its registers allow they would rise for ever, but before long one of them is a cause of itself.
    """

    def __init__(self, circuit: Circuit, neighbours: Neighbours, order: Sequence[int], held: Sequence[int]):
        self._circuit, self._neighbours, self._order = circuit, neighbours, order
        count = len(circuit.delays)
        self._floor = [-math.inf if circuit.sequential else 0] * count
        for vertex in held:
            self._floor[vertex] = 0
        self.stages: list[float] = [-math.inf] * count
        self.arrivals = [0.0] * count
        self.bound = [False] * count
        self.shortest_cut = math.inf
        self._begins = list(range(count))  # the first vertex of the path that arrives
        self._causes = [-1] * count  # the vertex that made the stage as high as it is

    def run(self, limit: float) -> bool:
        """Whether there are such stages. Vertices that nothing held leads to read each other only, and may be so low
        that they raise none of their readers.
        """
        if not self._settled(limit, self._order):
            return False
        self.bound = [stage > -math.inf for stage in self.stages]
        free = [vertex for vertex in self._order if not self.bound[vertex]]
        if not free:
            return True
        lowest = min((stage for stage in self.stages if stage > -math.inf), default=0)
        for vertex in free:
            self._floor[vertex] = 0
        settled = self._settled(limit, free)
        down = max(self.stages[vertex] for vertex in free) - lowest + 1
        for vertex in free:
            self.stages[vertex] -= down
        return settled

    def _settled(self, limit: float, order: Sequence[int]) -> bool:
        """Passes over `order` until nothing changes; whether that came to an end."""
        while self._changed(limit, order) and self._circuit.sequential:
            if self._in_a_circle():
                return False
        return True

    def _changed(self, limit: float, order: Sequence[int]) -> bool:
        """One pass: stage and arrival of every vertex from those of its drivers. Whether any is another than before."""
        delays, latch, changed = self._circuit.delays, self._circuit.latch_ns, False
        stages, arrivals, begins = self.stages, self.arrivals, self._begins
        for vertex in order:
            stage, arrival, begin, cause = self._floor[vertex], 0.0, vertex, -1
            for each, registers, saved in self._neighbours[vertex]:
                there = stages[each] - registers
                if there > stage:
                    stage, arrival, begin, cause = there, 0.0, vertex, each
                if there == stage and arrivals[each] - saved > arrival:
                    arrival, begin = arrivals[each] - saved, begins[each]
            if stage == -math.inf:
                continue
            arrival += delays[vertex]
            if arrival + latch > limit:  # summed as in `period_ns`, so that a period found is met to the last digit
                self.shortest_cut = min(self.shortest_cut, arrival + latch)
                stage, arrival, begin, cause = stage + 1, delays[vertex], vertex, begin
            if stage != stages[vertex]:
                self._causes[vertex] = cause
            elif arrival == arrivals[vertex]:
                continue
            stages[vertex], arrivals[vertex], begins[vertex], changed = stage, arrival, begin, True
        return changed

    def _in_a_circle(self) -> bool:
        """Whether the cause of a cause, and so on, of any stage is itself."""
        seen = [0] * len(self._causes)
        for first in range(len(seen)):
            vertex = first
            while vertex >= 0 and not seen[vertex]:
                seen[vertex] = first + 1
                vertex = self._causes[vertex]
            if vertex >= 0 and seen[vertex] == first + 1:
                return True
        return False


def _greedy(circuit: Circuit, limit: float, backwards: bool) -> _Staging:
    """Stages from the inputs on, or, negated, from the outputs back."""
    order = range(len(circuit.delays))
    if backwards:
        ends, greedy = circuit.inputs, _Greedy(circuit, circuit.readers, order[::-1], circuit.outputs)
    else:
        ends, greedy = circuit.outputs, _Greedy(circuit, circuit.drivers, order, circuit.inputs)
    if not greedy.run(limit):
        return _Staging([], None, [], math.inf, greedy.shortest_cut)
    stages = [int(stage) for stage in greedy.stages]
    latency = max([0, *(stages[each] for each in ends)]) if circuit.sequential else max(stages)
    return _Staging(stages, latency, greedy.bound, max(greedy.arrivals) + circuit.latch_ns, greedy.shortest_cut)


def _soonest(circuit: Circuit, limit: float) -> _Staging:
    """Every vertex in the first stage it can be in. Outputs are where they arrive: to move them to the last stage only
    cuts paths.
    """
    return _greedy(circuit, limit, backwards=False)


class _Windows(NamedTuple):
    """The stages that are possible for every vertex: most pairs of vertices are a stage apart for this alone."""

    soonest: np.ndarray  # (vertices,) float64, -inf where nothing says
    latest: np.ndarray  # (vertices,) float64, inf where nothing says
    latency: int

    @classmethod
    def of(cls, circuit: Circuit, limit: float, latency: int, found: _Staging) -> "_Windows":
        # Backwards, delays are summed in another order; a limit that is a tolerance higher keeps the bound a bound.
        back = _greedy(circuit, limit + TOLERANCE, backwards=True)
        first = np.where(found.bound, np.array(found.stages, float), -math.inf)
        last = np.where(back.bound, latency - np.array(back.stages, float), math.inf)
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
            drivers = [each for each, _, _ in circuit.drivers[end] if each >= begin]
            saved = np.array([ns for each, _, ns in circuit.drivers[end] if each >= begin])
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


def _too_long(circuit: Circuit, limit: float, stages: Sequence[int]) -> list[tuple[int, int]]:
    """Starts and ends of paths over the limit: where arrivals first exceed it, from the last start that makes them do
    so, and on from there as if the path had been cut.
    """
    latch, found = circuit.latch_ns, []
    arrivals, before = [0.0] * len(stages), [-1] * len(stages)
    for vertex in circuit.order(stages):
        for each, registers, saved in circuit.drivers[vertex]:
            if stages[each] == stages[vertex] + registers and arrivals[each] - saved > arrivals[vertex]:
                arrivals[vertex], before[vertex] = arrivals[each] - saved, each
        arrivals[vertex] += circuit.delays[vertex]
        if arrivals[vertex] + latch > limit:
            start = vertex
            while before[start] >= 0 and not arrivals[vertex] - arrivals[before[start]] + latch > limit:
                start = before[start]
            found.append((start, vertex))
            arrivals[vertex], before[vertex] = circuit.delays[vertex], -1
    return found


class _Rows:
    """Rows ``x[high] - x[low] >= least`` of a linear program."""

    def __init__(self) -> None:
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._least: list[np.ndarray] = []

    def add(self, low: np.ndarray | Sequence[int], high: np.ndarray | Sequence[int] | int, least: object) -> None:
        """Rows for all of `low`, with a `high` and a `least` for each or for all."""
        low = np.asarray(low, np.int64)
        self._low.append(low)
        self._high.append(np.broadcast_to(np.asarray(high, np.int64), low.shape))
        self._least.append(np.broadcast_to(np.asarray(least, float), low.shape))

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.concatenate(self._low), np.concatenate(self._high), np.concatenate(self._least)


def _fewest_bits(circuit: Circuit, limit: float, windows: _Windows) -> Pipeline:
    """Minimise ``sum over nets of width * (last(net) - stage(source))``, where last(net) is a variable at least the
    stage of every reader plus the registers on the way to it.

    Variables are the stages, then `last` of every net that has several readers.
    """
    count = len(circuit.delays)
    shared = [net for net in circuit.nets if len(set(net.readers)) > 1]
    weights, constant = np.zeros(count + len(shared)), 0
    lasts = itertools.count(count)
    rows = _Rows()
    rows.add(circuit.edges[:, 0], circuit.edges[:, 1], -circuit.edges[:, 2])
    for net in circuit.nets:
        last = net.readers[0] if len(set(net.readers)) == 1 else next(lasts)
        weights[net.source] -= net.width
        weights[last] += net.width
        if last >= count:
            rows.add(net.readers, last, net.taps)
        else:
            constant += net.width * max(net.taps)
    bounds = np.full((len(weights), 2), (-math.inf, math.inf) if circuit.sequential else (0, windows.latency))
    bounds[:count] = np.stack([windows.soonest, windows.latest], axis=1)
    if not circuit.sequential:
        for starts, end in _too_far(circuit, limit, windows):
            rows.add(starts, end, 1)
    while True:
        x = _solve(weights, *rows.arrays(), bounds)
        stages = np.rint(x[:count])
        assert np.abs(x[:count] - stages).max() < 1e-6, "the optimum of a totally unimodular program is integral"
        pipeline = as_placed(circuit, stages.astype(np.int64).tolist())
        if pipeline.period_ns <= limit:
            break
        assert circuit.sequential, "pairs of vertices leave out a path that is too long"
        low, high = np.array(_too_long(circuit, limit, pipeline.stages)).T
        rows.add(low, high, stages[high] - stages[low] + 1)
    assert pipeline.latency == windows.latency
    assert pipeline.register_bits == constant + round(float(weights @ x)), "the registers are not those minimised"
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
