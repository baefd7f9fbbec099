"""The build command as its users meet it: one real build for each family, the cache, and every refusal in one line."""

import hashlib
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from logicnn import load
from logicnn.commands import cli
from logicnn.engines.room import STORED
from logicnn.flow import build, tools
from logicnn.flow.floorplan import PLACED, Floorplan, Parts
from logicnn.flow.progress import Steps
from logicnn.flow.stages import RUNNING
from logicnn.network import (
    Activations,
    Argmax,
    BinaryDense,
    IntDense,
    Interval,
    Network,
    Offset,
    Threshold,
    files,
)
from logicnn.resources import Family
from logicnn.verify.vectors import QUICK
from sim_tests.helpers import dense_network

DIGITS = ["--model", "digits-bnn", "--verify", "quick"]


def run(*arguments: str) -> int:
    return cli.main(["build", *arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """digits-bnn on the icebreaker: its folder, and report.json."""
    output = tmp_path_factory.mktemp("builds")
    assert run("--board", "icebreaker", *DIGITS, "--output", str(output)) == 0
    (folder,) = output.iterdir()
    return output, folder, json.loads((folder / "report.json").read_text())


def test_report(built):
    _, folder, report = built
    network = load("digits-bnn")
    assert report["model"] == {"name": "digits-bnn", "digest": network.digest()}
    assert (report["board"], report["device"]) == ("icebreaker", "iCE40UP5K")
    resources = report["resources"]
    assert set(resources) == {"lut4", "logic_cells", "ff", "carry", "bram", "dsp", "spram", "capacity"}
    assert 0 < resources["lut4"] <= resources["logic_cells"] <= resources["capacity"]["logic_cells"] == 5280
    assert (resources["bram"], resources["dsp"]) == (2, 0)  # which inputs are read, and the answers on the line
    timing = report["timing"]
    assert (timing["latency_cycles"], timing["interval_cycles"]) == (0, 1)
    assert 10 < timing["core_delay_ns"] < 1000 / timing["clock_mhz"] and timing["fmax_mhz"] >= timing["clock_mhz"]
    checked = report["verification"]
    assert checked["mismatches"] == 0 and checked["vectors"] == 359 + QUICK and checked["accuracy"] > 0.9
    data = Path(report["bitstream"]["path"]).read_bytes()
    assert report["bitstream"]["sha256"] == hashlib.sha256(data).hexdigest() and report["bitstream"]["bytes"] == len(
        data
    )
    assert set(report["seconds"]) == {"map", "elaborate", "synthesis", "place_route", "verify", "pack", "total"}
    assert set(report["tools"]) == {"yosys", "nextpnr-ice40", "icepack", "amaranth"}
    assert "359" in (folder / "report.txt").read_text()


def test_page(built):
    """Every logic cell is drawn once, most of them in a layer; what is told is the report's."""
    _, folder, report = built
    plan = Floorplan.read(folder / PLACED, Parts(), "iCE40UP5K")
    used = report["resources"]
    assert sum(plan.counts.values()) == used["logic_cells"]
    assert sum(cell.slot is None for cell in plan.cells) == used["bram"]
    text = (folder / "report.html").read_text()
    drawn = sum(path.count("M") for path in re.findall(r' d="([^"]*)"', text))
    assert drawn == len(plan.cells)
    parts = dict(re.findall(r"</span>([^<]+)</td><td>([\d,]+)</td>", text))
    layers = sum(int(parts[f"BinaryDense {index}"]) for index in (1, 2, 3)) + int(parts["Argmax"])
    assert 0.5 * used["lut4"] < layers < used["logic_cells"]
    assert re.search(r"<code>python -m logicnn\.build --board icebreaker --model digits-bnn --output \S+", text)
    assert "--verify quick</code>" in text
    assert "359" in text and report["tools"]["yosys"] in text and text.count("<img") == 16  # mistakes


def test_stored_inputs_are_those_that_are_read(built):
    """One flip-flop an input bit that the network reads, and the shell's."""
    _, _, report = built
    shell = report["resources"]["ff"] - len(load("digits-bnn").read_inputs())
    assert shell == pytest.approx(STORED.ff, rel=0.1)


def test_estimate_is_close(built):
    _, _, report = built
    assert report["estimate"]["logic_cells"] == pytest.approx(report["resources"]["logic_cells"], rel=0.15)


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The options that build a small network where it has been built, its folder, and report.json."""
    output = tmp_path_factory.mktemp("again")
    files.save(small(), output / "small.lnn")
    options = ["--board", "icebreaker", "--model", str(output / "small.lnn"), "--output", str(output / "builds")]
    assert run(*options) == 0
    (folder,) = (output / "builds").iterdir()
    return options, folder, json.loads((folder / "report.json").read_text())


def test_nothing_is_repeated(again, monkeypatch, capsys):
    options, _, report = again
    ran = []
    real = tools.run
    monkeypatch.setattr(tools, "run", lambda command, *rest: (ran.append(command[0]), real(command, *rest)))
    assert run(*options, "--json") == 0
    assert ran == ["icepack"]
    assert json.loads(capsys.readouterr().out)["bitstream"] == report["bitstream"]


def test_other_seed_places_again(again, monkeypatch):
    options, _, _ = again
    ran = []
    real = tools.run
    monkeypatch.setattr(tools, "run", lambda command, *rest: (ran.append(command[0]), real(command, *rest)))
    assert run(*options, "--seed", "7") == 0
    assert ran == ["nextpnr-ice40", "icepack"]


@pytest.mark.parametrize("board", ["ice40_hx8k_b_evn", "ulx3s"])
def test_other_boards(tmp_path, board, capsys):
    files.save(small(), tmp_path / "small.lnn")
    given = ("--board", board, "--model", tmp_path / "small.lnn", "--output", tmp_path, "--verify", "quick", "--json")
    assert run(*map(str, given)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verification"]["vectors"] == QUICK and report["verification"]["mismatches"] == 0
    assert report["resources"]["logic_cells"] == pytest.approx(report["estimate"]["logic_cells"], rel=0.3)


def small(name="small") -> Network:
    network = dense_network(np.random.default_rng(24), 9, 7, 5, 4)
    return Network(network.input, network.layers, name)


def test_mismatch_leaves_nothing(tmp_path, monkeypatch, capsys):
    """A network whose netlist computes another one: exit code 1, the first differing vector, no bitstream."""
    files.save(small(), tmp_path / "small.lnn")
    other = dense_network(np.random.default_rng(25), 9, 7, 5, 4)
    monkeypatch.setattr(
        Network, "evaluate_bits", lambda self, encoded, real=Network.evaluate_bits: real(other, encoded)
    )
    assert run("--board", "icebreaker", "--model", str(tmp_path / "small.lnn"), "--output", str(tmp_path / "out")) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert (
        error.startswith("error: the netlist differs from the network on ")
        and "should give" in error
        and "but gives" in error
    )
    (folder,) = (tmp_path / "out").iterdir()
    assert not [path.name for path in folder.iterdir() if path.suffix == ".bin" or path.name.startswith("report")]


def test_missed_clock(again, monkeypatch, capsys):
    options, _, _ = again
    monkeypatch.setattr(build.Placed, "clock", lambda self: (5.0, 12.0))
    assert run(*options) == 1
    assert (
        "error: the placed design reaches 5.00 MHz but its clock is 12.00 MHz; try another --seed"
        in capsys.readouterr().err
    )


def test_damaged_cache_is_made_again(again, monkeypatch):
    options, folder, _ = again
    (folder / "timing.json").write_text("{")
    ran = []
    real = tools.run
    monkeypatch.setattr(tools, "run", lambda command, *rest: (ran.append(command[0]), real(command, *rest)))
    assert run(*options) == 0
    assert ran == ["nextpnr-ice40", "icepack"]


@pytest.mark.parametrize("layers", ["integers", "bits"])
def test_constant_class(layers, tmp_path, capsys):
    """A network whose answer never changes builds, answers that, and says which class it is."""
    if layers == "integers":
        body = [IntDense(np.ones((3, 2)), np.array([0, 0, 500]))]
    else:
        body = [BinaryDense(np.ones((2, 2)), Threshold([3, 3])), BinaryDense(np.ones((3, 2)), Offset([0, 0, 9]))]
    network = Network(Activations((2,), Interval(0, 1)), [*body, Argmax()], "dead", labels=("low", "middle", "high"))
    files.save(network, tmp_path / "dead.lnn")
    arguments = ["--board", "icebreaker", "--model", str(tmp_path / "dead.lnn"), "--output", str(tmp_path)]
    assert run(*arguments) == 0
    warning = "dead gives the class 2 (high) for every input: synthesis has found it constant"
    captured = capsys.readouterr()
    assert f"warning: {warning}\n" in captured.err
    assert ["core", "delay", "none"] in [line.split() for line in captured.out.splitlines()]
    (folder,) = tmp_path.glob("icebreaker-*")
    report = json.loads((folder / "report.json").read_text())
    assert report["warnings"] == [warning] and report["timing"]["core_delay_ns"] is None
    assert (folder / "dead.bin").is_file() and report["verification"]["vectors"] > 100


def test_one_build_at_a_time(tmp_path):
    """Of two in one folder the second waits, and says so; what killed ones left there is gone."""
    folder, order = tmp_path / "build", []
    (folder / f"{RUNNING}x").mkdir(parents=True)
    for name in (f"{RUNNING}x/top.asc", ".top.il.abcd_123", "top.bin", "kept.stamp"):
        (folder / name).write_text("half")
    said = Steps(quiet=True)

    def second() -> None:
        with build._alone(folder, said):
            order.append("second")

    other = threading.Thread(target=second)
    with build._alone(folder, Steps(quiet=True)), build._results(folder, Family.ICE40):
        assert {path.name for path in folder.iterdir()} == {"kept.stamp", build.LOCK}
        other.start()
        other.join(0.3)
        assert other.is_alive()
        order.append("first")
    other.join(30)
    assert order == ["first", "second"] and set(said.seconds) == {"wait"}


def test_folder_that_cannot_be_locked(tmp_path, monkeypatch, capsys):
    def locked(_path) -> None:
        raise OSError(30, "Read-only file system")

    (tmp_path / "file").write_text("")
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path / "file")) == 2
    monkeypatch.setattr(build, "FileLock", locked)
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    for error, why in zip(errors, ("Not a directory", "Read-only file system"), strict=True):
        assert error.startswith("error: cannot write to the output folder ") and error.endswith(
            f": {why}; choose another"
        )
