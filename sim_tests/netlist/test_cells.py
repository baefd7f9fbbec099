"""Models of cells, instantiated or written by hand, against numpy; `test_yosys_models.py` has them beside Yosys's."""

import itertools

import numpy as np
import pytest
from amaranth.hdl import Cat, ClockSignal, Const, Elaboratable, Instance, Module, Signal

from logicnn.netlist.netlist import NetlistError
from logicnn.netlist.simulate import Simulation
from sim_tests.helpers import synthesise
from sim_tests.netlist_helpers import KEEP, PORTS, SEED, cell, flip_flop, inverter, rtl_run, written

CORNERS = [0, 1, 127, 128, 255]
TWO_PRODUCTS = {"MODE_8x8": 1, "TOPOUTPUT_SELECT": 2, "BOTOUTPUT_SELECT": 2, "A_SIGNED": 0, "B_SIGNED": 1}
STAGES = [{}, {"A_REG": 1, "B_REG": 1}, {"TOP_8x8_MULT_REG": 1, "BOT_8x8_MULT_REG": 1, "A_REG": 1, "B_REG": 1}]


def constants(**parameters: int) -> dict[str, Const]:
    return {
        f"p_{name}": Const(value, 2 if name.endswith(("SELECT", "LOWERINPUT")) else 1)
        for name, value in parameters.items()
    }


class Blocks(Elaboratable):
    """Instances of the UltraPlus: the large memory, two 8 x 8 products with 0 to 2 stages, a block written in words and
    read in nibbles.
    """

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
    corners = np.array(
        [sum(byte << 8 * place for place, byte in enumerate(four)) for four in itertools.product(CORNERS, repeat=4)]
    )
    words = np.resize(corners, (5, 128))
    seen = Simulation(blocks, lanes=128).run(
        {"i": np.concatenate([words, words[:2]])}, record=["product0", "product1", "product2"]
    )
    for stage in range(3):
        assert np.array_equal(seen[f"product{stage}"][stage : stage + 5], ref_products(words))


def test_large_memory(blocks):
    """Against arrays, addresses the same in all lanes or not; nothing written can be seen before it is read."""
    lanes, cycles = 128, 400
    rng = np.random.default_rng(SEED)
    simulation = Simulation(blocks, lanes=lanes)
    memory = np.stack([simulation.contents("spram", lane) for lane in range(lanes)])
    assert len(np.unique(memory[:, 0])) > 100  # unknown, so different in each lane
    address = rng.integers(0, 1 << 14, 40)[rng.integers(0, 40, (cycles, lanes))]
    address[::2] = address[::2, :1]
    data, write, select, masks = (rng.integers(0, 1 << width, (cycles, lanes)) for width in (16, 1, 1, 4))
    seen = simulation.run({"i": address | data << 14 | write << 30 | select << 31 | masks << 32}, record=["large"])[
        "large"
    ]
    lane, held = np.arange(lanes), seen[0]
    for cycle in range(cycles):
        assert np.array_equal(seen[cycle], held)
        chosen, writes = select[cycle] == 1, (select[cycle] & write[cycle]) == 1
        place = address[cycle]
        mask = sum((masks[cycle] >> nibble & 1) * (15 << 4 * nibble) for nibble in range(4))
        held = np.where(chosen & ~writes, memory[lane, place], np.where(writes, ~data[cycle] & 0xFFFF, held))
        memory[lane, place] = np.where(writes, memory[lane, place] & ~mask | data[cycle] & mask, memory[lane, place])
    assert np.array_equal(simulation.contents("spram", 77), memory[77])


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


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"a": cell("SB_I2C", "O", O=[5])}, r"cell a is a SB_I2C, whose function is not known"),
        ({"a": flip_flop(4, 5, kind="SB_DFFN")}, r"cell a \(SB_DFFN\): clocked by the falling edge"),
        ({"a": flip_flop(4, 5, kind="SB_DFFR", R=[3])}, r"cell a \(SB_DFFR\): R is not constant"),
        (
            {"a": flip_flop(4, 6), "b": flip_flop(6, 5, 3)},
            r"the netlist has 2 clocks: net 2 \(of a\) and net 3 \(of b\)",
        ),
        ({"a": inverter(5, 6), "b": inverter(6, 5)}, r"net [56] \([a-z]+\) depends on itself"),
        (
            {"a": flip_flop(4, 6), "b": inverter(2, 7), "c": flip_flop(7, 5)},
            r"net 2 \(clk\) is read but driven by the clock, whose .*",
        ),
        ({"a": flip_flop(9, 5)}, r"net 9 \(unnamed\) is read but driven by nothing, whose value is not known"),
        (
            {"a": cell("SB_MAC16", "O", {"NEG_TRIGGER": "1"}, O=[5])},
            r"cell a \(SB_MAC16\): clocked by the falling edge",
        ),
        ({"a": cell("SB_SPRAM256KA", "O", STANDBY=[3])}, r"cell a \(SB_SPRAM256KA\): STANDBY is not constant"),
        (
            {"a": cell("SB_IO", "D_IN_0", {"PIN_TYPE": "100001"}, D_IN_0=[5])},
            r"cell a \(SB_IO\): PIN_TYPE 100001 is not supported",
        ),
        (
            {"a": cell("TRELLIS_FF", "Q", {"CLKMUX": "INV"}, Q=[5])},
            r"cell a \(TRELLIS_FF\): CLKMUX INV is not supported",
        ),
        (
            {"a": cell("DP16KD", "DOA0", {"REGMODE_A": "OUTREG"}, DOA0=[5])},
            r"cell a \(DP16KD\): REGMODE_A OUTREG is not supported",
        ),
        (
            {"a": cell("MULT18X18D", "P0", {"REG_PIPELINE_CLK": "CLK0"}, P0=[5])},
            r"cell a \(MULT18X18D\): REG_PIPELINE_CLK CLK0 is not .*",
        ),
        (
            {"a": cell("MULT18X18D", "P0", {"REG_OUTPUT_CLK": "CLK0"}, P0=[5], CLK0=[2], RST0=[3])},
            r"cell a \(MULT18X18D\): RST0 is not constant",
        ),
    ],
)
def test_refused(tmp_path, cells, message):
    with pytest.raises(NetlistError, match=f"^{message}$"):
        Simulation(written(tmp_path, cells, {"x": [6]}, PORTS))


def test_one_clock_of_two(tmp_path):
    """A divider by hand: the register of the divided clock is simulated, the divider is not known."""
    cells = {"divider": flip_flop(7, 3, 2), "not": inverter(3, 7), "a": flip_flop(4, 5, 3)}
    simulation = Simulation(
        written(tmp_path, cells, {"divided": [3]}, PORTS | {"other": ("output", [8])}), clock="divided"
    )
    simulation.run({"i": [1]})
    assert simulation.get("o").tolist() == [1] * 64
    with pytest.raises(
        NetlistError, match=r"^signal divided depends on divider, which has another clock, whose value is not known$"
    ):
        simulation.get("divided")


def test_pins_of_ice40(tmp_path):
    """A pin in both directions, with a register on its way in."""
    parameters = {"PIN_TYPE": "101000"}
    pin = cell(
        "SB_IO", "D_IN_0", parameters, PACKAGE_PIN=[4], D_IN_0=[5], D_OUT_0=["0"], OUTPUT_ENABLE=[3], INPUT_CLK=[2]
    )
    simulation = Simulation(written(tmp_path, {"a": pin}, {}, PORTS | {"i": ("inout", [4])}))
    simulation.set("i", 1)
    simulation.set("other", np.arange(64) % 2)
    assert simulation.get("i").tolist() == [1, 0] * 32 and not simulation.get("o").any()
    simulation.step()
    assert simulation.get("o").tolist() == [1, 0] * 32


def test_pins_of_ecp5(tmp_path):
    """The pin is driven where T is 0."""
    pin = cell("TRELLIS_IO", "O", {"DIR": "BIDIR"}, B=[4], O=[5], I=["0"], T=[3])
    simulation = Simulation(written(tmp_path, {"a": pin}, {}, PORTS | {"i": ("inout", [4])}))
    simulation.set("i", 1)
    simulation.set("other", np.arange(64) % 2)
    assert simulation.get("o").tolist() == [0, 1] * 32


@pytest.mark.parametrize("port", ["A", "B"])
@pytest.mark.parametrize("mode", ["NORMAL", "WRITETHROUGH", "READBEFOREWRITE"])
def test_ecp5_port_that_reads_and_writes(tmp_path, mode, port):
    """18 bits with two write enables; what is read at a write is held, new or old."""
    places = range(18)
    ports = {f"DI{port}{place}": [100 + place] for place in places} | {
        f"AD{port}{4 + place}": [130 + place] for place in range(3)
    }
    ports |= {f"AD{port}0": [140], f"AD{port}1": [141], f"WE{port}": [142], f"CE{port}": [143], f"CLK{port}": [2]}
    ports |= {f"DO{port}{place}": [200 + place] for place in places}
    memory = cell("DP16KD", "", {f"WRITEMODE_{port}": mode, "INITVAL_00": "1" * 320}, **ports)
    inputs = {"data": 18 * [0], "address": 3 * [0], "enables": 2 * [0], "write": [0], "clocked": [0]}
    nets = {"data": 100, "address": 130, "enables": 140, "write": 142, "clocked": 143}
    given = {name: ("input", [nets[name] + place for place in range(len(bits))]) for name, bits in inputs.items()}
    outputs = {"read": ("output", [200 + place for place in places])}
    simulation = Simulation(written(tmp_path, {"memory": memory}, {}, {"clk": ("input", [2])} | given | outputs))
    rng = np.random.default_rng(SEED)
    words = {name: rng.integers(0, 1 << len(bits), (200, 64)) for name, bits in inputs.items()}
    seen = simulation.run(words, ["read"])["read"]
    content, held, lane = np.full((64, 8), 0x3FFFF), np.zeros(64, int), np.arange(64)
    for cycle in range(199):
        data, address, enables, write, clocked = (words[name][cycle] for name in inputs)
        mask = (enables & 1) * 0x1FF | (enables >> 1) * (0x1FF << 9)
        writes = (clocked & write) == 1
        old = content[lane, address]
        new = np.where(writes, old & ~mask | data & mask, old)
        shown = {"NORMAL": np.where(writes, held, old), "WRITETHROUGH": new, "READBEFOREWRITE": old}[mode]
        content[lane, address], held = new, np.where(clocked == 1, shown, held)
        assert np.array_equal(seen[cycle + 1], held)


def test_what_nothing_loads_is_random(tmp_path):
    """The registers of the 16 x 16 product stand still while there are two products."""
    parameters = {"MODE_8x8": "1", "PIPELINE_16x16_MULT_REG2": "1", "BOTOUTPUT_SELECT": "11"}
    simulation = Simulation(written(tmp_path, {"a": cell("SB_MAC16", "O", parameters, O=[5], CLK=[2])}, {}, PORTS))
    assert 0 < simulation.get("o").sum() < 64
