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
from logicnn.commands.train import ENGINES
from logicnn.data.dataset import Dataset, Split
from logicnn.engines import Mapping
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.nn import LogicClassifier
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
        network = way.trained(candidate, data, train, 10, 1)
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
        ({"engine": "magic"}, r"^engine must be one of logic, reuse, not 'magic'$"),
        ({"engine": "reuse", "board": "ice40_hx8k_b_evn"}, r"^--engine reuse needs multipliers"),
        ({"board": "none"}, r"none"),
    ):
        with pytest.raises(LogicnnError, match=message):
            LogicClassifier(minutes=0.001).set_params(**wrong).fit(x, y)
    with pytest.raises(ValueError, match="y must be of 2 classes at least"):
        LogicClassifier().fit(x, y * 0)


def test_page(tmp_path, monkeypatch):
    """The code of docs/own_data.md, in less time."""
    (estimator,) = python_blocks(ROOT / "docs" / "own_data.md")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(estimator.replace("minutes=0.5", "minutes=0.01"), names)
    assert load("cancer.lnn").digest() == names["model"].network_.digest()


def test_engines_of_the_command():
    """Which it names without torch."""
    assert tuple(WAYS) == ENGINES


def test_budgets_fit():
    """The candidates of every device have a budget within it; those of tables read all their levels."""
    logic = WAYS["logic"]
    table = replace(DATA, highest=7)
    for device in DEVICES.values():
        for candidate in logic.candidates(table, device):
            assert 0 < candidate.cells < device.capacity.logic_cells and candidate.thresholds == tuple(range(1, 8))
