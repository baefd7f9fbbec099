"""Yang et al. 2018, Fig. 5: LUT4 of the pattern selector, and the sparse processing engine beside a plain one of 5 x 5
multipliers.

Patterns are those that `by_coverage` chooses for random kernels of 5 x 5. Selectors are checked against numpy on random
vectors; engines, which are pipelines, are checked in simulation (sim_tests/gateware/sparse/test_spe.py), not as
netlists. Synthesis options are those of the build.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks.bench import checked, own_luts, place, synthesise
from benchmarks.common import RESULTS, finished, parser_for, write_result
from benchmarks.plots import pyplot, save
from benchmarks.vectors import as_bits
from logicnn.commands.command import guarded
from logicnn.engines.sparse.selectors import Selection
from logicnn.errors import CheckFailed
from logicnn.flow.design import SYNTH_OPTIONS
from logicnn.gateware.sparse.spe import EngineRanges, PatternSelector, ProcessingEngine, SparseProcessingEngine
from logicnn.netlist.netlist import Netlist
from logicnn.network import Interval
from logicnn.pruning.patterns import by_coverage
from logicnn.resources import DEVICES, Device, Family

SEED = 1
SIZE = 25
KERNELS = 100  # of a set
VECTORS = 4096
FLAT = "hierarchy -top top; proc; flatten; opt_clean -purge"  # Yosys 0.70 fails in ABC9 on some of the engines without
DEVICES_USED = ("iCE40UP5K", "LFE5U-85F")
LUT4 = {Family.ICE40: "SB_LUT4", Family.ECP5: "LUT4"}
DSP = {Family.ICE40: "SB_MAC16", Family.ECP5: "MULT18X18D"}
SETS, PATTERNS, WORDS, KEEPS = (1, 2, 4, 8, 16), (2, 4, 8, 16, 32), (1, 4, 8, 16), (1, 2, 3, 4, 6, 8, 12)


def selection(sets: int, patterns: int, keep: int) -> Selection:
    rng = np.random.default_rng(SEED)
    return Selection.of([by_coverage(rng.normal(size=(KERNELS, SIZE)), keep, patterns) for _ in range(sets)])


class Flat(wiring.Component):
    """A component with all its inputs in one word and all its outputs in another; streams are always valid and always
    ready.
    """

    def __init__(self, component: wiring.Component):
        self._component = component
        self._streams = not isinstance(component, PatternSelector)
        given = len(Value.cast(component.i.payload)) if self._streams else len(Cat(component.window, component.number))
        result = len(Value.cast(component.o.payload)) if self._streams else len(Value.cast(component.o))
        super().__init__({"i": In(given), "o": Out(result)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self._component
        if self._streams:
            m.d.comb += [inner.i.valid.eq(1), inner.o.ready.eq(1), Value.cast(inner.i.payload).eq(self.i)]
            m.d.comb += self.o.eq(Value.cast(inner.o.payload))
        else:
            m.d.comb += [Cat(inner.window, inner.number).eq(self.i), self.o.eq(Value.cast(inner.o))]
        return m


def luts(netlist: Netlist, device: Device, outputs: int) -> int:
    """LUT4, those of carry chains included, without the bench's."""
    return netlist.cells[LUT4[device.family]] + 2 * netlist.cells["CCU2C"] - own_luts(outputs)


def selector(sets: int, patterns: int, keep: int, width: int, device: Device, folder: Path) -> dict[str, Any]:
    chosen = selection(sets, patterns, keep)
    flat = Flat(PatternSelector(chosen, Interval(0, (1 << width) - 1)))
    netlist = synthesise(flat, device, folder, SYNTH_OPTIONS[device.family])
    rng = np.random.default_rng(SEED)
    window = rng.integers(0, 1 << width, (VECTORS, SIZE))
    numbers = rng.choice(np.array(list(chosen.numbers)), VECTORS)
    positions = np.array([chosen.numbers[int(each)] for each in numbers])
    given = np.concatenate([as_bits(window, [width] * SIZE), as_bits(numbers[:, None], [chosen.number_bits])], axis=1)
    expected = as_bits(np.take_along_axis(window, positions, axis=1), [width] * keep)
    vectors = checked(netlist, given, expected)
    return {
        "device": device.name,
        "sets": sets,
        "patterns": patterns,
        "keep": keep,
        "word_bits": width,
        "inputs": sum(map(len, chosen.inputs)),
        "inputs_in_order": sum(
            len(set(column)) for column in np.concatenate([each.positions for each in chosen.sets]).T.tolist()
        ),
        "lut4": luts(netlist, device, keep * width),
        "vectors": vectors,
    }


def engine(keep: int | None, dsp: bool, device: Device, folder: Path) -> dict[str, Any]:
    """A whole engine of 8-bit words and weights; `keep` None is the plain one. No clock where it does not fit."""
    ranges = EngineRanges(Interval(0, 255), Interval(-128, 127), Interval(-(1 << 21), (1 << 21) - 1), 8, 15)
    component = (
        ProcessingEngine(SIZE, ranges, dsp=dsp)
        if keep is None
        else SparseProcessingEngine(selection(1, 8, keep), ranges, dsp=dsp)
    )
    flat = Flat(component)
    option = "-nodsp" if device.family is Family.ECP5 and not dsp else ""
    netlist = synthesise(flat, device, folder, f"{SYNTH_OPTIONS[device.family]} {option}", FLAT)
    row = {
        "device": device.name,
        "engine": "plain 5x5" if keep is None else "sparse",
        "keep": SIZE if keep is None else keep,
        "multipliers": "DSP" if dsp else "logic",
        "lut4": luts(netlist, device, len(flat.o)),
        "dsp": netlist.cells[DSP[device.family]],
        "latency": component.latency,
    }
    try:
        row["fmax_mhz"] = round(place(device, folder, SEED, 100).clock()[0], 2)
    except CheckFailed:  # more cells than there are, with the registers around it
        row["fmax_mhz"] = None
    return row


def sweeps() -> Iterable[tuple[int, int, int, int]]:
    """(sets, patterns, keep, word bits) of Fig. 5a, b and c."""
    yield from ((sets, 8, 3, 8) for sets in SETS)
    yield from ((1, patterns, 3, width) for patterns in PATTERNS for width in WORDS)
    yield from ((1, 8, keep, 8) for keep in KEEPS)


def required(selectors: list[dict[str, Any]], engines: list[dict[str, Any]]) -> dict[str, bool]:
    """A multiplier a kept weight; two share a DSP block of iCE40."""
    plain = {(row["device"], row["multipliers"]): row["lut4"] for row in engines if row["engine"] != "sparse"}
    sparse = [row for row in engines if row["engine"] == "sparse"]

    def blocks(row: dict[str, Any]) -> int:
        return 0 if row["multipliers"] == "logic" else -(-row["keep"] // (2 if row["device"] == "iCE40UP5K" else 1))

    return {
        "every selector is compared on 4,096 vectors": all(row["vectors"] >= 4096 for row in selectors),
        "assignments read no more positions than patterns in order": all(
            row["inputs"] <= row["inputs_in_order"] for row in selectors
        ),
        "sparse engines are smaller than the plain one": all(
            row["lut4"] < plain[row["device"], row["multipliers"]] for row in sparse
        ),
        "a multiplier a kept weight": all(row["dsp"] == blocks(row) for row in sparse),
    }


def plot(rows: list[dict[str, Any]]) -> None:
    figure, panels = pyplot().subplots(1, 3, figsize=(13, 4))
    for device in DEVICES_USED:
        own = [row for row in rows if row["device"] == device]

        def drawn(panel: Any, x: str, chosen: list[dict[str, Any]], label: str) -> None:
            points = sorted((row[x], row["lut4"]) for row in chosen)
            panel.plot(*zip(*points, strict=True), marker="o", label=label)

        drawn(
            panels[0],
            "sets",
            [row for row in own if (row["patterns"], row["keep"], row["word_bits"]) == (8, 3, 8)],
            device,
        )
        for width in WORDS:
            chosen = [row for row in own if (row["sets"], row["keep"], row["word_bits"]) == (1, 3, width)]
            drawn(panels[1], "patterns", chosen, f"{device}, {width} bits")
        drawn(
            panels[2],
            "keep",
            [row for row in own if (row["sets"], row["patterns"], row["word_bits"]) == (1, 8, 8)],
            device,
        )
    for panel, label in zip(panels, ("sets covered", "patterns of a set", "weights that a pattern keeps"), strict=True):
        panel.set(xlabel=label, ylabel="LUT4 of the selector")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    save(figure, RESULTS / "spe_fig5")


def main() -> None:
    given = parser_for(__doc__, output="spe").parse_args()
    selectors, engines = [], []
    for name in DEVICES_USED:
        device = DEVICES[name]
        for case in dict.fromkeys(sweeps()):
            folder = given.output / f"{name}-selector-{'-'.join(map(str, case))}"
            selectors.append(finished(folder, selector, *case, device, folder))
        for keep in (None, 2, 3, 6):
            for dsp in (False, True):
                folder = given.output / f"{name}-engine-{keep or 'plain'}-{'dsp' if dsp else 'logic'}"
                engines.append(finished(folder, engine, keep, dsp, device, folder))
    figures = {"weights": "random", "selector": selectors, "spe_against_pe": engines}
    write_result("spe", SEED, figures, required(selectors, engines), given=given)
    plot(selectors)


if __name__ == "__main__":
    sys.exit(guarded(main))
