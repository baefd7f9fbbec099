"""Trials of an exploration as values, and which of them no other beats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from logicnn.explore.estimate import Estimate
from logicnn.nn.choices import Chosen

__all__ = ["Figures", "State", "Trial", "front"]

T = TypeVar("T")


class State(Enum):
    RUNNING = "running"
    TRAINED = "trained"
    REFUSED = "refused"  # before training, or after it: there is no room for it
    FAILED = "failed"


@dataclass(frozen=True)
class Figures:
    """What a training came to."""

    file: str
    digest: str
    accuracy: float  # on the left-out samples
    estimate: Estimate
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A candidate that is trained once; `longer_of` is the trial whose candidate it trains for longer. `build` is what
    a build said, or `build_reason` why there is none.
    """

    number: int
    way: str
    chosen: Chosen
    longer_of: int | None
    state: State
    reason: str = ""
    figures: Figures | None = None
    build: dict[str, Any] | None = None
    build_reason: str = ""
    build_seconds: float = 0.0

    @property
    def known(self) -> Figures:
        """The figures of one that is trained."""
        assert self.figures is not None
        return self.figures

    @property
    def estimated(self) -> tuple[float, ...]:
        """What is wanted small."""
        known = self.known
        return -known.accuracy, known.estimate.logic_cells, known.estimate.answer_ns

    @property
    def placed(self) -> tuple[float, ...]:
        """The same of one that is built, with its energy."""
        return -self.known.accuracy, self.logic_cells or 0, self.answer_ns or 0.0, self.energy_uj or 0.0

    # -- of one that is built, else None

    @property
    def logic_cells(self) -> int | None:
        return self.build["resources"]["logic_cells"] if self.build else None

    @property
    def core_delay_ns(self) -> float | None:
        return self.build["timing"]["core_delay_ns"] if self.build else None

    @property
    def latency_cycles(self) -> int | None:
        return self.build["timing"]["latency_cycles"] if self.build else None

    @property
    def answer_ns(self) -> float | None:
        """From a sample to its class."""
        if self.build is None:
            return None
        cycles = self.build["timing"]["latency_cycles"]
        return cycles * 1e3 / self.build["timing"]["clock_mhz"] if cycles else self.core_delay_ns

    @property
    def energy_uj(self) -> float | None:
        """Of a sample, the middle of its estimate; None of devices of which no measurements are known."""
        found = self.build and self.build.get("energy_estimate")
        return (found["least_uj"] + found["most_uj"]) / 2 if found else None


def front(trials: Sequence[T], wanted: Callable[[T], tuple[float, ...]]) -> list[T]:
    """Those that no other is as good as in every figure, and better in one; of equal ones the first. All figures are
    wanted small.
    """
    found = []
    for place, each in enumerate(trials):
        own = wanted(each)
        others = ((wanted(other), at) for at, other in enumerate(trials) if at != place)
        if not any(
            all(a <= b for a, b in zip(their, own, strict=True)) and (their != own or at < place)
            for their, at in others
        ):
            found.append(each)
    return found
