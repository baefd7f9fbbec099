"""Several builds beside each other: what their `report.json` say, as a table and as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import NamedTuple

from logicnn.errors import LogicnnError
from logicnn.flow.templates import rendered

__all__ = ["HEAD", "Built", "page", "read", "ticks"]

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
SPAN = 0.01  # of accuracies that are shown, at least
LEFT, RIGHT, TOP, BOTTOM = 60, 620, 20, 350  # of the plot


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
            _time(self.latency_ns),
            _time(self.interval_ns),
            f"{self.clock_mhz:g}",
            accuracy,
            f"{self.vectors:,} equal" if self.vectors else "not verified",
        )


def _time(nanoseconds: float) -> str:
    unit, scale = next(
        ((unit, scale) for unit, scale in (("ms", 1e6), ("us", 1e3)) if nanoseconds >= scale), ("ns", 1.0)
    )
    return f"{nanoseconds / scale:.3g} {unit}"


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


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, from at or below `low` to at or above `high`."""
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    power = 10.0 ** floor(log10(span / most))
    step = next(power * each for each in (1, 2, 5, 10, 20) if span / (power * each) <= most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


class Axes(NamedTuple):
    """Ticks, (place, text), and points, (x, y, number), in the plot's units."""

    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    points: list[tuple[float, float, str]]


def _axes(builds: Sequence[Built]) -> Axes | None:
    """Accuracy against cells, of the builds whose accuracy is known; None where there are none."""
    shown = [
        (each.logic_cells, each.accuracy, str(number))
        for number, each in enumerate(builds, 1)
        if each.accuracy is not None
    ]
    if not shown:
        return None
    accuracies = [accuracy for _, accuracy, _ in shown]
    low, high = min(accuracies), max(accuracies)
    middle = min(max((low + high) / 2, SPAN / 2), 1 - SPAN / 2)
    cells = ticks(0, max(1, *(size for size, _, _ in shown)))
    shares = ticks(min(low, middle - SPAN / 2), max(high, middle + SPAN / 2))

    def across(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - cells[0]) / (cells[-1] - cells[0]), 1)

    def up(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - shares[0]) / (shares[-1] - shares[0]), 1)

    return Axes(
        [(across(each), f"{each:,.0f}") for each in cells],
        [(up(each), f"{100 * each:g}%") for each in shares],
        [(across(x), up(y), label) for x, y, label in shown],
    )


def page(builds: Sequence[Built]) -> str:
    """A table of the builds, and accuracy against cells as a plot."""
    return rendered("comparison.html", builds=builds, head=HEAD, rows=[each.row for each in builds], axes=_axes(builds))
