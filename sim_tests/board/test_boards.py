"""Boards: what the command lists, how a user's own is found, and how flash is written."""

import json
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from logicnn.board import boards
from logicnn.board.boards import BoardError, Programmer
from logicnn.commands import cli
from logicnn.commands.build import program
from logicnn.flow.placement import Placement
from logicnn.flow.report import Bitstream, FlashImage, Report
from logicnn.flow.tools import ToolFailed
from logicnn.resources import DEVICES, Resources

ROOT = Path(__file__).parents[2]


def test_table():
    rows = {row["board"]: row for row in boards.table()}
    assert set(rows) == set(boards.names()) == {"icebreaker", "ice40_hx8k_b_evn", "ulx3s"}
    for row in rows.values():
        assert row["logic_cells"] == DEVICES[row["device"]].capacity.logic_cells
    # 30 blocks of 4 kbit and 4 of 256 kbit: Lattice FPGA-DS-02008, table 2-1
    assert (rows["icebreaker"]["memory_bits"], rows["icebreaker"]["dsp"]) == (30 * 4096 + 4 * 262_144, 8)
    assert (rows["icebreaker"]["clock_mhz"], rows["icebreaker"]["engine_mhz"], rows["ulx3s"]["engine_mhz"]) == (
        12,
        24,
        25,
    )


def test_listed(capsys):
    assert cli.main(["boards"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["board", "device"] and len(lines) == 3
    assert re.fullmatch(r"icebreaker +iCE40UP5K +5280 +1171456 +8 +12 +24 +iceprog", lines[1])
    assert cli.main(["boards", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == boards.table()


def test_documented_board_is_one(tmp_path):
    """The file of docs/boards.md."""
    (code,) = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "docs" / "boards.md").read_text(), flags=re.M)
    own = tmp_path / "mine.py"
    own.write_text(re.sub(r"^    ", "", code, flags=re.M))
    board = boards.find(str(own))
    assert (board.name, board.engine_hz) == ("mine", 24e6) and board.programmer is not None
    assert board.make_platform().default_clk_frequency == 12e6


def test_commands():
    with_offset = Programmer("iceprog", "fpga-icestorm", offset_option="-o")
    assert with_offset.commands("a.bin", "b.bin", 0x100000) == [
        ["iceprog", "a.bin"],
        ["iceprog", "-o", "1048576", "b.bin"],
    ]
    without = Programmer("openFPGALoader", "openfpgaloader", ("-b", "ulx3s"))
    assert without.commands("a.bit") == [["openFPGALoader", "-b", "ulx3s", "a.bit"]]
    with pytest.raises(BoardError, match=r"^openFPGALoader has no option for an offset, which b.bin needs$"):
        without.commands("a.bit", "b.bin", 1)


def report(flash: FlashImage | None) -> Report:
    return Report(
        *("n", "0" * 64, "icebreaker", "iCE40UP5K", Resources(), Resources()),
        timing=None,
        placement=Placement(1, ""),
        verification=None,
        bitstream=Bitstream("n.bin", "", 1),
        flash=flash,
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
