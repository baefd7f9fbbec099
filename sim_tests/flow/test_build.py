"""The build command as its users meet it: one real build for each family, the cache, and every refusal in one line."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.build import Clock, Pins, Resource

from logicnn import load
from logicnn.board import boards
from logicnn.commands import cli
from logicnn.engines import Mapping
from logicnn.flow import build, tools
from logicnn.flow.design import MARGIN, STORED, designed
from logicnn.network import (
    Activations,
    Argmax,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    Network,
    Offset,
    Requantize,
    Threshold,
    files,
)
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


@pytest.mark.parametrize("frequency", [1e6, 12e6, 25e6, 100e6])
def test_divider_leaves_the_margin(frequency):
    mapping, board = Mapping.unrolled(load("mnist-bnn")), boards.find("icebreaker")

    def platform():
        made = board.platform()
        made.add_resources([Resource("other", 0, Pins("1", dir="i"), Clock(frequency))])
        made.default_clk = "other"
        return made

    design = designed(mapping, replace(board, platform=platform), 1200)
    divider = design.divider
    assert divider == 1 or divider % 2 == 0
    assert design.clock_hz == frequency / divider
    needed = MARGIN * mapping.delay_ns(board.device)
    assert divider * 1e9 / frequency >= needed and (divider <= 2 or (divider - 2) * 1e9 / frequency < needed)


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


def test_own_board_by_path(tmp_path, capsys):
    own = tmp_path / "mine.py"
    own.write_text(
        "from amaranth_boards.icebreaker import ICEBreakerPlatform\nfrom logicnn.board import Board\n"
        "board = Board('mine', ICEBreakerPlatform, 'iCE40UP5K')\n"
    )
    assert boards.find(str(own)).name == "mine"


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


def test_too_big(tmp_path, capsys):
    rng = np.random.default_rng(1)
    layers = [
        BinaryDense(rng.choice([-1, 1], (80, 200)), Threshold(np.full(80, 100))),
        BinaryDense(rng.choice([-1, 1], (10, 80)), Offset(np.zeros(10, int))),
        Argmax(),
    ]
    files.save(Network(Activations((200,), Interval(0, 1)), layers, "big"), tmp_path / "big.lnn")
    start = time.perf_counter()
    assert run("--board", "icebreaker", "--model", str(tmp_path / "big.lnn"), "--output", str(tmp_path / "out")) == 2
    assert time.perf_counter() - start < 2 and not (tmp_path / "out").exists()
    (error,) = capsys.readouterr().err.splitlines()
    assert (
        error.startswith("error: big needs about ") and " more than the 5280 of the iCE40UP5K on icebreaker; " in error
    )


def test_far_too_big(tmp_path, capsys):
    """Convolutions of integers that would unroll to more than any sharing brings back: refused at once."""
    rng = np.random.default_rng(1)
    layers = [
        IntConv2d(
            rng.integers(-99, 100, (20, 1, 5, 5)), np.zeros(20, int), Requantize(np.ones(20), np.full(20, 5), 0, 255)
        ),
        Flatten(),
        IntDense(rng.integers(-99, 100, (10, 11520)), np.zeros(10, int)),
        Argmax(),
    ]
    files.save(Network(Activations((1, 28, 28), Interval(0, 255)), layers, "huge"), tmp_path / "huge.lnn")
    start = time.perf_counter()
    assert run("--board", "ulx3s", "--model", str(tmp_path / "huge.lnn"), "--output", str(tmp_path / "out")) == 2
    assert time.perf_counter() - start < 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err.startswith("error: huge needs about ")


def bad_board(folder: Path, text: str) -> str:
    (folder / "bad.py").write_text(text)
    return str(folder / "bad.py")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--board", "icebraker"],
            "unknown board 'icebraker'; give the path of a board file or one of: ice40_hx8k_b_evn, icebreaker, ulx3s",
        ),
        (
            ["--board", "icebreaker", "--model", "nonet"],
            "unknown model 'nonet'; give the path of a .lnn file or one of: ",
        ),
        (["--board", "icebreaker", "--model", "no/net.lnn"], "no network file 'no/net.lnn'; "),
        (
            ["--board", "icebreaker", *DIGITS, "--data-dir", "docs", "--model", "mnist-bnn"],
            "MNIST: no train-images-idx3-ubyte.gz in ",
        ),
        (
            ["--board", "ice40_hx8k_b_evn", "--model", "lenet5-ikr"],
            "lenet5-ikr needs 470136 bits of memory, 386816 of them for weights, but the iCE40HX8K on "
            "ice40_hx8k_b_evn has 131072; "
            "prune it to fewer weights or choose a larger board",
        ),
        (
            ["--board", "icebreaker", *DIGITS, "--output", "/proc/nowhere"],
            "cannot write to the output folder /proc/nowhere/icebreaker-",
        ),
    ],
)
def test_refused(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("board = 1", "must define `board`"),
        ("import nothing_of_that_name", "cannot be run: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        (
            "from logicnn.board import Board\nboard = Board('b', None, 'iCE40HX1K')",
            "device must be one of iCE40UP5K, iCE40HX8K, LFE5U-85F, not 'iCE40HX1K'",
        ),
    ],
)
def test_bad_board_file(tmp_path, text, message, capsys):
    assert run("--board", bad_board(tmp_path, text)) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("baud", ["fast", "0", "20000000"])
def test_baud_refused(baud, capsys):
    with pytest.raises(SystemExit) as refusal:
        run("--board", "icebreaker", "--baud", baud)
    assert (
        refusal.value.code == 2
        and f"must be a whole number from 300 to 12000000, not {baud!r}" in capsys.readouterr().err
    )


def test_baud_of_no_clock(tmp_path, capsys):
    """A rate that the board's divided clock cannot make ends before anything is built."""
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path), "--baud", "921600") == 2
    assert "error: baud must be made from a clock of 6 MHz within 2%, not 921600; 857143 can" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "one", "99999999999"])
def test_seed_refused(seed, capsys):
    with pytest.raises(SystemExit) as refusal:
        run("--board", "icebreaker", "--seed", seed)
    assert refusal.value.code == 2 and "must be a whole number from 0 to 2147483647" in capsys.readouterr().err


def test_scores_refused(tmp_path, capsys):
    files.save(dense_network(np.random.default_rng(24), 9, 7, 5, argmax=False), tmp_path / "scores.lnn")
    assert run("--board", "icebreaker", "--model", str(tmp_path / "scores.lnn"), "--output", str(tmp_path / "out")) == 2
    assert (
        "error: a board needs a network that ends in Argmax or Slicer, of at most 256 classes"
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


def test_missing_tool(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YOSYS", "yosys-of-another-name")
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path)) == 2
    assert "error: tool yosys-of-another-name was not found (named by YOSYS)" in capsys.readouterr().err


def test_failing_tool(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YOSYS", "false")
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path)) == 1
    assert "error: yosys failed: no output (exit code 1, log " in capsys.readouterr().err


def test_full_disk(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "top.il")

    monkeypatch.setattr(build, "replace_file", full)
    assert run("--board", "icebreaker", *DIGITS, "--output", str(tmp_path)) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "error: No space left on device (top.il); free the space or choose another folder with --output"
    )


def test_interrupt(tmp_path):
    """Ctrl-C in the middle of synthesis: one line, no bitstream, no report, and the tool is gone."""
    command = [sys.executable, "-m", "logicnn.build", "--board", "icebreaker", *DIGITS, "--output", str(tmp_path)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.time() + 60
    while not list(tmp_path.glob("*/synthesis.log")):
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130 and out == ""
    assert error.splitlines()[-1] == "error: interrupted; nothing was left half written, run the command again to go on"
    assert "Traceback" not in error
    left = {path.name for path in tmp_path.glob("*/*")}
    assert not {name for name in left if name.startswith("report") or name.endswith((".bin", ".stamp"))}


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
