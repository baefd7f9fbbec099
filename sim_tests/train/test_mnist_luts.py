"""The recipe of learned tables, on a small scale."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn import load
from logicnn.commands.command import guarded
from logicnn.data import datasets
from sim_tests.nn.test_tables import rows
from sim_tests.train.test_bcnn import small
from train import mnist_luts


def test_recipe_on_a_small_scale(monkeypatch, tmp_path, capsys):
    """What it prints is what the file is worth."""
    monkeypatch.setattr(datasets, "load", small)
    file = tmp_path / "small.lnn"
    arguments = ["mnist_luts", "--tables", "40", "20", "--epochs", "20", "--learning-rate", "0.03", "--batch", "50"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(file)])
    assert guarded(mnist_luts.main) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    network, test = load(file), small("mnist").test
    assert figures["digest"] == network.digest()
    assert figures["accuracy"] == np.mean(network.evaluate(test.x) == test.y) > 0.85
    assert 0 < figures["estimated_lut4"] < figures["estimated_logic_cells"] < 1000
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(file), "--unseen", "3"])
    assert guarded(mnist_luts.main) == 0
    narrowed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert narrowed["validation_accuracy_before"] == figures["validation_accuracy"]
    assert narrowed["digest"] != figures["digest"] and narrowed["validation_accuracy"] > 0.8
    assert narrowed["estimated_lut4"] <= figures["estimated_lut4"]


def test_thresholds_of_columns_and_a_teacher(monkeypatch, tmp_path, capsys):
    """Columns of other ranges; a teacher that is kept, and what it took."""
    monkeypatch.setattr(datasets, "load", lambda name, folder=None: rows())
    file = tmp_path / "rows.lnn"
    arguments = ["mnist_luts", "--tables", "40", "--levels", "6", "--variety", "0", "--at-once", "--batch", "50"]
    taught = ["--epochs", "15", "--teacher", "20", "--temperature", "2", "--mix", "0.8", "--output", str(file)]
    monkeypatch.setattr(sys, "argv", [*arguments, *taught])
    seconds = set()
    for _ in range(2):
        assert guarded(mnist_luts.main) == 0
        figures = json.loads(capsys.readouterr().out.splitlines()[-1])
        seconds.add(figures["teacher_seconds"])
    assert len(seconds) == 1 and sorted(path.suffix for path in tmp_path.iterdir()) == [".lnn", ".pt"]
    assert figures["teacher_epochs"] == 20 and figures["teacher_parameters"] > 10_000
    assert figures["teacher_validation_accuracy"] > 0.9
    network = load(file)
    assert network.layers[0].thresholds.shape == (3, 6) and network.digest() == figures["digest"]
    assert figures["accuracy"] == np.mean(network.evaluate(rows().test.x) == rows().test.y) > 0.9
    taught[-3:] = "0.1", "--untested", "--output", str(tmp_path / "other.lnn")
    monkeypatch.setattr(sys, "argv", [*arguments, *taught])
    assert guarded(mnist_luts.main) == 0
    other = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert other["digest"] != figures["digest"] and other["teacher_seconds"] in seconds
    assert "accuracy" not in other and other["validation_accuracy"] > 0.8  # chance is below 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inputs", "7"], "--inputs must be 2 to 6, not 7"),
        (["--tables", "40", "1"], "tables must be 2 in the last layer at least, one a class, not 1"),
        (["--epochs", "0"], "epochs must be 1 at least, not 0"),
        (["--thresholds", "300"], "Thermometer.thresholds must lie in 1 ... 255"),
        (["--output", "/nowhere/x.lnn"], "--output must be in a folder that is there, not /nowhere/x.lnn"),
        (["--levels", "3"], "levels are of columns of integers, not of uint8 samples of shape (1, 8, 8)"),
        (["--levels", "3", "--thresholds", "9"], "not allowed with argument --levels"),
        (["--teacher", "0"], "epochs must be 1 at least, not 0"),
        (["--mix", "2"], "mix must be in 0 ... 1, not 2.0"),
        (["--board", "none"], "none"),
        (["--unseen", "0"], "--unseen must be 1 sample at least, not 0"),
        (["--variety", "nan"], "--variety must be 0 to 10, not nan"),
        (
            ["--output", "my x.lnn"],
            "--output must be a name of letters, digits, _ and - that ends in .lnn, not my x.lnn",
        ),
    ],
)
def test_refuses(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(datasets, "load", small)
    monkeypatch.setattr(sys, "argv", ["mnist_luts", *arguments])
    with pytest.raises(SystemExit, match=r"^2$"):
        sys.exit(guarded(mnist_luts.main))
    assert message in capsys.readouterr().err
