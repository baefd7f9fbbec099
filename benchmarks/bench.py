"""A component between registers, synthesised, checked and placed by itself: what it costs and how fast it is without a
design around it.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from amaranth import *
from amaranth.back import rtlil
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform
from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform

from benchmarks.vectors import check
from logicnn.bits import pack
from logicnn.flow import tools
from logicnn.flow.timing import Placed
from logicnn.gateware.wires import KEEP
from logicnn.netlist.chains import open_chains
from logicnn.netlist.netlist import Netlist
from logicnn.resources import Device, Family

__all__ = ["PLATFORMS", "Bench", "checked", "delay_ns", "opened_netlist", "own_luts", "place", "synthesise", "toggles"]

PLATFORMS = {
    "iCE40UP5K": ICEBreakerPlatform,
    "iCE40HX8K": ICE40HX8KBEVNPlatform,
    "iCE40LP8K": TinyFPGABXPlatform,
    "LFE5U-25F": ULX3S_25F_Platform,
    "LFE5U-85F": ULX3S_85F_Platform,
}
ECP5 = "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained", "--textcfg", "top.config"
NEXTPNR = {
    "iCE40UP5K": ["nextpnr-ice40", "--up5k", "--package", "sg48", "--asc", "top.asc"],
    "iCE40HX8K": ["nextpnr-ice40", "--hx8k", "--package", "ct256", "--asc", "top.asc"],
    "iCE40LP8K": ["nextpnr-ice40", "--lp8k", "--package", "cm81", "--asc", "top.asc"],
    "LFE5U-25F": ["nextpnr-ecp5", "--25k", *ECP5],
    "LFE5U-85F": ["nextpnr-ecp5", "--85k", *ECP5],
}


class Bench(Elaboratable):
    """A component between registers: its `i` shifts in from one pin and is taken over at `load`, the parity of its
    registered `o` goes out.

    Without `load` a register behind the input would equal the next place of the shift register, and synthesis would
    make them one.
    """

    def __init__(self, component):
        self._component = component
        self.pin = Signal()
        self.load = Signal()
        self.parity = Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.logic = self._component
        given, result = Value.cast(self._component.i), Value.cast(self._component.o)
        held = Signal(len(given), reset_less=True, attrs=KEEP)
        taken = Signal(len(result), reset_less=True, attrs=KEEP)
        line = Signal(len(given), reset_less=True)
        m.d.sync += [line.eq(Cat(line[1:], self.pin)), taken.eq(result)]
        with m.If(self.load):
            m.d.sync += held.eq(line)
        m.d.comb += given.eq(held)
        level: Sequence[Value] = list(taken)
        while len(level) > 1:  # one LUT between registers
            folded = Signal(-(-len(level) // 4), reset_less=True)
            m.d.sync += folded.eq(Cat(Cat(level[start : start + 4]).xor() for start in range(0, len(level), 4)))
            level = list(folded)
        m.d.comb += self.parity.eq(level[0])
        return m


def own_luts(outputs: int) -> int:
    """LUTs of the bench itself around a component of so many output bits: one for every two to four, level by level."""
    total = 0
    while outputs > 1:
        total += outputs // 4 + (outputs % 4 > 1)
        outputs = -(-outputs // 4)
    return total


def synthesise(component, device: Device, folder: Path, options: str = "", before: str = "") -> Netlist:
    """The bench of a component as a netlist, by the default flow of its family; `options` and commands `before` it for
    comparisons only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(component)
    text = rtlil.convert(
        bench, ports=[bench.pin, bench.load, bench.parity], platform=PLATFORMS[device.name](), emit_src=False
    )
    (folder / "top.il").write_text(text)
    (folder / "top.ys").write_text(
        f"read_rtlil top.il\n{before}\nsynth_{device.family.value} {options} -top top\nwrite_json top.json\n"
    )
    tools.run(["yosys", "-q", "top.ys"], folder, "synthesis.log")
    return opened_netlist(folder / "top.json", device.family)


def opened_netlist(path: Path, family: Family) -> Netlist:
    """What Yosys wrote as a build takes it: on ECP5 without feed-ins of constants into chains, in place."""
    if family is Family.ECP5:
        open_chains(path, path)
    return Netlist(path)


def checked(
    netlist: Netlist, given: np.ndarray, expected: np.ndarray
) -> int:  # (samples, bits) bool, of `i` and of `o`
    """Compares what the component's logic computes; returns how many vectors, raises `CheckFailed` at the first
    difference.
    """
    return check(netlist, netlist.nets("held"), netlist.next_of_registers("taken"), given, expected)


def toggles(netlist: Netlist, given: np.ndarray) -> float:  # (samples, bits) bool, of `i`
    """Changes of cell outputs from one sample to the next, without glitches."""
    packed = dict(zip(netlist.nets("held"), pack(given), strict=True))
    return sum(netlist.activity(packed, netlist.next_of_registers("taken"), len(given)).values()) / (len(given) - 1)


def place(device: Device, folder: Path, seed: int, megahertz: float, *options: str) -> Placed:
    """Places and routes what `synthesise` wrote to `folder`, with a clock target; `options` of nextpnr come last."""
    more = ["--router", "router2"] if device.family is Family.ICE40 else []
    report = f"timing{seed}.json"
    command = [
        *NEXTPNR[device.name],
        *more,
        "--json",
        "top.json",
        "--report",
        report,
        "--detailed-timing-report",
        "--timing-allow-fail",
    ]
    tools.run(
        [*command, "--quiet", "--seed", str(seed), "--freq", f"{megahertz:.0f}", *options],
        folder,
        f"place_route{seed}.log",
    )
    return Placed.read(folder / report)


def delay_ns(netlist: Netlist, device: Device, folder: Path, seeds: Collection[int], megahertz: float) -> float:
    """From the registers before a component to those behind it, placed: the median over seeds."""
    into = netlist.places_of_registers("taken")
    return median(place(device, folder, seed, megahertz).delay_into(into) for seed in seeds)
