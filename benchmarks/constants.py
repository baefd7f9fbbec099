"""What weight embedding and weight values are worth: Xu et al. 2023, Figs. 2, 3 and 6, in transistors and in logic
cells.

Transistors are Yosys' estimate for static CMOS after mapping to simple gates; the paper's are of a 45 nm library and
its areas have no unit, so that orders and ratios compare, not figures. Costs in carry bits are those of
`logicnn.arithmetic.weight_costs`. Takes a minute.
"""

import sys
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from amaranth import *
from scipy.stats import spearmanr

from benchmarks.common import RESULTS, parser_for, write_result
from benchmarks.gates import transistors
from benchmarks.plots import pyplot, save
from logicnn.arithmetic.weight_costs import multiplier_bits
from logicnn.commands.command import guarded

SEED = 1
PUBLISHED = {
    "fig2_transistors_saved": 0.60,
    "fig3_transistors_saved": 0.65,
    "fig6_area_107": 111,
    "fig6_area_minus_16": 16,
}


class Sum(Elaboratable):
    """``sum(x * w)`` of signed words in two's complement, each weight a number or (None) an input."""

    def __init__(self, bits: int, weights: tuple[int | None, ...]):
        self._bits, self._weights = bits, weights
        words = len(weights) + sum(each is None for each in weights)
        self.i = Signal(bits * words)
        self.o = Signal(2 * bits + (len(weights) - 1).bit_length())

    def elaborate(self, platform):
        m = Module()
        words = [self.i.word_select(index, self._bits).as_signed() for index in range(len(self.i) // self._bits)]
        given = iter(words[len(self._weights) :])
        weights = [next(given) if each is None else C(each, signed(self._bits)) for each in self._weights]
        m.d.comb += self.o.eq(sum((x * w for x, w in zip(words, weights, strict=False)), C(0, 1)))
        return m


def figures(folder: Path) -> dict[str, Any]:
    """All three figures."""
    whole = transistors({"multiplier": Sum(2, (None,)), "fixed": Sum(2, (-2,))}, folder / "fig2")
    pairs = list(product(range(-2, 2), repeat=2))
    named = {f"fixed{index}": Sum(2, pair) for index, pair in enumerate(pairs)}
    macs = transistors({"mac": Sum(2, (None, None)), **named}, folder / "fig3")
    values = range(-128, 128)
    by_value = transistors({f"by{value + 128}": Sum(8, (value,)) for value in values}, folder / "fig6")
    found = [by_value[f"by{value + 128}"] for value in values]
    bits = list(multiplier_bits())
    return {
        "fig2": {"weight": -2, "transistors_input": whole["multiplier"], "transistors_fixed": whole["fixed"]},
        "fig2_transistors_saved": round(1 - whole["fixed"] / whole["multiplier"], 4),
        "fig3": [{"weights": list(pair), "transistors": macs[name]} for pair, name in zip(pairs, named, strict=True)],
        "fig3_transistors_input": macs["mac"],
        "fig3_transistors_saved": round(1 - mean(macs[name] for name in named) / macs["mac"], 4),
        "fig6": [
            {"weight": value, "transistors": a, "carry_bits": b}
            for value, a, b in zip(values, found, bits, strict=True)
        ],
        "fig6_transistors_107": found[107 + 128],
        "fig6_transistors_minus_16": found[-16 + 128],
        "rank_correlation_of_costs": round(float(spearmanr(found, bits).statistic), 4),
        "published": PUBLISHED,
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """What the paper finds, of constants in general and of two of them."""
    published = figures["published"]
    return {
        **{
            f"a fixed weight saves as many transistors as in the paper ({key})": figures[key] >= published[key]
            for key in ("fig2_transistors_saved", "fig3_transistors_saved")
        },
        "107 is five times as expensive as -16": figures["fig6_transistors_107"]
        > 5 * figures["fig6_transistors_minus_16"],
        "carry bits rank constants as transistors do": figures["rank_correlation_of_costs"] > 0.7,
    }


def plot(rows: list[dict[str, int]], path: Path) -> None:
    figure, axes = pyplot().subplots(figsize=(9, 4))
    values = np.array([row["weight"] for row in rows])
    axes.bar(values, [row["transistors"] for row in rows], 1.0, label="transistors (estimate)")
    axes.set(xlabel="constant of an 8-bit multiplier", ylabel="transistors")
    other = axes.twinx()
    other.plot(
        values, [row["carry_bits"] for row in rows], color="tab:red", linewidth=0.8, label="carry bits of our additions"
    )
    other.set_ylabel("carry bits", color="tab:red")
    save(figure, path)


def main() -> None:
    given = parser_for(__doc__, output="constants").parse_args()
    result = figures(given.output)
    write_result("constants", SEED, result, required(result), given=given)
    plot(result["fig6"], RESULTS / "constants")


if __name__ == "__main__":
    sys.exit(guarded(main))
