"""`logicnn train`: one's own data becomes a network file whose test part a build reads, or nothing is written."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn import load
from logicnn.commands import cli
from logicnn.commands.train import interval, own_test
from logicnn.data.own import labelled_for
from logicnn.network import Quantiles, Standardised
from logicnn.nn import search
from logicnn.verify.vectors import vectors_for

RNG = np.random.default_rng(5)
X = RNG.normal(0, 1, (240, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture
def table(tmp_path):
    rows = [
        ",".join([*(f"{value:.4f}" for value in row), "yes" if label else "no"])
        for row, label in zip(X, Y, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,label", *rows]) + "\n")
    return tmp_path / "t.csv"


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.main(["train", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_few_rows(tmp_path, capsys):
    """Five rows a class are little, and enough for a network."""
    rows = [f"{value},{'yes' if value > 5 else 'no'}" for value in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["a,label", *rows]) + "\n")
    given = "--data", tmp_path / "t.csv", "--board", "icebreaker", "-o", tmp_path / "mine.lnn", "--minutes", 0.01
    code, _, err = run(capsys, *given)
    assert code == 0 and "error" not in err and load(tmp_path / "mine.lnn").labels == ("no", "yes")


@pytest.mark.parametrize(("engine", "preparation"), [("logic", Quantiles), ("reuse", Standardised)])
def test_train(table, tmp_path, capsys, engine, preparation):
    """A table; the test part goes into a file, as the network reads it, and decides as the command says."""
    mine = tmp_path / "mine.lnn"
    given = "--data", table, "--board", "icebreaker", "-o", mine, "--minutes", 0.02, "--engine", engine
    code, out, err = run(capsys, *given, "--json")
    assert code == 0 and not any("error" in line for line in err.splitlines())
    report, network = json.loads(out), load(mine)
    assert report["digest"] == network.digest() and network.name == "mine" and network.dataset == ""
    assert network.labels == ("no", "yes") and isinstance(network.preparation, preparation)
    assert network.preparation.columns == ("a", "b", "c")
    test = labelled_for(network, own_test(mine))
    assert report["test_accuracy"] == np.mean(network.evaluate(test.x) == test.y) > 0.6
    whole = labelled_for(network, table)
    assert {row.tobytes() for row in test.x.astype(np.int64)} <= {row.tobytes() for row in whole.x}
    assert report["test_samples"] == len(test.x) == 48 and report["validation_samples"] == 48
    vectors = vectors_for(network, "quick", own=own_test(mine))
    assert np.array_equal(vectors.labels, test.y) and vectors.source.startswith(f"{own_test(mine)} test (48), 1024")
    assert "240 samples, 3 columns" in err and "2 classes: no (" in err and "stratified, seed 1" in err


def test_shown(table, tmp_path, capsys):
    mine = tmp_path / "mine.lnn"
    given = "--data", table, "--board", "icebreaker", "-o", mine, "--minutes", 0.005
    code, out, _ = run(capsys, *given)
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("left-out samples: ") and lines[1].startswith("test samples: ")
    assert lines[-1] == f"next: logicnn build --board icebreaker --model {mine} --test {own_test(mine)}"
    before = mine.read_bytes()
    code, _, err = run(capsys, *given)
    assert code == 2 and err == f"error: {mine} exists; --force replaces it\n" and mine.read_bytes() == before
    assert run(capsys, *given, "--force")[0] == 0


def test_interrupted(table, tmp_path, capsys, monkeypatch):
    """What was best so far is there, and said; before there is anything, nothing is."""
    judged, count = search._judged, []

    def ended(*arguments):
        count.append(1)
        if len(count) > left:
            raise KeyboardInterrupt
        return judged(*arguments)

    monkeypatch.setattr(search, "_judged", ended)
    for left, code in ((0, 130), (2, 0)):
        count.clear()
        mine = tmp_path / f"mine{left}.lnn"
        found, out, _ = run(capsys, "--data", table, "--board", "icebreaker", "-o", mine, "--minutes", 1)
        assert found == code and mine.exists() == own_test(mine).exists() == (code == 0)
        assert out.startswith("interrupted: this is the best network so far\n") == (code == 0)


def test_tutorial(table, tmp_path, capsys, monkeypatch):
    """The commands of docs/own_data.md, in less time and of small data: to a bitstream, checked on the test part."""
    page = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text()
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("    logicnn ")]
    assert [words[1] for words in commands] == ["train", "build"]
    monkeypatch.chdir(tmp_path)
    table.rename("table.csv")
    at = commands[0].index("--minutes") + 1
    commands[0][at] = "0.01"
    assert cli.main(commands[0][1:]) == 0
    said = capsys.readouterr().out
    assert cli.main([*commands[1][1:], "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    checked = report["verification"]
    assert checked["mismatches"] == 0 and checked["dataset"].startswith("mine-test.npz test (48)")
    assert f"test samples: {checked['accuracy']:.2%} of 48" in said and Path(report["bitstream"]["path"]).is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "{none}"], "there is no "),
        (["--output", "{folder}/mine.txt"], "--output must end in .lnn"),
        (["--output", "{folder}/my net.lnn"], "--output must end in .lnn, its name of at most 100 letters"),
        (["--output", "{folder}/none/mine.lnn"], "--output must be in a folder that is there"),
        (["--board", "none"], "none"),
        (["--label", "d"], "has no column 'd' that says the class; name one with --label (a, b, c, label)"),
        (["--size", "3", "4"], "--size is for folders of pictures"),
        (["--seed", "-1"], "--seed must lie in 0 ... 4294967295, not -1"),
        (["--seed", str(1 << 64)], "--seed must lie in 0 ... 4294967295"),
        (["--engine", "reuse", "--board", "ice40_hx8k_b_evn"], "--engine reuse needs multipliers"),
    ],
)
def test_refused(table, tmp_path, capsys, options, message):
    given = {"--data": str(table), "--board": "icebreaker", "--output": str(tmp_path / "mine.lnn"), "--minutes": "0.01"}
    at = 0
    while at < len(options):
        end = next((place for place in range(at + 1, len(options)) if options[place].startswith("--")), len(options))
        given[options[at]] = [each.format(none=tmp_path / "none", folder=tmp_path) for each in options[at + 1 : end]]
        at = end
    words = [part for name, value in given.items() for part in (name, *([value] if isinstance(value, str) else value))]
    code, out, err = run(capsys, *words)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and len(errors) == 1 and message in errors[0]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.csv"]


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "inf"])
def test_wrong_minutes(capsys, minutes):
    with pytest.raises(SystemExit):
        cli.main(["train", "--data", "a", "--board", "icebreaker", "-o", "a.lnn", "--minutes", minutes])
    assert "must be a number of minutes above 0" in capsys.readouterr().err


def test_interval():
    """Wilson's, by its definition: the shares from which the one found is 1.96 deviations away."""
    for right, count in ((0, 10), (10, 10), (37, 50), (96, 113)):
        for bound in interval(right, count):
            deviation = np.sqrt(bound * (1 - bound) / count)
            assert abs(right / count - bound) == pytest.approx(1.96 * deviation, abs=1e-9)
