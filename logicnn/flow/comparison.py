"""Several builds beside each other: what their `report.json` say, as a table and as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logicnn.errors import LogicnnError
from logicnn.flow.plot import CELLS, Plot, Point, duration, plot
from logicnn.flow.templates import rendered

__all__ = ["HEAD", "Built", "page", "read"]

HEAD = (
    "build",
    "device",
    "logic cells",
    "of",
    "block RAM",
    "DSP",
    "time",
    "interval",
    "clock, MHz",
    "accuracy",
    "checked",
)
LARGEST = 1e15  # of any figure


@dataclass(frozen=True)
class Built:
    """A build: sizes, the time from a sample to its answer and between samples in nanoseconds, the accuracy on labelled
    samples where there were any, and the vectors that were compared.
    """

    name: str
    board: str
    device: str
    logic_cells: int
    room: int
    bram: int
    dsp: int
    clock_mhz: float
    latency_ns: float
    interval_ns: float
    accuracy: float | None
    vectors: int

    @property
    def label(self) -> str:
        return f"{self.name} on {self.board}"

    @property
    def row(self) -> tuple[str, ...]:
        """Texts under `HEAD`."""
        accuracy = "not measured" if self.accuracy is None else f"{self.accuracy:.2%}"
        return (
            self.label,
            self.device,
            f"{self.logic_cells:,}",
            f"{self.logic_cells / self.room:.0%}",
            str(self.bram),
            str(self.dsp),
            duration(self.latency_ns),
            duration(self.interval_ns),
            f"{self.clock_mhz:g}",
            accuracy,
            f"{self.vectors:,} equal" if self.vectors else "not verified",
        )


def read(path: Path) -> Built:
    """The build of a folder, or of a `report.json`. Raises `LogicnnError` for anything else."""
    file = path / "report.json" if path.is_dir() else path
    try:
        found = json.loads(file.read_text())
        timing, used, checked = found["timing"], found["resources"], found["verification"]
        period = 1000 / float(timing["clock_mhz"])
        cycles = int(timing["latency_cycles"])
        accuracy = None if checked["accuracy"] is None else float(checked["accuracy"])
        built = Built(
            name=str(found["model"]["name"]),
            board=str(found["board"]),
            device=str(found["device"]),
            logic_cells=int(used["logic_cells"]),
            room=int(used["capacity"]["logic_cells"]),
            bram=int(used["bram"]),
            dsp=int(used["dsp"]),
            clock_mhz=float(timing["clock_mhz"]),
            latency_ns=cycles * period if cycles else float(timing["core_delay_ns"] or 0.0),
            interval_ns=int(timing["interval_cycles"]) * period,
            accuracy=accuracy,
            vectors=int(checked["vectors"]),
        )
        numbers = (built.clock_mhz, built.latency_ns, built.interval_ns, built.logic_cells, built.bram, built.dsp)
        if not (all(0 <= each < LARGEST for each in numbers) and built.room > 0 and 0 <= (accuracy or 0) <= 1):
            raise ValueError("figures that no build has")
        return built
    except OSError as error:
        raise LogicnnError(
            f"cannot read {file}: {error.strerror}; give the folder of a build, or its report.json"
        ) from None
    except (ValueError, KeyError, TypeError, ZeroDivisionError, OverflowError, RecursionError) as error:
        raise LogicnnError(f"{file} is no report of a build: {type(error).__name__} {error}") from None


def _plot(builds: Sequence[Built]) -> Plot | None:
    """Accuracy against cells, of the builds whose accuracy is known; None where there are none."""
    points = [
        Point(each.logic_cells, each.accuracy, str(number))
        for number, each in enumerate(builds, 1)
        if each.accuracy is not None
    ]
    return plot(points, CELLS) if points else None


def page(builds: Sequence[Built]) -> str:
    """A table of the builds, and accuracy against cells as a plot."""
    return rendered("comparison.html", builds=builds, head=HEAD, rows=[each.row for each in builds], plot=_plot(builds))
