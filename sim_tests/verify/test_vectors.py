"""Vectors that are compared, and the comparison: the first difference, with what was expected and what came."""

import re
from dataclasses import replace

import numpy as np
import pytest

from logicnn import load
from logicnn.data import datasets
from logicnn.data.dataset import DatasetMissing
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.network import Activations, Argmax, Interval, Network
from logicnn.verify.vectors import QUICK, RANDOM, Vectors, Verification, compared, random_vectors, vectors_for

NETWORK = Network(Activations((6,), Interval(-4, 3)), [Argmax()], "six")
X = np.zeros((5, 2), int)


def test_random_vectors():
    """All low, all high, each input alone high and alone low, then others; always the same, all within the range."""
    x = random_vectors(NETWORK, 64)
    assert x.shape == (64, 6) and x.min() == -4 and x.max() == 3
    flat = x.reshape(64, 6)
    assert (flat[0] == -4).all() and (flat[1] == 3).all()
    assert np.array_equal(flat[2:8], np.where(np.eye(6, dtype=bool), 3, -4))
    assert np.array_equal(flat[8:14], np.where(np.eye(6, dtype=bool), -4, 3))
    assert set(np.unique(flat[14:])) == set(range(-4, 4))
    assert np.array_equal(x, random_vectors(NETWORK, 64))


@pytest.mark.parametrize(("level", "count"), [("full", RANDOM), ("quick", QUICK)])
def test_without_data(level, count):
    given = vectors_for(NETWORK, level)
    assert (len(given.x), len(given.labels), given.source) == (count, 0, f"{count} random and structured")


def test_with_data():
    """The test part first, with its labels; `quick` takes the first of it."""
    network, test = load("digits-bnn"), datasets.load("digits").test
    given = vectors_for(network, "full")
    assert np.array_equal(given.x[:359], test.x) and np.array_equal(given.labels, test.y)
    assert len(given.x) == 359 + RANDOM and given.source == "digits test (359), 4096 random and structured"


def test_data_that_are_asked_for(tmp_path, monkeypatch):
    """Elsewhere they are passed over, and said so; where the folder was named it is an error."""
    network = load("mnist-bnn")
    monkeypatch.delenv("LOGICNN_DATA", raising=False)
    assert "(mnist is not on this machine)" in vectors_for(network, "quick").source
    with pytest.raises(DatasetMissing):
        vectors_for(network, "quick", str(tmp_path))


def test_data_of_another_shape():
    network = replace(NETWORK, dataset="digits")
    with pytest.raises(LogicnnError, match=r"^samples of digits have shape \(1, 8, 8\), but the network reads \(6,\)$"):
        vectors_for(network, "quick")


def test_typical_ones():
    """Samples of the data set where there are some, else random ones."""
    x = np.arange(1000)[:, None]
    assert np.array_equal(Vectors(x, np.zeros(300, int), "").typical, x[:300])
    assert np.array_equal(Vectors(x, np.zeros(0, int), "").typical, x[-256:])


def test_equal():
    """The accuracy is of the labelled vectors, by what the netlist gave."""
    given = Vectors(X, np.array([1, 2, 2]), "by hand")
    classes = np.array([1, 2, 0, 9, 9])
    assert compared(classes, classes.copy(), given) == Verification(5, 0, "by hand", 2 / 3)
    assert compared(classes, classes, Vectors(X, np.zeros(0, int), "by hand")).accuracy is None


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ([1, 2, 0, 8, 7], "2 of 5 vectors: vector 3 (by hand) should give 9 but gives 8"),
        ([1, 2, 0, 9, 8], "1 of 5 vectors: vector 4 (by hand) should give 9 but gives 8"),
    ],
)
def test_different(actual, message):
    given = Vectors(X, np.zeros(0, int), "by hand")
    with pytest.raises(CheckFailed, match=f"^{re.escape(f'the netlist differs from the network on {message}')}$"):
        compared(np.array([1, 2, 0, 9, 9]), np.array(actual), given)


def test_different_scores():
    """Of outputs with several values, a vector differs where one of them does."""
    with pytest.raises(
        CheckFailed, match=r"on 1 of 2 vectors: vector 1 \(by hand\) should give \[3, 4\] but gives \[3, 5\]$"
    ):
        compared(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), Vectors(X, np.zeros(0, int), "by hand"))
