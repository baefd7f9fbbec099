"""The network for few multipliers, and its recipe on a small scale."""

import json
import sys

import numpy as np
import pytest

from logicnn import load
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.network import IntDense
from logicnn.resources import DEVICES

NETWORK = "jsc-reuse"
torch = pytest.importorskip("torch")

from train import reuse


def test_shape():
    """Eight DSP blocks, and the rows that the knapsack left: three tenths."""
    network, device = load(NETWORK), DEVICES["iCE40UP5K"]
    layers = [layer for layer in network.layers if isinstance(layer, IntDense)]
    assert (network.input.size, *(len(layer.weights) for layer in layers)) == (16, 64, 32, 32, 5)
    engine = Reused.of(network, 0, len(network.layers), device)
    assert engine.cost(device).dsp == 8 and engine.skips
    assert 0.29 * 268 < len(engine.program) <= 0.3 * 268
    assert engine.program.weights.any((1, 2)).all() and engine.omits


def test_accuracy(dataset):
    network = load(NETWORK)
    data = dataset(network.dataset)
    assert np.mean(network.evaluate(data.test.x) == data.test.y) > 0.71


def small(name: str, folder: str | None = None) -> Dataset:
    """Of 16 inputs, the greatest of the first five."""

    def split(count: int, seed: int) -> Split:
        x = np.random.default_rng(seed).integers(-128, 128, (count, 16)).astype(np.int16)
        return Split(x, x[:, :5].argmax(1))

    return Dataset(name, tuple("abcde"), 127, split(3000, 1), split(300, 2), -128)


def test_recipe_on_a_small_scale(monkeypatch, tmp_path, capsys):
    """What it prints is what the file is worth; a run that goes on from its checkpoint trains no step again."""
    monkeypatch.setattr(datasets, "load", small)
    file = tmp_path / "small.lnn"
    arguments = ["reuse", "--epochs", "6", "6", "4", "--steps", "2", "--least", "0.5", "--tolerance", "0.5"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(file), "--checkpoint", str(tmp_path / "steps")])

    def run() -> tuple[list[dict], dict]:
        reuse.main()
        *steps, figures = (json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
        return steps, figures

    steps, figures = run()
    network, test = load(file), small("").test
    assert figures["accuracy_after"] == np.mean(network.evaluate(test.x) == test.y)
    assert [step["used"]["cycle"] <= step["budget"]["cycle"] for step in steps] == [True, True]
    assert figures["rows_after"] < figures["rows_before"] == 268 and figures["cycles_after"] < figures["cycles_before"]
    again, same = run()
    assert not again and {**same, "seconds": 0} == {**figures, "seconds": 0}


def pictures(name: str, folder: str | None = None) -> Dataset:
    """Of 28 x 28 pixels, which quarter is bright."""

    def split(count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 100, (count, 1, 28, 28)).astype(np.uint8), rng.integers(0, 4, count)
        for image, quarter in zip(x, y, strict=True):
            image[0, 14 * (quarter // 2) :, 14 * (quarter % 2) :][:14, :14] += 100
        return Split(x, y)

    return Dataset(name, tuple("0123456789"), 255, split(1500, 1), split(200, 2))


@pytest.mark.parametrize("name", ("mnist-mlp-reuse", "mnist-cnn-reuse"))
def test_pictures(name, monkeypatch, tmp_path, capsys):
    """Rows of convolutions, and of a dense layer on pixels: the engine has no others."""
    monkeypatch.setattr(datasets, "load", pictures)
    file = tmp_path / "small.lnn"
    arguments = ["reuse", "--network", name, "--epochs", "1", "1", "2", "--steps", "1", "--least", "0.6"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--tolerance", "0.1", "--output", str(file)])
    reuse.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    (step,) = figures["steps"]
    engine = Reused(load(file), 0, len(load(file).layers), figures["neurons"], figures["inputs"])
    assert step["accepted"] and step["used"]["cycle"] <= step["budget"]["cycle"]
    assert int(engine.program.weights.any((1, 2)).sum()) == step["used"]["word"]
    assert figures["cycles_after"] == engine.latency.most < figures["cycles_before"]


def test_fits_a_board(monkeypatch, tmp_path, capsys):
    """Pruned until its weights fit the block RAM; where that errs too much, nothing is written."""
    monkeypatch.setattr(datasets, "load", pictures)
    file = tmp_path / "small.lnn"
    arguments = ["reuse", "--network", "mnist-mlp-reuse", "--epochs", "1", "1", "2", "--steps", "1"]
    arguments += ["--fit", "ice40_hx8k_b_evn", "--output", str(file)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--tolerance", "0.1"])
    reuse.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    device = DEVICES["iCE40HX8K"]
    engine = Reused(load(file), 0, len(load(file).layers), figures["neurons"], figures["inputs"])
    assert figures["rows_before"] > engine.most_rows(device) >= figures["rows_after"] == len(engine.program)
    assert engine.cost(device).bram <= device.capacity.bram - 2
    file.unlink()
    monkeypatch.setattr(sys, "argv", [*arguments, "--tolerance", "1.5"])
    with pytest.raises(LogicnnError, match=r"its memory has room for \d+ rows, but 3\d\d\d are the fewest that keep"):
        reuse.main()
    assert not file.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        (["--neurons", "0"], "--neurons must be at least 1, not 0"),
        (["--inputs", "3"], "--inputs must be a power of two, not 3"),
        (["--fit", "nowhere"], "unknown board 'nowhere'"),
        (["--least", "1.5"], "least between 0 and 1, not 8 and 1.5"),
        (["--steps", "0"], "steps must be at least 1"),
    ),
)
def test_refuses_before_it_trains(wrong, message, monkeypatch, tmp_path, capsys):
    def trained(*_) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr(datasets, "load", small)
    monkeypatch.setattr(reuse, "quantised", trained)
    monkeypatch.setattr(sys, "argv", ["reuse", *wrong, "--output", str(tmp_path / "small.lnn")])
    try:
        code = guarded(reuse.main)
    except SystemExit as ended:  # as argparse ends
        code = ended.code
    assert code == 2 and message in capsys.readouterr().err and not (tmp_path / "small.lnn").exists()
