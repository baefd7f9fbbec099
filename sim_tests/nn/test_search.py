"""The search for a network: what it keeps, what it does when time or room is short, and as an estimator."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from logicnn import load
from logicnn.data.dataset import Dataset, Split
from logicnn.engines import Mapping
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.nn import LogicClassifier, way_names
from logicnn.nn.choices import Number, Option, starts
from logicnn.nn.search import Way, searched
from logicnn.nn.ways import WAYS
from logicnn.resources import DEVICES
from sim_tests.helpers import dense_network, digits
from sim_tests.page_helpers import ROOT, python_blocks

UP5K = DEVICES["iCE40UP5K"]
X, Y = np.arange(64).reshape(-1, 1) >> np.arange(6) & 1, np.arange(64) % 4
DATA = Dataset("", ("a", "b", "c", "d"), 1, Split(X, Y), Split(X[:0], Y[:0]))


@dataclass(frozen=True)
class Fixed(Way):
    """Networks that are there already, by their number of neurons; `ends` is at which training Ctrl-C comes."""

    sizes: Sequence[int]
    ends: int = 99
    seen: tuple = ()

    def preparation(self, own, train):
        return own.picture

    def candidates(self, data, device):
        return self.sizes

    engine = "logic"

    def choices(self, data, device):
        return {"neurons": Option(tuple(self.sizes), self.sizes[0])}

    def candidate(self, chosen, data, device):
        return chosen["neurons"]

    def sketch(self, candidate, data):
        return dense_network(np.random.default_rng(1), 6, candidate, 4)

    def trained(self, candidate, data, train, epochs, seed):
        self.log.append((candidate, epochs))
        if len(self.log) == self.ends:
            raise KeyboardInterrupt
        if candidate < 0:
            raise LogicnnError("budget must be larger")
        return dense_network(np.random.default_rng(candidate), 6, candidate, 4)

    def mapping(self, network, device):
        return Mapping.unrolled(network)

    def smaller(self, candidate, cells):
        return candidate * 2 // 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", [])

    log = ()


class Alone(Fixed):
    """Without a budget."""

    def smaller(self, candidate, cells):
        return None


def accuracy(network) -> float:
    return float(np.mean(network.evaluate(X) == Y))


def test_best_of_all():
    """Whatever is trained last, the best on the left-out samples is kept, and every trial is told."""
    told = []
    way = Fixed([8, 12, 20])
    found = searched(way, DATA, Split(X, Y), UP5K, 0.002, 1, told.append)
    assert tuple(told) == found.trials and len(way.log) == len(told)
    assert found.best.accuracy == max(each.accuracy for each in told) == accuracy(found.best.network)
    assert {candidate for candidate, _ in way.log} <= {8, 12, 20} and not found.interrupted


def test_too_large():
    """One that does not fit is never the best; it is tried smaller."""
    found = searched(Fixed([5000, 8]), DATA, Split(X, Y), UP5K, 0.01, 1)
    large = [each for each in found.trials if each.candidate > 1000]
    assert large and not large[0].fits and found.best.fits and found.best.logic_cells <= 5280
    found = searched(Fixed([1200]), DATA, Split(X, Y), UP5K, 0.00001, 1)
    assert found.best.fits and found.best.candidate < 1200  # smaller and smaller, beyond the time
    with pytest.raises(LogicnnError, match=r"^none of 1 networks fits the iCE40UP5K in 1e-05 minutes$"):
        searched(Alone([5000]), DATA, Split(X, Y), UP5K, 0.00001, 1)


@pytest.mark.parametrize("name", ["iCE40HX1K", "iCE40UP5K"])
def test_logic_fills_its_room(name):
    """Candidates are trained to the cells that they may take, by the estimate of the whole board's design."""
    device, way, train = DEVICES[name], WAYS["logic"], digits().train
    train = Split(train.x.astype(int) * 15, train.y)  # as pixels of pictures are
    data = replace(digits(), highest=255, train=train, preparation=None)
    for candidate in way.candidates(data, device):
        network = way.trained(candidate, data, train, 3, 1)
        taken = board_estimate(way.mapping(network, device), device).logic_cells
        assert 0.75 * candidate.cells <= taken <= 1.02 * candidate.cells <= device.capacity.logic_cells


def test_refused():
    found = searched(Fixed([-1, 8]), DATA, Split(X, Y), UP5K, 0.01, 1)
    assert {each.candidate for each in found.trials} == {8}
    with pytest.raises(LogicnnError, match=r"none of 0 networks fits .*: budget must be larger$"):
        searched(Fixed([-1]), DATA, Split(X, Y), UP5K, 0.001, 1)


@dataclass(frozen=True)
class Moody(Fixed):
    """Refuses, or makes too large, what it is told to: (candidate, number of its training from 0 on)."""

    refuses: frozenset = frozenset()
    grows: frozenset = frozenset()

    def trained(self, candidate, data, train, epochs, seed):
        assert epochs >= 1
        turn = candidate, sum(each == candidate for each, _ in self.log)
        made = super().trained(candidate, data, train, epochs, seed)
        if turn in self.refuses:
            raise LogicnnError("budget must be larger")
        return dense_network(np.random.default_rng(candidate), 6, 1500, 4) if turn in self.grows else made


def test_refused_late():
    """What was found is kept where a longer training of it is refused, or too large; and where a first one is."""
    late = frozenset((8, turn) for turn in range(3, 99))
    for way in (Moody([8], refuses=late), Moody([8], grows=late)):
        found = searched(way, DATA, Split(X, Y), UP5K, 0.01, 1)
        assert found.best.candidate == 8 and found.best.fits
    found = searched(Moody([8, 12], refuses=frozenset({(8, 1)})), DATA, Split(X, Y), UP5K, 0.01, 1)
    assert found.best.fits


class Slow(Fixed):
    """Whose epochs take time."""

    def trained(self, candidate, data, train, epochs, seed):
        time.sleep(epochs / 500)
        return super().trained(candidate, data, train, epochs, seed)


def test_most_promising_first():
    """Of networks that are as good as each other, as far as the left-out samples can tell, the first has the time."""
    way = Slow([8, 9, 16])
    a, b, c = (accuracy(dense_network(np.random.default_rng(size), 6, size, 4)) for size in way.sizes)
    assert b - 0.08 < a < b and c < b - 0.1  # 64 samples
    searched(way, DATA, Split(X, Y), UP5K, 0.02, 1)
    assert max(way.log, key=lambda each: each[1])[0] == 8
    way = Slow([16, 9])
    searched(way, DATA, Split(X, Y), UP5K, 0.02, 1)
    assert max(way.log, key=lambda each: each[1])[0] == 9


def test_no_training_twice():
    """Not of the same candidate for no more epochs, once the epochs are known; time is kept where something fits."""
    always = frozenset((size, turn) for size in (20, 13) for turn in range(99))
    way = Moody([20, 8], grows=always)
    start = time.monotonic()
    found = searched(way, DATA, Split(X, Y), UP5K, 0.02, 1)
    assert found.best.fits and time.monotonic() - start < 5
    assert max(sum(each == pair for each in way.log) for pair in way.log) == 1


def test_interrupted():
    """What was best so far; nothing where there is nothing."""
    found = searched(Fixed([8, 12], ends=2), DATA, Split(X, Y), UP5K, 1, 1)
    assert found.interrupted and len(found.trials) == 1 and found.best is found.trials[0]
    with pytest.raises(KeyboardInterrupt):
        searched(Fixed([8, 12], ends=1), DATA, Split(X, Y), UP5K, 1, 1)


@pytest.mark.parametrize("engine", WAYS)
def test_estimator(engine):
    """Classes by any names, the network's own, on a board."""
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    made = LogicClassifier(engine=engine, minutes=0.05).fit(x[::2], names[::2])
    network = made.network_
    assert made.score(x[1::2], names[1::2]) > 0.6 and made.classes_.tolist() == list(network.labels)
    expected = made.classes_[network.evaluate(network.preparation.values(x))]
    assert np.array_equal(made.predict(x), expected) and 0 < made.logic_cells_ < 5280


def test_in_pipelines():
    x, y = load_breast_cancer(return_X_y=True)
    made = LogicClassifier(minutes=0.01, seed=3)
    assert clone(made).get_params() == made.get_params() and made.get_params()["seed"] == 3
    scores = cross_val_score(make_pipeline(StandardScaler(), made), x, y, cv=2)
    assert scores.min() > 0.8


def test_estimator_refuses():
    x, y = load_iris(return_X_y=True)
    for wrong, message in (
        ({"engine": "magic"}, r"^engine must be one of counted, logic, reuse, not 'magic'$"),
        ({"engine": "reuse", "board": "ice40_hx8k_b_evn"}, r"^--engine reuse needs multipliers"),
        ({"board": "none"}, r"none"),
    ):
        with pytest.raises(LogicnnError, match=message):
            LogicClassifier(minutes=0.001).set_params(**wrong).fit(x, y)
    with pytest.raises(ValueError, match="y must be of 2 classes at least"):
        LogicClassifier().fit(x, y * 0)
    with pytest.raises(LogicnnError, match=r"^y must be of at most 256 classes, not 300$"):  # a byte of a board's
        LogicClassifier().fit(np.arange(900.0).reshape(-1, 1), np.arange(900) % 300)


def test_page(tmp_path, monkeypatch):
    """The code of docs/own_data.md, in less time."""
    (estimator,) = python_blocks(ROOT / "docs" / "own_data.md")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(estimator.replace("minutes=0.5", "minutes=0.01"), names)
    assert load("cancer.lnn").digest() == names["model"].network_.digest()


def test_names_of_ways():
    """Which commands name without torch."""
    assert tuple(WAYS) == way_names() == ("counted", "logic", "reuse")


def test_budgets_fit():
    """The candidates of every device have a budget within it; those of tables read all their levels."""
    logic = WAYS["logic"]
    table = replace(DATA, highest=7)
    for device in DEVICES.values():
        for candidate in logic.candidates(table, device):
            assert 0 < candidate.cells < device.capacity.logic_cells and candidate.thresholds == tuple(range(1, 8))


@pytest.mark.parametrize(
    "scale, base, levels", [(1, 0, (4, 8, 12)), (15, 0, (60, 120, 180)), (1, 100, (104, 108, 112)), (0, 0, (1,))]
)
def test_levels_of_pictures(scale, base, levels):
    """Bits of dark or pale pictures, some pixels of which are not, tell their ink from their paper."""
    x = digits().train.x * scale + base
    x[0, 0, 0] = 0, 255, *x[0, 0, 0, 2:]
    pictures = replace(digits(), highest=255, train=Split(x, digits().train.y))
    for name in ("logic", "counted"):
        assert WAYS[name].candidates(pictures, UP5K)[0].thresholds == levels


@pytest.mark.parametrize(
    "colours, levels", [((50, 200, 200), (87, 125, 163)), ((255, 255, 255), (255,)), ((60, 255, 255), (109, 158, 207))]
)
def test_levels_of_one_colour(colours, levels):
    """Pictures of one colour each are told apart, also where most are alike; no bit begins above all that a pixel can
    be.
    """
    x = np.tile(np.resize(colours, 90).reshape(-1, 1, 1, 1), (1, 1, 4, 4)).astype(np.uint8)
    pictures = Dataset("", ("a", "b"), 255, Split(x, np.arange(90) % 2), Split(x[:0], np.arange(0)))
    assert WAYS["logic"].candidates(pictures, UP5K)[0].thresholds == levels


def first_of(choices):
    return {name: choice.default for name, choice in choices.items()}


def corners(choices):
    """All least, all most, and by default."""
    both = [
        (choice.low, choice.high) if isinstance(choice, Number) else (choice.values[0], choice.values[-1])
        for choice in choices.values()
    ]
    return [dict(zip(choices, each, strict=True)) for each in zip(*both, strict=True)] + [first_of(choices)]


@pytest.mark.parametrize("name", WAYS)
def test_choices(name):
    """By default the first of a way's own candidates; within their limits every one is a candidate. What is trained
    takes no more cells than its sketch, and as many where samples are pictures: few rows of numbers need fewer.
    """
    way, pictures = WAYS[name], digits()
    pictures = replace(pictures, highest=255, train=Split(pictures.train.x * 15, pictures.train.y), preparation=None)
    table = replace(DATA, highest=7, train=Split(np.tile(X, (1, 2)), Y))
    for data, share in ((pictures, 0.8), (table, 0.2)):
        choices = way.choices(data, UP5K)
        first, found = way.candidates(data, UP5K)[0], way.candidate(first_of(choices), data, UP5K)
        assert found == (first if name == "reuse" else replace(first, variety=found.variety, rate=2.0))
        candidates = [way.candidate(chosen, data, UP5K) for chosen in corners(choices)]
        sketches = [board_estimate(way.mapping(way.sketch(each, data), UP5K), UP5K) for each in candidates]
        small = way.trained(candidates[0], data, data.train, 2, 1)
        cells = board_estimate(way.mapping(small, UP5K), UP5K).logic_cells
        assert share * sketches[0].logic_cells <= cells <= 1.05 * sketches[0].logic_cells
        assert all(each.logic_cells <= 1.02 * most for each, most in zip(sketches, limits(candidates), strict=True))


def limits(candidates):
    """Logic cells of candidates that have a budget."""
    return [getattr(each, "cells", 10_000) for each in candidates]


def test_starts():
    """The defaults, and one number after the other."""
    choices = {"cells": Number(10, 80, 80, also=(40, 20)), "layers": Option((1, 2), 1), "rate": Number(0.5, 4.0, 2.0)}
    first = {"cells": 80, "layers": 1, "rate": 2.0}
    assert starts(choices) == [first, first | {"cells": 40}, first | {"cells": 20}]


def test_choices_refuse():
    with pytest.raises(LogicnnError, match=r"^also must lie in 1 \.\.\. 3, not 4$"):
        Number(1, 3, 2, also=(4,))
    with pytest.raises(LogicnnError, match=r"^default must lie in 1 \.\.\. 3, not 4$"):
        Number(1, 3, 4)
    with pytest.raises(LogicnnError, match=r"^default must lie in 0 \.\.\. 3, not 1$"):
        Number(0, 3, 1, log=True)
    with pytest.raises(LogicnnError, match=r"^default must be one of 1, 2, not 3$"):
        Option((1, 2), 3)
    assert Number(1, 3, 2).whole and not Number(1, 3, 2.5).whole and not Number(1.0, 3.0, 2).whole
