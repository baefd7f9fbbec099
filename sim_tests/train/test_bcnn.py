"""The recipe of kernels that are alike, on a small scale."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn import load
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from train import bcnn


def small(name: str, folder: str | None = None) -> Dataset:
    """The brighter half of a noisy picture."""

    def split(count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 180, (count, 1, 8, 8)), rng.integers(0, 2, count)
        for each, half in zip(x, y, strict=True):
            each[0, half * 4 : half * 4 + 4] += 70
        return Split(x.astype(np.uint8), y)

    return Dataset(name, ("above", "below"), 255, split(1500, 1), split(300, 2))


def test_recipe_on_a_small_scale(monkeypatch, tmp_path, capsys):
    """What it prints is what the file is worth."""
    monkeypatch.setattr(datasets, "load", small)
    file = tmp_path / "small.lnn"
    arguments = [
        "bcnn",
        "--stages",
        "8",
        "12",
        "--epochs",
        "3",
        "--alike-epochs",
        "3",
        "--alike",
        "1",
        "--output",
        str(file),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    assert guarded(bcnn.main) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    network, test = load(file), small("mnist").test
    assert figures["digest"] == network.digest()
    assert figures["accuracy"] == np.mean(network.evaluate(test.x) == test.y) > 0.9
    assert figures["cycles"] < figures["cycles_plain"] and figures["device"] == "iCE40UP5K"
    assert sum(figures["changed"]) < sum(figures["changed_before"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (["--stages", "2", "2", "2", "2"], "stages must be fewer than 4: each halves pictures of 8 x 8"),
        (["--stages", "4,0"], "stages must be of convolutions with at least 1 kernel each, not ((4, 0),)"),
        (["--epochs", "0"], "epochs must be at least 1, not 0"),
        (["--alike", "-1"], "alike must be at least 0, not -1.0"),
        (["--learning-rate", "0"], "learning_rate must be above 0, not 0.0"),
        (["--output", "nowhere/small.lnn"], "--output must be in a folder that is there, not nowhere/small.lnn"),
    ),
)
def test_refuses_before_it_trains(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(datasets, "load", small)
    monkeypatch.setattr(sys, "argv", ["bcnn", *arguments])
    assert guarded(bcnn.main) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {message}")
