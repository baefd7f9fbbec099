"""A board's bitstream from pin to pin: what is right, and wrong bits that must be found."""

import os
import shutil
import stat
import sys
from dataclasses import replace

import pytest

from benchmarks.faulty_line import network
from logicnn.board import boards
from logicnn.board.protocol import BAUD
from logicnn.commands import cli
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.flow.design import designed
from logicnn.flow.pins import bitstream_check
from logicnn.flow.sources import elaborated
from logicnn.netlist import icestorm
from logicnn.netlist.configured import configured, main_clock, written
from logicnn.netlist.netlist import NetlistError
from logicnn.network import files
from logicnn.verify.bitstream import BitstreamCheck, _check_divider
from sim_tests.bitstream_helpers import flipped, made, needs_icestorm, place_of
from sim_tests.helpers import all_bits, wide_network

pytestmark = needs_icestorm

BOARD = "icestick"
X = all_bits(13)[::31].astype(int)[:256]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Arguments of a build of a small network that was done, its folder, and the check of its bitstream."""
    output = tmp_path_factory.mktemp("bits")
    files.save(network(), output / "line.lnn")
    options = ["build", "--board", BOARD, "--model", str(output / "line.lnn"), "--output", str(output / "builds")]
    assert cli.main([*options, "--verify", "none"]) == 0
    (folder,) = (output / "builds").iterdir()
    design = designed(Mapping.unrolled(network()), boards.find(BOARD), BAUD)
    return options, folder, bitstream_check(design, elaborated(design))


@pytest.fixture(scope="module")
def bits(built) -> tuple[BitstreamCheck, bytes]:
    _, folder, check = built
    return check, (folder / "line.bin").read_bytes()


@pytest.fixture(scope="module")
def wrong(built, bits) -> bytes:
    """With one wrong bit in the table in front of the class's lowest bit."""
    _, folder, _ = built
    return flipped(bits[1], place_of(folder, "classifier.result", 0), ROW)


ROW = 5  # of that table


def test_equal(bits):
    check, data = bits
    assert check.wiring.clock == "clk12_0__io" and check.wiring.package == "tq144"
    verification = check.verified(data, X)
    assert (verification.samples, verification.mismatches) == (256, 0)
    assert verification.cycles < 4 * check.most_cycles and 300 < verification.cells < 1500
    assert len(set(network().evaluate(X).tolist())) == 3


def test_wrong_bit(bits, wrong):
    """Said is the first sample that differs, what it should give and what it gives."""
    with pytest.raises(
        CheckFailed,
        match=r"^the bitstream differs from the network on (\d+) of 256 samples: sample \d+ \(mine\) should give [0-2] "
        r"but gives \d+$",
    ) as raised:
        bits[0].verified(wrong, X, "mine")
    assert raised.value.exit_code == 1
    differs = int(str(raised.value).split(" of 256")[0].split()[-1])
    assert 0 < differs < 256


def test_damaged(bits):
    """A bit of the file that is another one without its CRC; a file that ends early; what is none."""
    check, data = bits
    other = bytearray(data)
    other[len(data) // 2] ^= 1
    for damaged in (bytes(other), data[: len(data) // 2], b"", os.urandom(1000)):
        with pytest.raises(NetlistError, match=rf"the bitstream of {len(damaged)} bytes cannot be unpacked: iceunpack"):
            check.verified(damaged, X[:1])


def test_other_network(bits):
    check, data = bits
    given = wide_network()
    other = replace(check, network=given, identity=replace(check.identity, digest=given.digest()))
    with pytest.raises(CheckFailed, match=rf"should say that it runs a network {given.digest()[:12]}, but it answers"):
        other.verified(data, X[:1])


def test_other_pins(bits):
    check, data = bits
    pins = {"3": check.wiring.rx} | {pin: name for pin, name in check.wiring.pins.items() if name != check.wiring.rx}
    with pytest.raises(CheckFailed, match="the bitstream does not use the pin of uart_0__rx__io"):
        replace(check, wiring=replace(check.wiring, pins=pins)).verified(data, X[:1])


def test_other_rate(bits):
    check, data = bits
    with pytest.raises(CheckFailed, match=r"should say that it runs line [0-9a-f]{12}, but nothing comes"):
        replace(check, wiring=replace(check.wiring, baud=4 * BAUD)).verified(data, X[:1])


def test_other_clock(bits):
    check, data = bits
    with pytest.raises(CheckFailed, match="clock in the bitstream should be that of clk12_0__io divided by 6, but is"):
        replace(check, divider=6).verified(data, X[:1])
    with pytest.raises(CheckFailed, match="should have a PLL with simple feedback, not 0 of other kinds"):
        replace(check, locks=True).verified(data, X[:1])


DIVIDED = """
module top(input clk, output [3:0] y);
  reg [1:0] at = 0; reg [3:0] count = 0; wire slow;
  SB_GB buffer(.USER_SIGNAL_TO_GLOBAL_BUFFER(at[1]), .GLOBAL_BUFFER_OUTPUT(slow));
  always @(posedge clk) at <= at + 1;
  always @(posedge slow) count <= count + 1;
  assign y = count;
endmodule
"""


def test_divided_clock(tmp_path):
    pins = {"21": "clk"} | {str(pin): f"y[{pin - 1}]" for pin in range(1, 5)}
    module = configured(icestorm.unpacked(made(DIVIDED, tmp_path, pins, "hx1k", "tq144")), pins, "tq144")
    written(module, tmp_path / "bits.json")
    clock, others = main_clock(module)
    assert others == 2
    _check_divider(tmp_path / "bits.json", "clk", clock, 4)
    with pytest.raises(CheckFailed, match="clock in the bitstream should be that of clk divided by 8, but is not"):
        _check_divider(tmp_path / "bits.json", "clk", clock, 8)


def test_build_refuses_a_wrong_bit(built, wrong, tmp_path, monkeypatch, capfd):
    """A packer that writes a wrong bit: the build ends with exit code 1, and no bitstream is left."""
    options, folder, _ = built
    (tmp_path / "wrong.bin").write_bytes(wrong)
    packer = tmp_path / "icepack"
    packer.write_text(
        f"#!{sys.executable}\nimport shutil, sys\nshutil.copy({str(tmp_path / 'wrong.bin')!r}, sys.argv[2])\n"
    )
    packer.chmod(packer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("ICEPACK", str(packer))
    assert cli.main(options) == 1
    assert "the bitstream differs from the network on" in capfd.readouterr().err
    assert not list(folder.glob("*.bin")) and not (folder / "report.json").exists()


def test_build_checks(built, monkeypatch, capsys):
    """Where IceStorm is there; where it is not, the report says that nothing was checked."""
    options, _, _ = built
    assert cli.main([*options, "--json"]) == 0
    checked = capsys.readouterr()
    assert '"bitstream_check": {\n    "samples": 64,\n    "mismatches": 0,' in checked.out
    assert "run the bitstream from pin to pin, 64 samples equal" in checked.err
    monkeypatch.setattr(icestorm.shutil, "which", lambda tool: None if "ice" in tool else shutil.which(tool))
    assert not icestorm.is_installed()
    with pytest.raises(icestorm.IcestormMissing, match=r"tool iceunpack was not found; install IceStorm \(fpga-ice"):
        icestorm.unpacked(b"")
