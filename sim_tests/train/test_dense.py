"""What the recipes of binarized networks share: choices are judged on training samples that were left out."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn.data import datasets
from logicnn.network import files
from sim_tests.helpers import digits
from train import digits_bnn

SPOILED = replace(digits().test, y=(digits().test.y + 1) % 10)  # so that whoever judges on it is found out


@pytest.mark.parametrize("validate", [[], ["--validate", "300"]], ids=["test", "validation"])
def test_judged_on(validate, tmp_path, monkeypatch, capsys):
    data = digits()
    monkeypatch.setattr(datasets, "load", lambda name: replace(data, test=SPOILED))
    output = tmp_path / "few.lnn"
    arguments = ["--hidden", "60", "30", "--epochs", "8", *validate, "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["digits_bnn", *arguments])
    digits_bnn.main()
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    network = files.load(output)
    x, y = (data.train.x[-300:], data.train.y[-300:]) if validate else (SPOILED.x, SPOILED.y)
    assert printed["accuracy"] == pytest.approx(np.mean(network.evaluate(x) == y))
    assert (printed["accuracy"] > 0.5) == bool(validate)


def test_samples_left_out_are_not_trained_on(tmp_path, monkeypatch, capsys):
    """Whatever their labels are, the network is the same."""
    digests = []
    for spoiled in (0, 3):
        train = digits().train
        labels = np.concatenate([train.y[:-300], (train.y[-300:] + spoiled) % 10]).astype(train.y.dtype)
        data = replace(digits(), train=replace(train, y=labels))
        monkeypatch.setattr(datasets, "load", lambda name, data=data: data)
        arguments = [
            "--hidden",
            "30",
            "20",
            "--epochs",
            "2",
            "--validate",
            "300",
            "--output",
            str(tmp_path / "few.lnn"),
        ]
        monkeypatch.setattr(sys, "argv", ["digits_bnn", *arguments])
        digits_bnn.main()
        digests.append(json.loads(capsys.readouterr().out.splitlines()[-1])["digest"])
    assert digests[0] == digests[1]
