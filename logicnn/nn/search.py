"""The best network for a data set and a device that so many minutes find: several candidates trained for a short time,
the one that decides left-out samples best for the rest.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import Labelled, OwnData
from logicnn.engines import Mapping, MappingError
from logicnn.engines.room import board_estimate, fits
from logicnn.errors import LogicnnError
from logicnn.network import Columns, Network, Preparation
from logicnn.resources import Device

__all__ = ["FULL", "Found", "Trial", "Way", "searched", "values"]

EXPLORED = 0.25  # of the time, for all candidates together
MOST_EPOCHS, MOST_TRIALS = 300, 20
FULL = 0.95  # of a device's logic cells, what an estimate may take; placed designs are within 5 % of it
SPARE = 0.02  # of them, by which a candidate that was too large is made smaller yet
C = TypeVar("C")


def values(preparation: Preparation, data: Labelled) -> Split:
    """Samples as a network reads them; pictures are so already."""
    return Split(preparation.values(data.x) if isinstance(preparation, Columns) else data.x, data.y)


class Way(ABC, Generic[C]):
    """A kind of network: how samples become its integers, which candidates there are for a device, how one is trained,
    and what it is mapped to.
    """

    @abstractmethod
    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        """Of samples, from those to train with."""

    @abstractmethod
    def candidates(self, data: Dataset, device: Device) -> Sequence[C]:
        """The most promising first."""

    @abstractmethod
    def trained(self, candidate: C, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        """A network of these samples."""

    @abstractmethod
    def mapping(self, network: Network, device: Device) -> Mapping:
        """What it is on a device. Raises `MappingError` where it is nothing there."""

    @abstractmethod
    def smaller(self, candidate: C, cells: int) -> C | None:
        """The candidate with so many logic cells less; None where it has no budget."""


@dataclass(frozen=True)
class Trial(Generic[C]):
    """What a candidate came to after some epochs: the fraction of left-out samples that it decides right, its logic
    cells on the board by the estimate, and whether it fits.
    """

    candidate: C
    epochs: int
    network: Network
    accuracy: float
    logic_cells: int
    fits: bool


@dataclass(frozen=True)
class Found(Generic[C]):
    """The best trial that fits, all of them, and whether Ctrl-C ended the search."""

    best: Trial[C]
    trials: tuple[Trial[C], ...]
    interrupted: bool = False


class _Clock:
    """How long an epoch takes, as far as is known, and what time is left."""

    def __init__(self, seconds: float):
        self._end, self._epoch_s = time.monotonic() + seconds, 0.0

    @property
    def left_s(self) -> float:
        return self._end - time.monotonic()

    def took(self, epochs: int, seconds: float) -> None:
        self._epoch_s = seconds / epochs

    def epochs(self, seconds: float) -> int:
        """As many as so many seconds are enough for."""
        return max(1, min(MOST_EPOCHS, int(seconds / self._epoch_s))) if self._epoch_s else 1


def searched(
    way: Way[C],
    data: Dataset,
    held: Split,
    device: Device,
    minutes: float,
    seed: int,
    say: Callable[[Trial[C]], None] = lambda trial: None,
) -> Found[C]:
    """Trains on the training part; `held` chooses; the test part is not read.

    Where nothing fits the device when time is up, it goes on with smaller ones. Ctrl-C ends the search with what was
    best so far, once there is something. Raises `LogicnnError` where no candidate fits the device.
    """
    trials: list[Trial[C]] = []
    clock = _Clock(60 * minutes)

    def tried(candidate: C, seconds: float) -> None:
        """Once more where an epoch turns out to take less than half as long."""
        last = 0
        while (epochs := clock.epochs(seconds)) > 2 * last and (not last or seconds > 0):
            start, last = time.monotonic(), epochs
            network = way.trained(candidate, data, data.train, epochs, seed)
            took = time.monotonic() - start
            clock.took(epochs, took)
            seconds -= took
            trials.append(_judged(way, candidate, epochs, network, held, device))
            say(trials[-1])

    refused: list[str] = []
    interrupted = False
    try:
        candidates = way.candidates(data, device)
        slot = 60 * minutes * EXPLORED / len(candidates)
        for candidate in candidates:
            try:
                tried(candidate, slot)
            except LogicnnError as error:  # a budget below the least
                refused.append(str(error))
            if clock.left_s < slot and any(each.fits for each in trials):
                break
        done = False
        while not done and (candidate := _next(way, trials, device)) is not None:
            done = any(each.fits and each.candidate == candidate for each in trials)
            if clock.left_s <= 0 and (done or len(trials) >= MOST_TRIALS):  # something that fits is worth a minute more
                break
            tried(candidate, clock.left_s if done else min(slot, clock.left_s))
    except KeyboardInterrupt:
        interrupted = True
        if not any(each.fits for each in trials):
            raise
    good = [each for each in trials if each.fits]
    if not good:
        more = f": {refused[0]}" if refused and not trials else ""
        raise LogicnnError(f"none of {len(trials)} networks fits the {device.name} in {minutes:g} minutes{more}")
    best = max(good, key=lambda each: (each.accuracy, -each.logic_cells))
    return Found(best, tuple(trials), interrupted)


def _judged(way: Way[C], candidate: C, epochs: int, network: Network, held: Split, device: Device) -> Trial[C]:
    accuracy = float(np.mean(network.evaluate(held.x) == held.y))
    try:
        mapping = way.mapping(network, device)
    except MappingError:
        return Trial(candidate, epochs, network, accuracy, 0, False)
    cells = board_estimate(mapping, device).logic_cells
    room = cells <= FULL * device.capacity.logic_cells
    return Trial(candidate, epochs, network, accuracy, cells, room and fits(mapping, device))


def _next(way: Way[C], trials: Sequence[Trial[C]], device: Device) -> C | None:
    """The candidate for the time that is left: the best so far, with a budget that fits, and some cells to spare, since
    trainings of different lengths differ by so many.
    """
    for trial in sorted(trials, key=lambda each: -each.accuracy):
        if trial.fits:
            return trial.candidate
        over = trial.logic_cells - int(FULL * device.capacity.logic_cells)
        spare = int(SPARE * device.capacity.logic_cells)
        less = way.smaller(trial.candidate, over + spare) if over > 0 else None
        if less is not None:
            return less
    return None
