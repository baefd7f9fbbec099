"""`logicnn explore`: killed and run again, it ends as it would have; choices are made without the test part."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

pytest.importorskip("torch")
pytest.importorskip("optuna")

from logicnn import load
from logicnn.commands import cli
from sim_tests.explore.helpers import X, Y

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table(tmp_path):
    rows = [
        ",".join([*(f"{value:.4f}" for value in row), "yes" if label else "no"])
        for row, label in zip(X, Y, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,label", *rows]) + "\n")
    return tmp_path / "t.csv"


def words(table, output, *more):
    given = {"data": table, "board": "icebreaker", "output": output, "ways": "reuse", "jobs": 1, "minutes": 5}
    given |= {"trials": 3, "epochs": 1, "builds": 0, "seed": 2}
    return ["explore", *(str(word) for name, value in given.items() for word in (f"--{name}", value)), *map(str, more)]


def test_killed(table, tmp_path, capsys):
    """With SIGKILL, in the middle of its second training at the earliest."""
    output = tmp_path / "made"
    command = [sys.executable, "-m", "logicnn", *words(table, output)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "trial " in line)
        process.kill()
    assert "trial    0  reuse" in line and "of 5 min" in line
    before = json.loads((output / "explore.json").read_text())["trials"]
    assert cli.main(words(table, output, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((output / "explore.json").read_text())
    rows = found["trials"]
    assert rows[0] == before[0] | {"test_accuracy": rows[0]["test_accuracy"]} and len(before) < len(rows) == 4
    assert [row["trial"] for row in rows] == list(range(4)) and {row["state"] for row in rows} == {"trained"}
    assert [row["seed"] for row in rows] == [2, 3, 4, 5] and [row["epochs"] for row in rows] == [1, 1, 1, 4]
    assert found["samples"] == {"training": 144, "validation": 48, "test": 48}
    check_front(found, output)


def check_front(found, output):
    """The test part is read for it alone; its files are there, and the command that builds them."""
    rows, test = found["trials"], np.load(output / "test-reuse.npz")
    assert found["front"] and found["networks_tested"] == len(found["front"])
    assert (
        max(rows, key=lambda row: row["validation_accuracy"])["validation_accuracy"]
        == (rows[found["front"][0]]["validation_accuracy"])
    )
    for row in rows:
        network = load(row["file"])
        assert network.digest() == row["digest"]
        right = float(np.mean(network.evaluate(test["inputs"]) == test["labels"]))
        assert row["test_accuracy"] == (right if row["trial"] in found["front"] else None)
        assert row["command"] == (
            f"logicnn build --board icebreaker --model {row['file']} --engine reused --test {output}/test-reuse.npz"
        )
    page = (output / "explore.html").read_text()
    assert page.count("<svg") == 2 and page.count('r="5"') == 2 * len(found["front"])  # energy is of builds


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output", "t.csv"], "--output must be a folder, not t.csv"),
        (["--board", "none"], "unknown board 'none'"),
        (["--data", "none.csv"], "there is no none.csv"),
        (["--label", "d"], "has no column 'd' that says the class"),
        (["--data-dir", "."], "--data-dir is for --dataset only"),
        (["--seed", str(1 << 31)], "--seed must lie in 0 ... 2147483647"),
        (["--board", "ice40_hx8k_b_evn"], "--engine reuse needs multipliers"),
        (["--scheduler", "nonsense://a"], "--scheduler: no Dask scheduler answers at nonsense://a"),
    ],
)
def test_refused(table, tmp_path, capsys, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words("t.csv", "made", *more)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0]


def test_refused_by_others(table, tmp_path, capsys, monkeypatch):
    """Of a folder that another one writes; and where Optuna is missing."""
    (tmp_path / "made").mkdir()
    with FileLock(tmp_path / "made" / ".lock"):
        assert cli.main(words(table, tmp_path / "made")) == 2
    assert capsys.readouterr().err.endswith("is of an exploration that is running\n")
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "logicnn.explore.study", raising=False)
    assert cli.main(words(table, tmp_path / "made")) == 2
    assert capsys.readouterr().err.endswith("error: Optuna is not installed; pip install logicnn[explore]\n")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--minutes", "0"], "must be a number of minutes above 0"),
        (["--ways", "magic"], "invalid choice"),
        (["--dataset", "digits"], "not allowed with argument --data"),
        (["--builds", "-1"], "must be a whole number from 0 on"),
        (["--jobs", "0"], "must be a positive whole number"),
    ],
)
def test_wrong_words(table, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit):
        cli.main(words(table, tmp_path, *more))
    assert message in capsys.readouterr().err
