"""The netlist of a bitstream against the one that it was made of, clock by clock: tables, carries, flip-flops, pins,
memories, multipliers, a PLL.
"""

import subprocess

import numpy as np
import pytest

from logicnn.flow import tools
from logicnn.netlist.configured import LOCK, configured, main_clock, written
from logicnn.netlist.icestorm import BitsUnknown, unpacked
from logicnn.netlist.netlist import NetlistError
from logicnn.netlist.simulate import Simulation
from sim_tests.bitstream_helpers import flipped, made, needs_icestorm

pytestmark = needs_icestorm

CYCLES = 400
SETTLED = 100  # cycles until memories that hold anything at first are written
LOGIC = """
module top(input clk, input [7:0] a, output reg [7:0] y, output z);
  reg [7:0] sum = 0, held = 0, word = 0; reg [4:0] at = 0; reg flag = 0; reg pin = 0;
  reg [7:0] memory [0:511];
  integer i; initial for (i = 0; i < 512; i = i + 1) memory[i] = i * 37 + (i >> 3);
  SB_IO #(.PIN_TYPE(6'b010100)) out(.PACKAGE_PIN(z), .OUTPUT_CLK(clk), .D_OUT_0(pin ^ sum[7]));
  always @(posedge clk) begin
    sum <= sum + a;
    at <= at + 1;
    pin <= a[7];
    if (a[0]) held <= a[3] ? 8'h5a : held - sum;
    if (a[1]) flag <= a[2] | ^sum;
    if (at[0]) memory[{at, a[3:0]}] <= held;
    word <= memory[{sum[3:0], at}];
    y <= (a[6] ? word : held) ^ {8{flag}};
  end
endmodule
"""
ULTRA = """
module top(input clk, input [7:0] a, output reg [7:0] y, output locked);
  wire core; reg [6:0] at = 0; reg [7:0] held = 0; reg signed [15:0] product = 0; wire [15:0] word;
  SB_PLL40_PAD #(.FEEDBACK_PATH("SIMPLE"), .DIVR(0), .DIVF(63), .DIVQ(5), .FILTER_RANGE(1)) pll(
    .PACKAGEPIN(clk), .PLLOUTGLOBAL(core), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
  wire first = at < 96;
  SB_SPRAM256KA ram(.ADDRESS({9'h1, at[4:0]}), .DATAIN({held, a}), .MASKWREN(4'hf), .WREN(first & at[0]),
    .CHIPSELECT(1'b1), .CLOCK(core), .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(word));
  reg signed [7:0] left = 0, right = 0;
  always @(posedge core) begin
    at <= first ? at + 1 : {2'b11, at[4:0] + 5'd2};
    held <= held * 5 + a;
    left <= a; right <= held; product <= left * right;
    y <= (a[0] ? product[15:8] : product[7:0]) ^ (first ? 8'h0 : word[7:0] ^ word[15:8]);
  end
endmodule
"""


def pins(numbers: list[int], ports: list[str]) -> dict[str, str]:
    return dict(zip(map(str, numbers), ports, strict=True))


BUSES = [f"a[{place}]" for place in range(8)] + [f"y[{place}]" for place in range(8)]
SMALL = pins([21, *range(1, 5), *range(7, 11), 19, 20, 22, 23, 24, 25, 26, 28, 29], ["clk", *BUSES, "z"])
LARGE = pins([35, *[2, 3, 4, 6, 9, 10, 11, 12], *[18, 19, 20, 21, 23, 25, 26, 27], 28], ["clk", *BUSES, "locked"])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hx1k")
    return folder, made(LOGIC, folder, SMALL, "hx1k", "tq144")


def course(simulation: Simulation, inputs: dict[str, np.ndarray], outputs: list[str]) -> np.ndarray:
    """Levels of output pins, (cycles, lanes, pins)."""
    recorded = simulation.run(inputs, record=outputs)
    return np.stack([recorded[name] for name in outputs], axis=-1)


def both(folder, module, lock: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """What the pins of a design's netlist do, and those of its bitstream's, on the same random inputs."""
    written(module, folder / "bits.json")
    x = np.random.default_rng(3).integers(0, 256, (CYCLES, 64))
    first = Simulation(folder / "top.json", 64, forced=["locked"] if lock else [])
    wide = course(first, {"a": x}, ["y"] if lock else ["y", "z"])
    expected = np.concatenate([wide[..., :1] >> np.arange(8) & 1, wide[..., 1:]], axis=-1)
    second = Simulation(folder / "bits.json", 64, forced=[LOCK] if lock else [], clock=main_clock(module)[0])
    narrow = {f"a[{place}]": x >> place & 1 for place in range(8)}
    return expected, course(second, narrow, [f"y[{place}]" for place in range(8)] + ([] if lock else ["z"]))


def test_logic(small):
    folder, data = small
    module = configured(unpacked(data), SMALL, "tq144")
    kinds = {cell["type"] for cell in module.cells.values()}
    assert {"SB_LUT4", "SB_CARRY", "SB_RAM40_4K", "SB_IO"} <= kinds
    assert {"SB_DFF", "SB_DFFE"} < {kind for kind in kinds if kind.startswith("SB_DFF")}
    expected, actual = both(folder, module)
    assert np.array_equal(expected, actual)
    assert expected[SETTLED:].any(axis=(0, 1)).all() and not expected[SETTLED:].all(axis=(0, 1)).any()


def test_ultra_plus(tmp_path):
    """Its multipliers and large memory, and a PLL, which is a clock here."""
    data = made(ULTRA, tmp_path, LARGE, "up5k", "sg48", "-dsp")
    module = configured(unpacked(data), LARGE, "sg48")
    kinds = {cell["type"] for cell in module.cells.values()}
    assert {"SB_MAC16", "SB_SPRAM256KA", "SB_PLL40_PAD"} <= kinds
    (pll,) = [cell for cell in module.cells.values() if cell["type"] == "SB_PLL40_PAD"]
    assert pll["parameters"] == {"DIVR": 0, "DIVF": 63, "DIVQ": 5, "FEEDBACK_PATH": 1}
    expected, actual = both(tmp_path, module, lock=True)
    assert np.array_equal(expected[SETTLED:], actual[SETTLED:])
    assert expected[SETTLED:].any(axis=(0, 1)).all() and not expected[SETTLED:].all(axis=(0, 1)).any()


def test_every_table_matters(small):
    """Each of a few wrong rows of tables in use is another netlist, and one cell of it."""
    _, data = small
    right = configured(unpacked(data), SMALL, "tq144")
    tables = [name for name, cell in right.cells.items() if cell["type"] == "SB_LUT4"]
    for name, row in zip(tables[::17], range(16), strict=False):
        x, y, cell = (int(word) for word in name.replace("x", " ").replace("y", " ").replace(".lut", " ").split())
        wrong = configured(unpacked(flipped(data, (x, y, cell), row)), SMALL, "tq144")
        differ = {each for each in right.cells if right.cells[each] != wrong.cells.get(each)}
        assert differ == {name}
        change = right.cells[name]["parameters"]["LUT_INIT"] ^ wrong.cells[name]["parameters"]["LUT_INIT"]
        assert change == 1 << row


def test_icebox_says_the_same(small):
    """IceStorm's own netlist of the same bits, made of it by Yosys, does the same."""
    folder, data = small
    (folder / "again.bin").write_bytes(data)
    subprocess.run(["iceunpack", "again.bin", "again.asc"], cwd=folder, check=True, capture_output=True)
    command = ["icebox_vlog", "-s", "-d", "tq144", "-p", "top.pcf", "-n", "chip", "again.asc"]
    (folder / "chip.v").write_bytes(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)
    script = "read_verilog chip.v; synth_ice40 -top chip -json chip.json"
    tools.run(["yosys", "-q", "-p", script], folder, "chip.log")
    written(configured(unpacked(data), SMALL, "tq144"), folder / "bits.json")
    x = np.random.default_rng(4).integers(0, 256, (CYCLES, 64))
    inputs = {f"a[{place}]": x >> place & 1 for place in range(8)}
    outputs = [*BUSES[8:], "z"]
    theirs, ours = (Simulation(folder / name, 64) for name in ("chip.json", "bits.json"))
    assert np.array_equal(course(theirs, inputs, outputs), course(ours, inputs, outputs))


def test_refusals(small):
    _, data = small
    chip = unpacked(data)
    with pytest.raises(BitsUnknown, match="package qn00 of the 1k is not known to IceStorm"):
        configured(chip, {}, "qn00")
    with pytest.raises(NetlistError, match=r"package tq144 has no pin 999 \(a\)"):
        configured(chip, {"999": "a"}, "tq144")
