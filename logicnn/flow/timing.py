"""Delays of the placed design, from nextpnr's report (``--report --detailed-timing-report``)."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logicnn.errors import CheckFailed

__all__ = ["Placed", "TimingError"]

# Where data enter a register's cell: iCE40 through its LUT, ECP5 directly, both also as a synchronous reset.
DATA_PORTS = {"I0", "I1", "I2", "I3", "SR", "DI", "M", "LSR"}


class TimingError(CheckFailed):
    """A report that lacks what is looked for."""


@dataclass(frozen=True)
class Placed:
    """The report of one placed design."""

    report: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Placed":
        return cls(json.loads(path.read_text()))

    def used(self, kind: str) -> int:
        """How many places of a kind are used, e.g. ``ICESTORM_LC``; 0 for a kind that the device lacks."""
        return self.report["utilization"].get(kind, {}).get("used", 0)

    def clock(self) -> tuple[float, float]:
        """(achieved, required) MHz of the clock with the least margin."""
        clocks = [(each["achieved"], each["constraint"]) for each in self.report["fmax"].values()]
        if not clocks:
            raise TimingError("the timing report has no clock")
        return min(clocks, key=lambda clock: clock[0] / clock[1])

    def slowest(self) -> list[dict[str, Any]]:
        """The steps of the longest path from clock edge to clock edge that the report lists; none where it lists
        none.
        """
        paths = [
            each["path"]
            for each in self.report["critical_paths"]
            if each["from"].startswith("posedge") and each["to"].startswith("posedge")
        ]
        return max(paths, key=lambda path: sum(step["delay"] for step in path), default=[])

    def delay_into(self, cells: Collection[str]) -> float:
        """Nanoseconds from the clock edge at the registers before `cells` to their own next edge: clock to Q, logic,
        routes, setup.

        The setup time is that of the critical path into `cells` where the report lists it, else the longest that it
        lists.
        """
        arrivals = [
            endpoint["delay"][1]
            for net in self.report["detailed_net_timings"]
            for endpoint in net["endpoints"]
            if endpoint["cell"] in cells and endpoint["port"] in DATA_PORTS and endpoint["event"].startswith("posedge")
        ]
        setups = [
            (step["to"]["cell"] in cells, step["delay"])
            for path in self.report["critical_paths"]
            for step in path["path"]
            if step["type"] == "setup"
        ]
        if not arrivals or not setups:
            raise TimingError("the timing report has no path into the output register")
        return max(arrivals) + max(setups)[1]
