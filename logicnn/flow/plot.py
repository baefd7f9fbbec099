"""Plots of pages: accuracy against what it costs, with whole ticks and plain numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

__all__ = ["CELLS", "ENERGY", "TIME", "Axis", "Plot", "Point", "duration", "energy", "log_ticks", "plot", "ticks"]

SPAN = 0.01  # of accuracies that are shown, at least
LEFT, RIGHT, TOP, BOTTOM = 60, 620, 20, 350
DECADES = 2  # of a logarithmic axis, from which on its ticks are powers of ten alone
UNITS = ("mJ", 1e-3), ("uJ", 1), ("nJ", 1e3), ("pJ", 1e6)


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    unit, scale = next(((unit, scale) for unit, scale in units if value * scale >= 1), units[-1])
    return f"{value * scale:.3g} {unit}"


def duration(nanoseconds: float) -> str:
    return _scaled(nanoseconds, (("ms", 1e-6), ("us", 1e-3), ("ns", 1.0)))


def energy(microjoules: float) -> str:
    return _scaled(microjoules, UNITS)


@dataclass(frozen=True)
class Axis:
    """What a plot is against; `log` where it spans orders of magnitude."""

    title: str
    text: Callable[[float], str]
    log: bool = False


CELLS = Axis("logic cells", lambda value: f"{value:,.0f}")
TIME = Axis("time from a sample to its class", duration, log=True)
ENERGY = Axis("energy of a sample, by estimate", energy, log=True)


@dataclass(frozen=True)
class Point:
    """What something costs, and its accuracy (0 ... 1); without a label it is a small dot."""

    cost: float
    accuracy: float
    label: str = ""


@dataclass(frozen=True)
class Plot:
    """Ticks, (place, text), and points, (x, y, label), in the plot's units."""

    title: str
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    points: list[tuple[float, float, str]]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, from at or below `low` to at or above `high`."""
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    power = 10.0 ** floor(log10(span / most))
    step = next(power * each for each in (1, 2, 5, 10, 20) if span / (power * each) <= most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from at or below `low`, above 0, to at or above `high`; of few decades 2 and 5 times them, too."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    if last - first > DECADES:
        return [10.0**power for power in range(first, last + 1)]
    every = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    below = [each for each in every if each <= low * (1 + 1e-9)]
    above = [each for each in every if each >= high * (1 - 1e-9)]
    found = [each for each in every if below[-1] <= each <= above[0]]
    return found if len(found) > 1 else [below[-1], 10 * below[-1]]


def plot(points: Sequence[Point], axis: Axis) -> Plot:
    """Accuracy against a cost, of one point at least."""
    costs, accuracies = [each.cost for each in points], [each.accuracy for each in points]
    low, high = min(accuracies), max(accuracies)
    middle = min(max((low + high) / 2, SPAN / 2), 1 - SPAN / 2)
    shares = ticks(min(low, middle - SPAN / 2), max(high, middle + SPAN / 2))
    marks = log_ticks(min(costs), max(costs)) if axis.log else ticks(0, max(1, *costs, 1))

    def across(value: float) -> float:
        place, first, last = (log10(each) if axis.log else each for each in (value, marks[0], marks[-1]))
        return round(LEFT + (RIGHT - LEFT) * (place - first) / (last - first), 1)

    def up(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - shares[0]) / (shares[-1] - shares[0]), 1)

    return Plot(
        axis.title,
        [(across(each), axis.text(each)) for each in marks],
        [(up(each), f"{100 * each:g}%") for each in shares],
        [(across(each.cost), up(each.accuracy), each.label) for each in points],
    )
