"""Switching activity: how often nets of a netlist change, clock cycle by clock cycle, while it works at samples.

Dynamic energy is spent where a net changes. Changes are counted once a cycle, with the logic settled: without glitches,
without what happens inside memories and multipliers, and without the clock's own.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import TracebackType

import numpy as np

from logicnn.netlist.simulate import Simulation

__all__ = ["Activity", "Watch"]


@dataclass(frozen=True)
class Activity:
    """Changes of nets in `cycles` cycles, the mean of all lanes, by the nets' names; and of all nets in the cycles that
    were looked at, by their number from 0 on.
    """

    cycles: int
    changes: Mapping[str, float]
    course: Mapping[int, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.changes.values())

    def by_phase(self, phases: Sequence[tuple[str, int]]) -> dict[str, float]:
        """Changes in times one after the other, each with a name and its cycles."""
        ends = list(accumulate(cycles for _, cycles in phases))
        found = dict.fromkeys((name for name, _ in phases), 0.0)
        share = self.cycles / max(1, len(self.course))
        for cycle, count in self.course.items():
            found[phases[min(bisect_right(ends, cycle), len(phases) - 1)][0]] += count * share
        return found

    def by_part(self, depth: int, within: str = "") -> dict[str, float]:
        """Changes by the first `depth` parts of the names below `within`, a path of modules; the greatest first."""
        found: defaultdict[str, float] = defaultdict(float)
        prefix = f"{within}." if within else ""
        for name, count in self.changes.items():
            if name.startswith(prefix):
                found[".".join(name.removeprefix(prefix).split(".")[:depth])] += count
        return dict(sorted(found.items(), key=lambda each: -each[1]))


class Watch:
    """Counts the changes of a simulation's nets while it is entered::

    with Watch(simulation) as watch:
        simulation.step(100)
    watch.activity.total

    Of `every` cycles it looks at one, and takes the others for alike; a prime keeps clear of a program's loops.
    """

    def __init__(self, simulation: Simulation, every: int = 1):
        self._simulation = simulation
        self._every = every
        self._rows = simulation.rows()
        self._begun = 0

    def __enter__(self) -> "Watch":
        simulation = self._simulation
        self._begun = simulation.cycle
        simulation.settle()
        places = np.unique(np.concatenate([np.zeros(0, int), *(np.array(each) for each in self._rows.values())]))
        self._places, self._changes = places, np.zeros(len(places), np.int64)
        self._course: dict[int, float] = {}
        before = simulation.values[places]

        def look(cycle: int) -> None:
            nonlocal before
            before = simulation.values[places]

        def count(cycle: int) -> None:
            nonlocal before
            now = simulation.values[places]
            changes = np.bitwise_count(now ^ before).sum(1, dtype=np.int64)
            self._changes += changes
            self._course[cycle - self._begun - 1] = float(changes.sum() / simulation.lanes)
            before = now

        each, now = self._every, simulation.cycle
        found = [simulation.attach(count, each, (now + 1) % each)]
        if each > 1:
            found.append(simulation.attach(look, each, now % each))
        self._stop = found
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stop in self._stop:
            stop()
        self._ended = self._simulation.cycle

    @property
    def activity(self) -> Activity:
        """What has been counted, when it has been left."""
        place = {int(row): index for index, row in enumerate(self._places)}
        cycles = self._ended - self._begun
        share = cycles / max(1, len(self._course)) / self._simulation.lanes
        changes = {
            name: float(sum(self._changes[place[row]] for row in rows) * share) for name, rows in self._rows.items()
        }
        return Activity(cycles, changes, dict(self._course))
