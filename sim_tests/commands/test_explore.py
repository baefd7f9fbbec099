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
from logicnn.errors import LogicnnError
from sim_tests.explore.helpers import AtOnce, X, Y

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


@pytest.fixture
def here(monkeypatch):
    """Jobs are done in this process."""
    monkeypatch.setattr("logicnn.explore.workers.Local", lambda count: AtOnce())


def with_ways(table, output, *ways, **more):
    one = words(table, output, *(f"--{name}={value}" for name, value in more.items()))
    at = one.index("--ways")
    return [*one[: at + 1], *ways, *one[at + 2 :]]


def test_ways(table, tmp_path, capsys, here):
    """In any order they are the same exploration; others are another one, of the same data."""
    made = tmp_path / "made"
    assert cli.main(with_ways(table, made, "reuse", "counted", trials=2)) == 0
    assert cli.main(with_ways(table, made, "counted", "reuse", trials=2)) == 0
    assert cli.main(with_ways(table, made, "counted", trials=2)) == 2
    assert f"--output {made} holds an exploration of other ways; give" in capsys.readouterr().err


def test_test_part(tmp_path, capsys, here):
    """What was read of one test part is not said of another."""
    rest = {"x": X[:200], "y": Y[:200], "y_test": Y[200:]}
    for name, x in (("a", X[200:]), ("b", -X[200:])):
        np.savez(tmp_path / f"{name}.npz", x_test=x, **rest)
    assert cli.main(words(tmp_path / "a.npz", tmp_path / "made", "--trials", 1)) == 0
    assert cli.main(words(tmp_path / "b.npz", tmp_path / "made", "--trials", 1)) == 2
    assert "holds an exploration of other data; give" in capsys.readouterr().err


def test_odd_names(tmp_path, capsys, here):
    """Paths are shown whole, and what cannot be printed as Python escapes it."""
    rows = [f"{a:.3f},{b:.3f},7,{label}" for (a, b, _), label in zip(X, Y, strict=True)]
    (tmp_path / "t\x1b.csv").write_text("\n".join(["a,b,c\x1b[31m,label", *rows]) + "\n")
    made = tmp_path / ("what? " + "a long way to go " * 8)
    assert cli.main(words(tmp_path / "t\x1b.csv", made, "--trials", 1)) == 0
    shown = capsys.readouterr()
    assert r"of no use: c\x1b[31m" in shown.err and r"t\x1b.csv: 144 training" in shown.err
    assert "\x1b" not in shown.err + shown.out
    found = json.loads((made / "explore.json").read_text())
    table = "".join(shown.out.partition("chosen by")[0].split())
    files = {each["trial"]: each["file"] for each in found["trials"]}
    assert all("".join(files[number].split()) in table for number in found["front"])
    assert list(tmp_path.glob("what*")) == [made]


def test_nothing_found(table, tmp_path, capsys, here, monkeypatch):
    """A front that is empty is an error, in text and as JSON; why is in `explore.json`, too."""
    monkeypatch.setattr("logicnn.explore.explorer.estimated", raises(LogicnnError("there is no room")))
    assert cli.main(words(table, tmp_path / "made", "--json")) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.endswith("error: none of 3 trials came to a network: there is no room\n")
    rows = json.loads((tmp_path / "made" / "explore.json").read_text())["trials"]
    assert [row["reason"] for row in rows] == ["there is no room"] * 3


def raises(error):
    def function(*_):
        raise error

    return function


def test_no_locks(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("logicnn.commands.explore.FileLock.acquire", raises(NotImplementedError("use SoftFileLock")))
    assert cli.main(words(table, tmp_path / "made")) == 2
    assert "is on a disk without locks; choose another" in capsys.readouterr().err


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
