"""The netlist that a bitstream of iCE40 makes of its chip: cells as `logicnn.netlist.cells` knows them, from
configuration bits alone.

A wire without a driver stays one, so that whoever reads it ends with an error. Not known, and refused where they are
used: the oscillators of the UltraPlus; what reads its other hard blocks (I2C, SPI, LED drivers) finds no driver.

Ref: Project IceStorm, its documents of tiles and `icebox_vlog`, whose readings these are (`get_lutff_*`, the defaults
of inputs that are not connected), and `dsp_config_db` and `spram_db` of its database for the UltraPlus.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from logicnn.netlist.icestorm import BitsUnknown, Chip, Segment, Tile
from logicnn.netlist.netlist import Module, Net, NetlistError

__all__ = ["LOCK", "TOP", "configured", "main_clock", "written"]

TOP = "top"
LOCK = "pll_locks"  # name of the net by which a PLL says so
FIRST = 2  # net; Yosys keeps the numbers before for constants
PER_TILE = 8  # logic cells
OSCILLATORS = (4, 5)  # networks that the oscillators of the UltraPlus drive
PLLS = {  # by PLLTYPE
    "010": "SB_PLL40_PAD",
    "100": "SB_PLL40_2_PAD",
    "110": "SB_PLL40_2F_PAD",
    "011": "SB_PLL40_CORE",
    "111": "SB_PLL40_2F_CORE",
}
DIVIDERS = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FEEDBACK_PATH": 3}  # bits
FIELDS = {  # of a multiplier, in bits
    **dict.fromkeys(("A_REG", "B_REG", "C_REG", "D_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"), 1),
    **dict.fromkeys(("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2"), 1),
    **dict.fromkeys(("TOPOUTPUT_SELECT", "TOPADDSUB_LOWERINPUT", "TOPADDSUB_CARRYSELECT"), 2),
    **dict.fromkeys(("BOTOUTPUT_SELECT", "BOTADDSUB_LOWERINPUT", "BOTADDSUB_CARRYSELECT"), 2),
    **dict.fromkeys(("TOPADDSUB_UPPERINPUT", "BOTADDSUB_UPPERINPUT", "MODE_8x8", "A_SIGNED", "B_SIGNED"), 1),
}
MAC_CONTROLS = (
    *("CLK", "CE", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "AHOLD", "BHOLD", "CHOLD", "DHOLD", "OHOLDTOP"),
    *("OHOLDBOT", "ADDSUBTOP", "ADDSUBBOT", "OLOADTOP", "OLOADBOT", "CI"),
)
SPRAM_WORDS = {"ADDRESS": 14, "DATAIN": 16, "MASKWREN": 4}
SPRAM_CONTROLS = "WREN", "CHIPSELECT", "CLOCK", "STANDBY", "SLEEP", "POWEROFF"


Nets = Net | list[Net]  # of a port


@dataclass
class _Netlist:
    """Collects the cells of a chip; `pins` are names of pads by their places."""

    chip: Chip
    pins: Mapping[tuple[int, int, int], str]
    nets: dict[Segment, Net] = field(default_factory=dict)
    constants: dict[Net, str] = field(default_factory=dict)
    cells: dict[str, dict] = field(default_factory=dict)
    drivers: dict[Net, str] = field(default_factory=dict)
    names: dict[str, list[Net]] = field(default_factory=dict)
    ports: dict[str, dict] = field(default_factory=dict)
    last: int = FIRST - 1

    def new(self) -> int:
        self.last += 1
        return self.last

    def net(self, segment: Segment) -> Net:
        """The net of a wire, a new one where nothing joins it."""
        if segment not in self.nets:
            self.nets[segment] = self.new()
        return self.nets[segment]

    def read(self, segment: Segment, otherwise: str = "0") -> Net:
        """The net that an input reads; `otherwise` where nothing is connected to it."""
        net = self.nets.get(segment, otherwise)
        return self.constants.get(net, net)

    def cell(
        self,
        kind: str,
        name: str,
        inputs: Mapping[str, Nets],
        outputs: Mapping[str, Nets],
        parameters: Mapping[str, int] | None = None,
    ) -> None:
        """Raises `NetlistError` where an output drives what another cell does."""
        every: dict[str, Nets] = {**inputs, **outputs}
        ports = {port: nets if isinstance(nets, list) else [nets] for port, nets in every.items()}
        directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
        for port in outputs:
            self.names[f"{name}.{port}"] = ports[port]
            for net in ports[port]:
                if isinstance(net, int) and self.drivers.setdefault(net, name) != name:
                    raise NetlistError(f"the bitstream makes {name} and {self.drivers[net]} drive one wire")
        self.cells[name] = {
            "type": kind,
            "parameters": dict(parameters or {}),
            "port_directions": directions,
            "connections": ports,
        }


def configured(chip: Chip, pins: Mapping[str, str], package: str) -> Module:
    """The netlist of a chip. `pins` are names of ports by pins of the package; other pads that are in use are called by
    their places (``io_12_31_1``).

    Raises `BitsUnknown` for a configuration that is not known here, `NetlistError` for one that makes no sense.
    """
    places = chip.pads(package)
    unknown = sorted(set(pins) - set(places))
    if unknown:
        raise NetlistError(f"package {package} has no pin {unknown[0]} ({pins[unknown[0]]})")
    built = _Netlist(chip, {places[pin]: name for pin, name in pins.items()})
    for wire in chip.wires():
        built.nets |= dict.fromkeys(wire, built.new())
    _constants(built)
    taken = _plls(built)
    _pads(built, taken)
    for tile in sorted(chip.config.logic_tiles):
        for place in range(PER_TILE):
            _logic_cell(built, tile, place)
    for tile in sorted(chip.config.ramb_tiles):
        _block_memory(built, tile)
    if chip.is_ultra:
        _large_memories(built)
        for tile in sorted(chip.config.dsp_tiles[0]):
            _multiplier(built, tile)
    return Module(built.cells, built.names, built.ports)


def written(module: Module, path: Path) -> None:
    """Writes a netlist as Yosys does."""
    names = {name: {"hide_name": 0, "bits": nets, "attributes": {}} for name, nets in module.names.items()}
    top = {"attributes": {"top": "1"}, "ports": module.ports, "cells": module.cells, "netnames": names}
    path.write_text(json.dumps({"creator": "logicnn", "modules": {TOP: top}}))


def main_clock(module: Module) -> tuple[str, int]:
    """The name of the net that clocks most flip-flops, and how many are clocked by another one."""
    clocks = Counter(cell["connections"]["C"][0] for cell in module.cells.values() if cell["type"].startswith("SB_DFF"))
    if not clocks:
        raise NetlistError("the bitstream has no flip-flop")
    ((net, count),) = clocks.most_common(1)
    names = [name for name, nets in module.names.items() if net in nets]
    if not names:
        raise NetlistError("the flip-flops of the bitstream have a clock that nothing drives")
    return names[0], sum(clocks.values()) - count


def _constants(built: _Netlist) -> None:
    """Carries into a tile that are not those of the tile below, and what LUTs make of constants alone."""
    library, tables = built.chip.library, []
    for tile, bits in built.chip.config.logic_tiles.items():
        segment = *tile, "carry_in_mux"
        if segment in built.nets and library.get_carry_cascade_bit(bits) == "0":
            built.constants[built.nets[segment]] = library.get_carry_bit(bits)
        for place in range(PER_TILE):
            out = *tile, f"lutff_{place}/out"
            if out in built.nets and library.get_lutff_seq_bits(bits, place)[1] == "0":
                inputs = [(*tile, f"lutff_{place}/in_{port}") for port in range(4)]
                tables.append((built.nets[out], library.get_lutff_lut_bits(bits, place), inputs))
    known = -1
    while known < len(built.constants):
        known = len(built.constants)
        for net, table, inputs in tables:
            given = [(port, level) for port, level in enumerate(map(built.read, inputs)) if level in ("0", "1")]
            rows = [row for row in range(16) if all(str(row >> port & 1) == level for port, level in given)]
            if len({table[row] for row in rows}) == 1:
                built.constants[net] = table[rows[0]]


def _logic_cell(built: _Netlist, tile: Tile, place: int) -> None:
    """A LUT with what it shares its cell with: a carry, a flip-flop."""
    library, bits = built.chip.library, built.chip.config.logic_tiles[tile]
    carries, holds, sets, is_asynchronous = (bit == "1" for bit in library.get_lutff_seq_bits(bits, place))
    table = sum(1 << row for row, bit in enumerate(library.get_lutff_lut_bits(bits, place)) if bit == "1")

    def at(wire: str) -> Segment:
        return *tile, wire

    lut, register, carry = (f"x{tile[0]}y{tile[1]}.{kind}{place}" for kind in ("lut", "ff", "carry"))
    inputs = {f"I{port}": built.read(at(f"lutff_{place}/in_{port}")) for port in range(4)}
    if carries:
        below = at(f"lutff_{place - 1}/cout") if place else at("carry_in_mux")
        if place == 0 and library.get_carry_cascade_bit(bits) == "0":
            given: Net = library.get_carry_bit(bits)
        else:
            given = built.constants.get(built.net(below), built.net(below))
        built.cell(
            "SB_CARRY",
            carry,
            {"I0": inputs["I1"], "I1": inputs["I2"], "CI": given},
            {"CO": built.net(at(f"lutff_{place}/cout"))},
        )
    out, local = at(f"lutff_{place}/out"), at(f"lutff_{place}/lout")
    if holds and out in built.nets:
        data = built.net(local)
        built.cell("SB_LUT4", lut, inputs, {"O": data}, {"LUT_INIT": table})
        _flip_flop(built, tile, register, data, built.nets[out], (sets, is_asynchronous))
        return
    for segment, suffix in ((out, ""), (local, "_local")):
        if segment in built.nets:
            built.cell("SB_LUT4", f"{lut}{suffix}", inputs, {"O": built.nets[segment]}, {"LUT_INIT": table})


def _flip_flop(built: _Netlist, tile: Tile, name: str, data: Net, out: Net, reset: tuple[bool, bool]) -> None:
    sets, is_asynchronous = reset
    falling = built.chip.library.get_negclk_bit(built.chip.config.logic_tiles[tile]) == "1"
    clock, enable, clear = (built.read((*tile, f"lutff_global/{wire}"), "x") for wire in ("clk", "cen", "s_r"))
    inputs = {"C": clock if clock != "x" else "0", "D": data}
    kind = f"SB_DFF{'N' if falling else ''}"
    if enable != "x":
        kind, inputs = f"{kind}E", inputs | {"E": enable}
    if clear != "x":
        way = "S" if sets else "R"
        kind, inputs = f"{kind}{way if is_asynchronous else f'S{way}'}", inputs | {way: clear}
    built.cell(kind, name, inputs, {"Q": out})


def _pads(built: _Netlist, taken: set[tuple[int, int, int]]) -> None:
    """The pads that are in use, but for those whose cells a PLL has taken."""
    globals_ = {pad: number for number, pad in built.chip.global_pads.items()}
    for tile in sorted(built.chip.config.io_tiles):
        for place in range(2):
            pad = *tile, place
            if pad in taken:
                continue
            if built.chip.is_ultra and globals_.get(pad) in OSCILLATORS:
                raise BitsUnknown("the bitstream takes its clock from an oscillator of the UltraPlus, not from a pin")
            _pad(built, pad, pad in globals_)


def _pad(built: _Netlist, pad: tuple[int, int, int], is_global: bool) -> None:
    *tile, place = pad
    tile = pad[0], pad[1]
    chip = built.chip
    style = sum(1 << int(name[-1]) for name in chip.bits(tile, f"IOB_{place}") if name.startswith("PINTYPE_"))
    reads = [each for each in ("D_IN_0", "D_IN_1") if (*tile, f"io_{place}/{each}") in built.nets]
    drives = style >> 2 and (*tile, f"io_{place}/D_OUT_0") in built.nets
    if not (reads or drives or is_global):
        return
    name = f"io_{tile[0]}_{tile[1]}_{place}"
    port, outside = built.pins.get(pad, name), built.new()
    inputs: dict[str, Net] = {
        "D_OUT_0": built.read((*tile, f"io_{place}/D_OUT_0")),
        "D_OUT_1": built.read((*tile, f"io_{place}/D_OUT_1")),
        "OUTPUT_ENABLE": built.read((*tile, f"io_{place}/OUT_ENB"), "1"),
        "CLOCK_ENABLE": built.read((*tile, "io_global/cen"), "1"),
        "INPUT_CLK": built.read((*tile, "io_global/inclk")),
        "OUTPUT_CLK": built.read((*tile, "io_global/outclk")),
        "LATCH_INPUT_VALUE": built.read((*tile, "io_global/latch")),
    }
    outputs: dict[str, Net] = {each: built.nets[*tile, f"io_{place}/{each}"] for each in reads}
    if is_global:
        outputs["GLOBAL_BUFFER_OUTPUT"] = built.nets[*tile, f"padin_{place}"]
    parameters = {"PIN_TYPE": style if drives else style & 3, "NEG_TRIGGER": int(bool(chip.bits(tile, "NegClk")))}
    built.cell("SB_GB_IO" if is_global else "SB_IO", name, inputs, outputs, parameters)
    built.cells[name]["connections"]["PACKAGE_PIN"] = [outside]
    built.cells[name]["port_directions"]["PACKAGE_PIN"] = "inout"
    direction = "inout" if drives and (reads or is_global) else "output" if drives else "input"
    built.ports[port] = {"direction": direction, "bits": [outside]}
    built.names[port] = [outside]


def _plls(built: _Netlist) -> set[tuple[int, int, int]]:
    """The PLLs, whose outputs take the places of pads' inputs; returns these."""
    chip, taken = built.chip, set()
    pads = set(chip.global_pads.values())
    for each in chip.config.pll_list():
        info = chip.library.pllinfo_db[each]

        def bits(name: str, count: int, info: Mapping = info) -> str:
            """Of a setting, the highest first."""
            places = [info[f"{name}_{place}"] for place in range(count)][::-1]
            return "".join(str(int(place[2] in chip.bits(place[:2], "PLL"))) for place in places)

        kind = bits("PLLTYPE", 3)
        if kind == "000":
            continue
        if kind not in PLLS:
            raise BitsUnknown(f"the bitstream has a PLL of type {kind}, which is not known")
        outputs: dict[str, Net] = {}
        ways = {"A": info["PLLOUT_A"]} | ({} if kind in ("010", "011") else {"B": info["PLLOUT_B"]})
        for way, pad in ways.items():
            suffix = way if len(ways) > 1 else ""
            core = *pad[:2], f"io_{pad[2]}/D_IN_0"
            if core in built.nets:
                outputs[f"PLLOUTCORE{suffix}"] = built.nets[core]
            if pad in pads:
                outputs[f"PLLOUTGLOBAL{suffix}"] = built.nets[*pad[:2], f"padin_{pad[2]}"]
            taken.add(pad)
        if info["LOCK"] in built.nets:
            outputs["LOCK"] = built.nets[info["LOCK"]]
            built.names[LOCK] = [outputs["LOCK"]]
        inputs = {
            "RESETB": built.read(info["RESETB"]),
            "BYPASS": built.read(info["BYPASS"]),
        }
        if PLLS[kind].endswith("PAD"):
            pad = info["PLLOUT_A"]
            port, inputs["PACKAGEPIN"] = built.pins.get(pad, f"io_{pad[0]}_{pad[1]}_{pad[2]}"), built.new()
            built.ports[port] = {"direction": "input", "bits": [inputs["PACKAGEPIN"]]}
            built.names[port] = [inputs["PACKAGEPIN"]]
        else:
            inputs["REFERENCECLK"] = built.read(info["REFERENCECLK"])
        settings = {name: int(bits(name, count), 2) for name, count in DIVIDERS.items()}
        built.cell(PLLS[kind], f"pll_{each}", inputs, outputs, settings)
    return taken


def _block_memory(built: _Netlist, tile: Tile) -> None:
    """Of two tiles, the lower one named."""
    chip, above = built.chip, (tile[0], tile[1] + 1)
    settings = chip.bits(tile, "RamConfig") | chip.bits(above, "RamConfig")
    if ("PowerUp" in settings) != (chip.device in ("8k", "5k", "u4k")):
        return
    lower, upper = (bool(chip.bits(each, "NegClk")) for each in (tile, above))
    reads_late, writes_late = (lower, upper) if chip.device == "8k" else (upper, lower)
    if reads_late or writes_late:
        raise BitsUnknown(f"the block memory at {tile} is clocked by the falling edge")

    def net(wire: str, otherwise: str = "0") -> Net:
        """What a port is connected to, which has its wire in one of the tiles."""
        found = [each for each in ((*tile, f"ram/{wire}"), (*above, f"ram/{wire}")) if each in built.nets]
        return built.read(found[0]) if found else otherwise

    content = chip.config.ram_data.get(tile, ["0"] * 16)
    inputs: dict[str, Nets] = {
        **{name: [net(f"{name}_{bit}") for bit in range(11)] for name in ("WADDR", "RADDR")},
        **{name: [net(f"{name}_{bit}") for bit in range(16)] for name in ("MASK", "WDATA")},
        **{name: net(name) for name in ("WE", "WCLK", "RE", "RCLK")},
        **{name: net(name, "1") for name in ("WCLKE", "RCLKE")},
    }
    parameters = {
        "READ_MODE": ("CBIT_2" in settings) + 2 * ("CBIT_3" in settings),
        "WRITE_MODE": ("CBIT_0" in settings) + 2 * ("CBIT_1" in settings),
        **{f"INIT_{row:X}": int(content[row], 16) for row in range(16)},
    }
    outputs = {"RDATA": [net(f"RDATA_{bit}", "x") for bit in range(16)]}
    built.cell("SB_RAM40_4K", f"ram_{tile[0]}_{tile[1]}", inputs, outputs, parameters)


def _word(ports: Mapping[str, Segment], name: str, width: int) -> Iterator[Segment]:
    return (ports[f"{name}_{bit}"] for bit in range(width))


def _large_memories(built: _Netlist) -> None:
    for (x, y, place), ports in sorted(built.chip.library.spram_db[built.chip.device].items()):
        *enabled, bit = ports["SPRAM_EN"]
        if bit not in built.chip.bits((enabled[0], enabled[1]), "IpConfig"):
            continue

        def read(port: str, ports: Mapping = ports) -> Net:
            return built.read(ports[port])

        inputs = {name: [read(f"{name}_{bit}") for bit in range(width)] for name, width in SPRAM_WORDS.items()}
        inputs |= {name: read(name) for name in SPRAM_CONTROLS}
        outputs = {"DATAOUT": [built.nets.get(segment, "x") for segment in _word(ports, "DATAOUT", 16)]}
        built.cell("SB_SPRAM256KA", f"spram_{x}_{y}_{place}", inputs, outputs)


def _multiplier(built: _Netlist, tile: Tile) -> None:
    """Of four tiles, the lowest one named; those whose products nothing reads are left out."""
    ports, places = built.chip.config.get_dsp_nets_db(*tile), built.chip.config.get_dsp_config_db(*tile)
    products = [built.nets.get(segment, "x") for segment in _word(ports, "O", 32)]
    if all(net == "x" for net in products) and ports["CO"] not in built.nets:
        return

    def is_set(name: str) -> bool:
        x, y, bit = places[name]
        return bit in built.chip.bits((x, y), "IpConfig")

    parameters = {
        name: is_set(name) * 1 if width == 1 else sum(is_set(f"{name}_{bit}") << bit for bit in range(width))
        for name, width in FIELDS.items()
    }
    inputs: dict[str, Nets] = {name: [built.read(segment) for segment in _word(ports, name, 16)] for name in "ABCD"}
    inputs |= {name: built.read(ports[name], "1" if name == "CE" else "0") for name in MAC_CONTROLS}
    outputs = {"O": products, "CO": built.nets.get(ports["CO"], "x")}
    built.cell("SB_MAC16", f"mac_{tile[0]}_{tile[1]}", inputs, outputs, parameters)
