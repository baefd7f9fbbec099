"""Boards: what the command lists, how a user's own is found, and how flash is written."""

import pytest

from logicnn.board import boards
from logicnn.board.boards import BoardError, Programmer
from logicnn.resources import DEVICES
from sim_tests.page_helpers import ROOT, python_blocks


def test_table():
    rows = {row["board"]: row for row in boards.table()}
    assert set(rows) == set(boards.names()) >= {"icebreaker", "ice40_hx8k_b_evn", "ulx3s"}
    for row in rows.values():
        assert row["logic_cells"] == DEVICES[row["device"]].capacity.logic_cells
    # 30 blocks of 4 kbit and 4 of 256 kbit: Lattice FPGA-DS-02008, table 2-1
    assert (rows["icebreaker"]["memory_bits"], rows["icebreaker"]["dsp"]) == (30 * 4096 + 4 * 262_144, 8)
    assert (rows["icebreaker"]["clock_mhz"], rows["icebreaker"]["engine_mhz"], rows["ulx3s"]["engine_mhz"]) == (
        12,
        24,
        25,
    )


def test_documented_board_is_one(tmp_path):
    """The file of docs/boards.md."""
    (code,) = python_blocks(ROOT / "docs" / "boards.md")
    own = tmp_path / "mine.py"
    own.write_text(code)
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


def test_own_board_by_path(tmp_path, capsys):
    own = tmp_path / "mine.py"
    own.write_text(
        "from amaranth_boards.icebreaker import ICEBreakerPlatform\nfrom logicnn.board import Board\n"
        "board = Board('mine', ICEBreakerPlatform, 'iCE40UP5K')\n"
    )
    assert boards.find(str(own)).name == "mine"
