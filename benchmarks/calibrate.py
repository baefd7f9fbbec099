"""The delay model of `logicnn.resources`, fitted to what nextpnr places: ``python -m benchmarks.calibrate``.

Ladders of LUTs and of additions between registers are placed on a device of each kind with three seeds. The median
delays are fitted by least squares to ``register_ns + level_ns * LUT levels + chain_ns * additions + carry_ns * carry
bits``. Takes about ten minutes.
"""

import sys
from pathlib import Path

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.vendor import LatticeICE40Platform
from scipy.optimize import nnls

from benchmarks.bench import delay_ns, synthesise
from benchmarks.common import parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.gateware.wires import KEEP
from logicnn.resources import DEVICES, Device

SEEDS = (1, 2, 3)
FITTED = "iCE40UP5K", "iCE40HX8K", "iCE40LP8K", "LFE5U-85F"
LANES = 16
LUTS = ((2, 0, 0), (5, 0, 0), (9, 0, 0))  # (LUT levels, additions, bits of an addition)
SUMS = ((0, 1, 8), (0, 1, 24), (0, 2, 12), (0, 4, 8), (0, 4, 20))


class Ladder(wiring.Component):
    """Lanes of LUTs or additions in a row, each reading the one before and inputs of its own. All nets are kept."""

    def __init__(self, levels: int, additions: int, bits: int):
        self._levels, self._additions, self._bits = levels, additions, bits
        self._lanes = LANES if levels else 4
        width = 3 * levels + 1 if levels else (additions + 1) * bits
        super().__init__({"i": In(self._lanes * width), "o": Out(self._lanes * (1 if levels else bits))})

    def elaborate(self, platform):
        m = Module()
        given = iter(self.i)

        def word(count: int) -> Value:
            return Cat(next(given) for _ in range(count))

        results = []
        for lane in range(self._lanes):
            value: Value = word(1 if self._levels else self._bits)
            for step in range(self._levels or self._additions):
                total = Signal(len(value), name=f"lane{lane}_{step}", attrs=KEEP)
                if self._levels:
                    m.submodules += _lut(platform, [*value, *word(3)], total)
                else:
                    m.d.comb += total.eq(value + word(self._bits))
                value = total
            results.append(value)
        m.d.comb += self.o.eq(Cat(results))
        return m


def _lut(platform, inputs: list[Value], output: Value) -> Instance:
    """The fabric's own LUT, so that synthesis cannot shorten the ladder."""
    if isinstance(platform, LatticeICE40Platform):
        return Instance(
            "SB_LUT4", p_LUT_INIT=C(PARITY, 16), o_O=output, **{f"i_I{place}": bit for place, bit in enumerate(inputs)}
        )
    return Instance(
        "LUT4", p_INIT=C(PARITY, 16), o_Z=output, **{f"i_{name}": bit for name, bit in zip("ABCD", inputs, strict=True)}
    )


PARITY = 0b0110_1001_1001_0110


def measure(ladder: tuple[int, int, int], device: Device, folder: Path) -> dict:
    """Median placed delay of a ladder."""
    levels, additions, bits = ladder
    netlist = synthesise(Ladder(levels, additions, bits), device, folder)
    target = 1000 / (device.register_ns + device.level_ns * max(levels, 2 * additions))
    delay = delay_ns(netlist, device, folder, SEEDS, target)
    return {"levels": levels, "additions": additions, "carry_bits": bits, "delay_ns": round(delay, 3)}


def fitted(rows: list[dict]) -> dict[str, float]:
    """The four constants, none negative, by least squares of relative errors."""
    terms = np.array([[1, row["levels"], row["additions"], row["carry_bits"]] for row in rows], float)
    delays = np.array([row["delay_ns"] for row in rows])
    values, _ = nnls(terms / delays[:, None], np.ones(len(rows)))
    return dict(zip(("register_ns", "level_ns", "chain_ns", "carry_ns"), values.round(3).tolist(), strict=True))


def predicted(row: dict, device: Device) -> float:
    """By the constants that the package has."""
    terms = device.level_ns * row["levels"] + device.chain_ns * row["additions"] + device.carry_ns * row["carry_bits"]
    return device.register_ns + terms


def main() -> None:
    given = parser_for(__doc__, output="calibrate").parse_args()
    devices = {}
    for device in (DEVICES[name] for name in FITTED):
        rows = []
        for ladder in LUTS + SUMS:
            print(f"{device.name} {ladder} ...", file=sys.stderr, flush=True)
            row = measure(ladder, device, given.output / device.name / "_".join(map(str, ladder)))
            row["predicted_ns"] = round(predicted(row, device), 3)
            row["error"] = round(row["predicted_ns"] / row["delay_ns"] - 1, 4)
            rows.append(row)
        devices[device.name] = {
            "fitted": fitted(rows),
            "ladders": rows,
            "largest_error": max(abs(row["error"]) for row in rows),
        }
    write_result("calibrate", SEEDS[0], {"seeds": list(SEEDS), "devices": devices}, {}, given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
