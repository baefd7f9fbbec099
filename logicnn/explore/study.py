"""The trials on the disk, as a study of Optuna: what was tried, what came of it, and what to try next. What is asked
next depends on the trials so far and the seed alone, not on how often the exploration was interrupted.
"""

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

from logicnn.errors import LogicnnError
from logicnn.explore.estimate import Estimate
from logicnn.explore.trials import Figures, State, Trial
from logicnn.nn.choices import Choice, Chosen, Number, Option, starts

try:
    import optuna
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise LogicnnError("Optuna is not installed; pip install logicnn[explore]") from None

__all__ = ["Study"]

NAME = "explore"
FILE = "study.db"
STARTUP = 4  # trials that are drawn at random, beside those that ways begin with
WAY, OF, SPENT, TESTS = "way", "of", "spent_s", "tests"
FIGURES, REASON, LONGER, BUILD = "figures", "reason", "longer_of", "build"
STATES = {
    TrialState.RUNNING: State.RUNNING,
    TrialState.COMPLETE: State.TRAINED,
    TrialState.PRUNED: State.REFUSED,
    TrialState.FAIL: State.FAILED,
}


class Study:
    """The study of a folder, begun where there is none; `of` says what it is an exploration of.

    Raises `LogicnnError` where the folder holds one of something else, or what is no study; as a context, which closes
    it, also where it can no longer be written or read.
    """

    def __init__(self, folder: Path, of: Mapping[str, Any], ways: Mapping[str, dict[str, Choice]], seed: int):
        self._ways, self._seed, self._path = ways, seed, folder / FILE
        optuna.logging.set_verbosity(optuna.logging.WARNING)

        made: list[sqlite3.Connection] = []

        def opened() -> sqlite3.Connection:
            made.append(sqlite3.connect(self._path, check_same_thread=False))
            return made[-1]

        try:
            # Opened by its path, since a folder may be called what? or 100%, which an address would read otherwise.
            self._storage = RDBStorage(f"sqlite:///{FILE}", engine_kwargs={"creator": opened})
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=NAME,
                directions=["maximize", "minimize", "minimize"],
                load_if_exists=True,
            )
        except Exception as error:  # SQLAlchemy has as many kinds as databases have
            for each in made:
                each.close()
            raise LogicnnError(f"{self._path} is no study of an exploration: {str(error).splitlines()[0]}") from None
        known = self._study.user_attrs.get(OF)
        if known is None:
            self._study.set_user_attr(OF, dict(of))
        elif other := sorted(name for name in {*known, *of} if known.get(name) != of.get(name)):
            self.close()
            raise LogicnnError(
                f"--output {folder} holds an exploration of other {' and '.join(other)}; give the same as before to go "
                f"on, or another folder"
            )
        for turn in zip_longest(*([(way, each) for each in starts(choices)] for way, choices in ways.items())):
            for way, chosen in filter(None, turn):
                named = {f"{way}.{name}": value for name, value in chosen.items()}
                self._study.enqueue_trial({WAY: way, **named}, skip_if_exists=True)

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.close()
        if isinstance(error, SQLAlchemyError | StorageInternalError):
            why = getattr(error.__cause__ or error, "orig", None) or error  # without the statement
            raise LogicnnError(f"{self._path} cannot be kept: {why}; mend that, and the same command goes on") from None

    # -- trials

    def ask(self) -> Trial:
        """The next one to train, which is running from now on."""
        return self._asked(self._study.ask())

    def _asked(self, trial: optuna.Trial) -> Trial:
        """Draws what was not drawn yet."""
        begun = STARTUP + sum(len(starts(choices)) for choices in self._ways.values())
        self._study.sampler = optuna.samplers.TPESampler(seed=self._seed + trial.number, n_startup_trials=begun)
        way = trial.suggest_categorical(WAY, list(self._ways))
        chosen = {name: _drawn(trial, f"{way}.{name}", choice) for name, choice in self._ways[way].items()}
        return Trial(trial.number, way, chosen, trial.user_attrs.get(LONGER), State.RUNNING)

    def longer(self, trial: Trial) -> Trial:
        """The same candidate again, to be trained for longer: running from now on."""
        found = self._study.get_trials(deepcopy=False)[trial.number]
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=found.params,
                distributions=found.distributions,
                user_attrs={LONGER: trial.number},
            )
        )
        return self.trials[-1]

    def running(self) -> list[Trial]:
        """Those that were asked for, and of which nothing is known: after an interruption they are to be run again."""
        found = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [self._asked(optuna.Trial(self._study, each._trial_id)) for each in found]

    def trained(self, number: int, figures: Figures) -> None:
        self._attribute(number, FIGURES, asdict(figures))
        known = figures.estimate
        values = figures.accuracy, math.log2(max(1, known.logic_cells)), math.log2(max(1.0, known.answer_ns))
        self._study.tell(number, values)

    def refuse(self, number: int, reason: str, state: State) -> None:
        self._attribute(number, REASON, reason)
        self._study.tell(number, state=TrialState.PRUNED if state is State.REFUSED else TrialState.FAIL)

    def _attribute(self, number: int, name: str, value: Any) -> None:
        trial = self._study.get_trials(deepcopy=False)[number]
        self._storage.set_trial_user_attr(trial._trial_id, name, value)

    def built(self, number: int, report: dict[str, Any] | None, reason: str, seconds: float) -> None:
        """Of a trial that is done no more can be kept with it."""
        self._study.set_user_attr(f"{BUILD}{number}", json.dumps([report, reason, seconds]))

    @property
    def trials(self) -> list[Trial]:
        """All that were asked for, by number."""
        builds = self._study.user_attrs
        found = self._study.get_trials(deepcopy=False, states=tuple(STATES))
        return [_trial(each, builds.get(f"{BUILD}{each.number}")) for each in found if WAY in each.params]

    # -- the whole

    @property
    def spent_s(self) -> float:
        """Seconds of this exploration, until it was last noted."""
        return float(self._study.user_attrs.get(SPENT, 0.0))

    @spent_s.setter
    def spent_s(self, value: float) -> None:
        self._study.set_user_attr(SPENT, round(value, 1))

    @property
    def tests(self) -> dict[int, float]:
        """Shares of the test part that networks decide right, by their trials: of those that it was read for."""
        return {int(number): right for number, right in self._study.user_attrs.get(TESTS, {}).items()}

    @tests.setter
    def tests(self, value: Mapping[int, float]) -> None:
        self._study.set_user_attr(TESTS, {str(number): right for number, right in value.items()})


def _drawn(trial: optuna.Trial, name: str, choice: Choice) -> float:
    match choice:
        case Option(values=values):
            return trial.suggest_categorical(name, list(values))
        case Number(low=low, high=high, log=log) if choice.whole:
            return trial.suggest_int(name, int(low), int(high), log=log)
        case Number(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)


def _trial(found: FrozenTrial, build: str | None) -> Trial:
    way = found.params[WAY]
    chosen: Chosen = {
        name.removeprefix(f"{way}."): value for name, value in found.params.items() if name.startswith(f"{way}.")
    }
    report, build_reason, seconds = json.loads(build) if build else (None, "", 0.0)
    figures = found.user_attrs.get(FIGURES)
    state = STATES[found.state]
    return Trial(
        number=found.number,
        way=way,
        chosen=chosen,
        longer_of=found.user_attrs.get(LONGER),
        state=state,
        reason=found.user_attrs.get(REASON, ""),
        figures=Figures(**figures | {"estimate": Estimate(**figures["estimate"])})
        if figures and state is State.TRAINED
        else None,
        build=report,
        build_reason=build_reason,
        build_seconds=seconds,
    )
