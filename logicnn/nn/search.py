"""The best network for a data set and a device that so many minutes find: several candidates trained for as many
epochs each, the one that decides left-out samples best for the rest of the time.
"""

import math
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
from logicnn.nn.choices import Choice, Chosen
from logicnn.resources import Device

__all__ = ["FULL", "Found", "Trial", "Way", "searched", "values"]

EXPLORED = 0.25  # of the time, for all candidates together, were they as slow as the first
MOST_EPOCHS, MOST_TRIALS = 300, 20
FULL = 0.95  # of a device's logic cells, what an estimate may take; placed designs are within 5 % of it
SPARE = 0.02  # of them, by which a candidate that was too large is made smaller yet
C = TypeVar("C")


def values(preparation: Preparation, data: Labelled) -> Split:
    """Samples as a network reads them; pictures are so already."""
    return Split(preparation.values(data.x) if isinstance(preparation, Columns) else data.x, data.y)


class Way(ABC, Generic[C]):
    """A kind of network: how samples become its integers, which candidates there are for a device, how one is trained,
    and what it is mapped to; and for a search without a list of candidates, what may be varied.
    """

    @property
    @abstractmethod
    def engine(self) -> str:
        """What it is built with, as `engines.choose.kinds` names it."""

    @abstractmethod
    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        """Of samples, from those to train with."""

    @abstractmethod
    def candidates(self, data: Dataset, device: Device) -> Sequence[C]:
        """The most promising first."""

    @abstractmethod
    def choices(self, data: Dataset, device: Device) -> dict[str, Choice]:
        """What may be varied, and how far. Raises `LogicnnError` where the device is not for this kind."""

    @abstractmethod
    def candidate(self, chosen: Chosen, data: Dataset, device: Device) -> C:
        """The candidate of these choices."""

    @abstractmethod
    def sketch(self, candidate: C, data: Dataset) -> Network:
        """Any network of a candidate's size, untrained, of which an estimate can be made. Raises `LogicnnError` where
        there is none.
        """

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
    """What a candidate came to after some epochs, which took so many seconds: the fraction of left-out samples that it
    decides right, its logic cells on the board by the estimate, and whether it fits.
    """

    candidate: C
    epochs: int
    seconds: float
    network: Network
    accuracy: float
    logic_cells: int
    fits: bool

    def epochs_in(self, seconds: float) -> int:
        """As many as so many seconds are enough for."""
        return max(1, min(MOST_EPOCHS, int(seconds / max(self.seconds, 1e-9) * self.epochs)))


@dataclass(frozen=True)
class Found(Generic[C]):
    """The best trial that fits, all of them, and whether Ctrl-C ended the search."""

    best: Trial[C]
    trials: tuple[Trial[C], ...]
    interrupted: bool = False


class _Search(Generic[C]):
    """Trials so far, of a search that has so many seconds."""

    def __init__(
        self,
        way: Way[C],
        data: Dataset,
        held: Split,
        device: Device,
        seconds: float,
        seed: int,
        say: Callable[[Trial[C]], None],
    ):
        self._way, self._data, self._held, self._device, self._seed, self._say = way, data, held, device, seed, say
        self._seconds, self._end = seconds, time.monotonic() + seconds
        self.trials: list[Trial[C]] = []
        self.refused: list[tuple[C, str]] = []

    @property
    def left_s(self) -> float:
        return self._end - time.monotonic()

    @property
    def anything_fits(self) -> bool:
        return any(each.fits for each in self.trials)

    def tried(self, candidate: C, epochs: int) -> Trial[C]:
        start = time.monotonic()
        network = self._way.trained(candidate, self._data, self._data.train, epochs, self._seed)
        took = time.monotonic() - start
        self.trials.append(_judged(self._way, candidate, epochs, took, network, self._held, self._device))
        self._say(self.trials[-1])
        return self.trials[-1]

    def explore(self) -> int:
        """Tries every candidate for as many epochs as suit the first: so many."""
        candidates = self._way.candidates(self._data, self._device)
        slot, epochs = self._seconds * EXPLORED / len(candidates), 0
        for candidate in candidates:
            if epochs:
                self._ventured(candidate, epochs)
            else:
                epochs = self._begin(candidate, slot)
            if self.left_s < slot and self.anything_fits:
                break
        return max(1, epochs)

    def _begin(self, candidate: C, seconds: float) -> int:
        """Tries a candidate for about so long, once more where an epoch takes less than half as long as it seemed: the
        first one has a library warm up. How many epochs it took in the end, 0 where it was refused.
        """
        epochs, end = 1, time.monotonic() + seconds
        trial = self._ventured(candidate, 1)
        while trial is not None and (left_s := end - time.monotonic()) > 0:
            more = trial.epochs_in(left_s) if epochs > 1 else max(2, trial.epochs_in(left_s))
            if epochs > 1 and more <= 2 * epochs:
                break
            epochs = more
            trial = self._ventured(candidate, epochs)
        return 0 if trial is None else epochs

    def _ventured(self, candidate: C, epochs: int) -> Trial[C] | None:
        """As `tried`; None where a candidate is refused, whose budget is below the least."""
        try:
            return self.tried(candidate, epochs)
        except LogicnnError as error:
            self.refused.append((candidate, str(error)))
            return None

    def finish(self, epochs: int) -> None:
        """Trains the best one that fits for the rest of the time, after those that are made smaller until one fits."""
        while (candidate := self._next()) is not None:
            known = [each for each in self.trials if each.candidate == candidate]
            if known:
                if (more := known[-1].epochs_in(self.left_s)) > known[-1].epochs:
                    self._ventured(candidate, more)
                return
            if self.left_s <= 0 and (self.anything_fits or len(self.trials) >= MOST_TRIALS):
                return
            self._ventured(candidate, epochs)

    def _next(self) -> C | None:
        """The candidate for the time that is left: the best that fits, as it was last tried, or one with a smaller
        budget than a better one that does not, and some cells to spare, since trainings of different lengths differ by
        so many. Of those that are no worse than the best by a standard error, the first, which is the most promising.
        """
        latest = [each for at, each in enumerate(self.trials) if not _again(self.trials[at + 1 :], each.candidate)]
        best = max((each.accuracy for each in latest), default=0.0)
        enough = best - math.sqrt(2 * best * (1 - best) / len(self._held.y))
        spare, full = int(SPARE * self._device.capacity.logic_cells), int(FULL * self._device.capacity.logic_cells)
        for trial in sorted(latest, key=lambda each: -min(each.accuracy, enough)):
            if trial.fits:
                return trial.candidate
            over = trial.logic_cells - full
            less = self._way.smaller(trial.candidate, over + spare) if over > 0 else None
            refused = any(candidate == less for candidate, _ in self.refused)
            if less is not None and not refused and not _again(self.trials, less):
                return less
        return None


def _again(trials: Sequence[Trial[C]], candidate: C) -> bool:
    return any(each.candidate == candidate for each in trials)


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
    search = _Search(way, data, held, device, 60 * minutes, seed, say)
    interrupted = False
    try:
        search.finish(search.explore())
    except KeyboardInterrupt:
        interrupted = True
        if not search.anything_fits:
            raise
    trials = search.trials
    good = [each for each in trials if each.fits]
    if not good:
        more = f": {search.refused[0][1]}" if search.refused and not trials else ""
        raise LogicnnError(f"none of {len(trials)} networks fits the {device.name} in {minutes:g} minutes{more}")
    best = max(good, key=lambda each: (each.accuracy, -each.logic_cells))
    return Found(best, tuple(trials), interrupted)


def _judged(
    way: Way[C], candidate: C, epochs: int, seconds: float, network: Network, held: Split, device: Device
) -> Trial[C]:
    accuracy = float(np.mean(network.evaluate(held.x) == held.y))
    try:
        mapping = way.mapping(network, device)
    except MappingError:
        return Trial(candidate, epochs, seconds, network, accuracy, 0, False)
    cells = board_estimate(mapping, device).logic_cells
    room = cells <= FULL * device.capacity.logic_cells
    return Trial(candidate, epochs, seconds, network, accuracy, cells, room and fits(mapping, device))
