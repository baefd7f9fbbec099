"""The exploration itself: which job is next, and what becomes of it.

Of the time, a part goes to short trainings: every way's own candidate first, then what Optuna proposes. Another part
goes to long trainings of the same candidates, way by way the most accurate of those that no other of its way beats in
accuracy, cells and time. The rest is for builds of those that are not beaten then, the most accurate of each way first.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logicnn.board import boards
from logicnn.data.dataset import Dataset
from logicnn.errors import LogicnnError
from logicnn.explore.estimate import estimated
from logicnn.explore.jobs import MOST_EPOCHS, Building, Built, Trained, Training, build, train
from logicnn.explore.material import Material
from logicnn.explore.study import Study
from logicnn.explore.trials import Figures, State, Trial, front
from logicnn.explore.workers import LOST, Workers
from logicnn.nn.choices import Choice
from logicnn.nn.search import Way
from logicnn.resources import Device
from logicnn.storage import replace_file

__all__ = ["Explorer", "Limits", "choosable", "folder_of"]

SHORT_UNTIL, LONG_UNTIL = 0.35, 0.8  # of the time
SHORT, LONG = 20, 6  # trainings in these parts of it
LONGER = 4  # times the epochs of a short training, where those are given
LEAST_LONGER = 1.5  # times the epochs of a short training, which a long one is worth
LEAST_BUILD_S = 300.0  # that a build is given, also where less time is left; else half of that time, since for a full
# device there may be no routes, which is found out late
TRIES = 3  # of a job whose worker is lost
HOPELESS = 10  # trials one after another that fail, none of which ever did not


@dataclass(frozen=True)
class Limits:
    """When to end: after so many seconds, short trials and builds (None: as many as there is time for). `epochs` of
    short trainings; 0 for as many as there is time for.
    """

    seconds: float
    trials: int | None = None
    builds: int | None = None
    epochs: int = 0


@dataclass(frozen=True)
class _Running:
    """A job that is being done since so many seconds of the exploration, for the so-many-th time."""

    function: Callable[..., Any]
    job: Training | Building
    way: str
    since_s: float
    tries: int = 1


def folder_of(output: Path, number: int) -> Path:
    """Where the files of a trial are."""
    return output / "trials" / f"{number:04d}"


def choosable(
    ways: Mapping[str, Way], data: Mapping[str, Dataset], device: Device
) -> tuple[dict[str, dict[str, Choice]], dict[str, str]]:
    """What may be varied of each way that is for a device, and why the others are not. Raises `LogicnnError` where
    there is none.
    """
    found: dict[str, dict[str, Choice]] = {}
    refused: dict[str, str] = {}
    for name, way in ways.items():
        try:
            found[name] = way.choices(data[name], device)
        except LogicnnError as error:
            refused[name] = str(error)
    if not found:
        raise LogicnnError("; ".join(refused.values()) or "--ways must name one way at least")
    return found, refused


class Explorer:
    """An exploration of a study, which goes on where that ends; every trial and build that is done is told to `say`."""

    def __init__(
        self,
        study: Study,
        material: Material,
        ways: Mapping[str, Way],
        board: str,
        output: Path,
        limits: Limits,
        workers: Workers,
        seed: int,
        say: Callable[[Trial], None] = lambda trial: None,
    ):
        self._study, self._material, self._ways, self._output = study, material, ways, output
        self._board, self._board_name, self._limits, self._workers = boards.find(board), board, limits, workers
        self._seed, self._say = seed, say
        self._spent, self._start = study.spent_s, time.monotonic()
        self._running: dict[Future, _Running] = {}
        self._again = [each for each in study.running() if each.way in ways]

    @property
    def elapsed_s(self) -> float:
        """Of this exploration, however often it was interrupted."""
        return self._spent + time.monotonic() - self._start

    def run(self) -> None:
        """Until the time is up, or nothing is left to do. Raises `LogicnnError` where every trial fails."""
        while True:
            while len(self._running) < self._workers.count and (job := self._next()) is not None:
                self._submit(job)
            if not self._running:
                return
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._done(future, self._running.pop(future))
            self._study.spent_s = self.elapsed_s

    # -- what is next

    def _next(self) -> _Running | None:
        while (trial := self._next_training()) is not None:
            job = self._training(trial)
            if self._has_room(trial):
                return _Running(train, job, trial.way, self.elapsed_s)
            if any(each.done() for each in self._running):  # which says more than another proposal without room
                return None
        training = any(isinstance(each.job, Training) for each in self._running.values())
        return None if training else self._next_build()

    def _next_training(self) -> Trial | None:
        if self._again:
            return self._again.pop(0)
        trials, limits = self._study.trials, self._limits
        short = [each for each in trials if each.longer_of is None]
        more = limits.trials is None or len(short) < limits.trials
        if more and self.elapsed_s < SHORT_UNTIL * limits.seconds:
            return self._study.ask()
        if self.elapsed_s < LONG_UNTIL * limits.seconds and (found := self._promising(trials)) is not None:
            return self._study.longer(found)
        return None

    def _promising(self, trials: list[Trial]) -> Trial | None:
        """The next to be trained for longer."""
        long = [each for each in trials if each.longer_of is not None]
        done = {each.longer_of for each in long}
        short = [each for each in trials if each.longer_of is None and each.state is State.TRAINED]
        if self._limits.trials is not None and len(long) * SHORT >= LONG * len(short):
            return None
        turns = {way: sum(each.way == way for each in long) for way in self._ways}
        for way in sorted(turns, key=lambda each: turns[each]):
            best = front([each for each in short if each.way == way], lambda each: each.estimated)
            for each in sorted(best, key=lambda each: each.estimated):
                if each.number not in done and self._long_epochs(each) >= LEAST_LONGER * each.known.epochs:
                    return each
        return None

    def _long_epochs(self, short: Trial) -> int:
        """Epochs of a long training, by the time of a short one's."""
        if self._limits.epochs:
            return LONGER * self._limits.epochs
        slot = (LONG_UNTIL - SHORT_UNTIL) * self._limits.seconds * self._workers.count / LONG
        left = LONG_UNTIL * self._limits.seconds - self.elapsed_s
        return min(MOST_EPOCHS, int(min(slot, left) / max(short.known.seconds, 1e-9) * short.known.epochs))

    def _training(self, trial: Trial) -> Training:
        epochs = self._limits.epochs
        if trial.longer_of is not None:
            short = next(each for each in self._study.trials if each.number == trial.longer_of)
            epochs = max(short.known.epochs, self._long_epochs(short))
        seconds = SHORT_UNTIL * self._limits.seconds * self._workers.count / SHORT
        seed = self._seed + trial.number
        return Training(trial.number, trial.way, trial.chosen, self._board_name, seed, epochs, seconds)

    def _has_room(self, trial: Trial) -> bool:
        """Whether a board has room for a candidate by the estimate; where not, the trial says why and is over."""
        way, data = self._ways[trial.way], self._material.data[trial.way]
        try:
            sketch = way.sketch(way.candidate(trial.chosen, data, self._board.device), data)
            estimated(sketch, self._board, way.engine)
        except LogicnnError as error:
            self._over(trial.number, str(error), State.REFUSED)
            return False
        except Exception as error:  # a trial's end is not the exploration's
            self._over(trial.number, f"{type(error).__name__}: {error}", State.FAILED)
            return False
        return True

    def _next_build(self) -> _Running | None:
        """Of the trials that are not beaten, without those that could not be built."""
        limits, left = self._limits, self._limits.seconds - self.elapsed_s
        trained = [each for each in self._study.trials if each.state is State.TRAINED]
        tried = [each.build_seconds for each in trained if each.build or each.build_reason]
        under_way = {each.job.trial for each in self._running.values()}
        if limits.builds is not None and len(tried) + len(under_way) >= limits.builds:
            return None
        if (tried or under_way) and left <= max(tried, default=0.0):
            return None
        best = front([each for each in trained if not each.build_reason], lambda each: each.estimated)
        best.sort(key=lambda each: each.estimated)
        first = {each.way: each for each in reversed(best)}
        for each in [*sorted(first.values(), key=lambda each: each.estimated), *best]:
            if each.build is None and each.number not in under_way:
                return _Running(build, self._building(each, max(left / 2, LEAST_BUILD_S)), each.way, self.elapsed_s)
        return None

    def _building(self, trial: Trial, seconds: float) -> Building:
        folder, file = folder_of(self._output, trial.number), Path(trial.known.file)
        engine = self._ways[trial.way].engine
        network = (self._output / file).read_bytes()
        return Building(trial.number, file.stem, network, self._board_name, engine, str(folder), seconds)

    # -- what becomes of it

    def _submit(self, running: _Running) -> None:
        future = self._workers.submit(running.function, running.job, self._material.data[running.way])
        self._running[future] = running

    def _done(self, future: Future, running: _Running) -> None:
        job = running.job
        try:
            made = future.result()
        except LOST as error:
            if running.tries < TRIES:
                self._submit(replace(running, tries=running.tries + 1))
                return
            self._failed(running, f"its worker was lost {TRIES} times: {type(error).__name__} {error}".strip())
        except LogicnnError as error:
            self._failed(running, str(error))
        except Exception as error:  # a trial's end is not the exploration's
            self._failed(running, f"{type(error).__name__}: {error}")
        else:
            match job, made:
                case Training(), Trained():
                    self._trained(job, made)
                case Building(), Built():
                    self._built(job, made)

    def _trained(self, job: Training, made: Trained) -> None:
        file = folder_of(Path(), job.trial) / f"{job.name}.lnn"
        (self._output / file).parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._output / file, made.network)
        figures = Figures(str(file), made.digest, made.accuracy, made.estimate, made.epochs, made.seconds)
        self._study.trained(job.trial, figures)
        self._tell(job.trial)

    def _built(self, job: Building, made: Built) -> None:
        for name, data in made.files.items():
            path = Path(job.folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)
        self._study.built(job.trial, made.report, "", made.seconds)
        self._tell(job.trial)

    def _failed(self, running: _Running, reason: str) -> None:
        number = running.job.trial
        if isinstance(running.job, Building):
            self._study.built(number, None, reason, self.elapsed_s - running.since_s)
            self._tell(number)
        else:
            self._over(number, reason, State.FAILED)

    def _over(self, number: int, reason: str, state: State) -> None:
        self._study.refuse(number, reason, state)
        self._tell(number)
        if self._running:  # which may come to something
            return
        trials = [each for each in self._study.trials if each.state is not State.RUNNING]
        if len(trials) >= HOPELESS and not any(each.state is State.TRAINED for each in trials):
            raise LogicnnError(f"none of {len(trials)} trials came to a network: {reason}")

    def _tell(self, number: int) -> None:
        self._say(next(each for each in self._study.trials if each.number == number))
