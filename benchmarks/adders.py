"""Constant matrices as shared adders, against Amaranth's operators, separate rows and da4ml: ``python -m
benchmarks.adders``.

Random matrices (seed 1) with 8-bit inputs, sizes 8x8 to 64x64, densities 10 to 100 %, 2 to 8 bits and ternary. Every
netlist is checked against the graph on random vectors. Takes about two hours; finished cases are kept in the output
folder. Needs ``pip install da4ml``.
"""

import sys
from math import exp, log
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.common import finished, parser_for, write_result
from benchmarks.forms import da4ml_form, graph_delay_ns, graph_form, plain_form, range_of
from logicnn.arithmetic.adders import AdderGraph
from logicnn.arithmetic.sharing import optimise, without_sharing
from logicnn.commands.command import guarded

SEED = 1
# (outputs, inputs, weight bits, density, signed inputs); two bits are ternary, -1, 0 and +1; one bit is -1 and +1
CASES = (
    (8, 8, 8, 1.0, True),
    (8, 8, 8, 0.5, False),
    (8, 8, 4, 1.0, True),
    (8, 16, 8, 0.5, True),
    (8, 32, 8, 0.5, False),
    (8, 64, 8, 0.3, True),
    (16, 8, 8, 1.0, True),
    (16, 16, 8, 1.0, True),
    (16, 16, 8, 0.5, False),
    (16, 16, 6, 0.5, True),
    (16, 16, 4, 1.0, True),
    (16, 16, 3, 1.0, False),
    (16, 32, 8, 0.25, False),
    (16, 32, 2, 1.0, True),
    (16, 64, 8, 0.2, True),
    (16, 64, 2, 0.5, False),
    (32, 16, 8, 0.3, True),
    (32, 32, 8, 0.1, True),
    (32, 32, 8, 0.3, True),
    (32, 32, 5, 0.3, False),
    (32, 32, 1, 1.0, True),
    (32, 64, 4, 0.2, True),
    (32, 64, 1, 1.0, True),
    (64, 16, 8, 0.2, True),
    (64, 64, 8, 0.1, True),
    (64, 64, 2, 0.3, False),
)
TIMED = ((16, 64, 8, 1.0, True), (64, 64, 8, 1.0, True))


def random_matrix(outputs: int, inputs: int, bits: int, density: float) -> np.ndarray:
    """Uniform weights of so many bits, each kept with the probability `density`."""
    rng = np.random.default_rng(SEED)
    match bits:
        case 1:
            weights = rng.choice([-1, 1], (outputs, inputs))
        case 2:
            weights = rng.integers(-1, 2, (outputs, inputs))
        case _:
            weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, (outputs, inputs))
    return weights * (rng.random((outputs, inputs)) < density)


def _described(case: tuple[int, int, int, float, bool], graph: AdderGraph, seconds: float) -> dict:
    outputs, inputs, bits, density, signed = case
    return {
        "outputs": outputs,
        "inputs": inputs,
        "weight_bits": bits,
        "density": density,
        "input_bits": 8,
        "signed_inputs": signed,
        "adders": len(graph.adders),
        "carry_bits": graph.bits,
        "depth": graph.depth,
        "compile_s": round(seconds, 2),
    }


def _compiled(case: tuple[int, int, int, float, bool]) -> tuple[AdderGraph, float]:
    outputs, inputs, bits, density, signed = case
    start = process_time()
    graph = optimise(random_matrix(outputs, inputs, bits, density), [range_of(8, signed)] * inputs)
    return graph, process_time() - start


def measure(case: tuple[int, int, int, float, bool], folder: Path) -> dict:
    """Logic cells of one matrix in every form; of ours and da4ml's also depth, placed delay and time to compile."""
    graph, seconds = _compiled(case)
    separate = without_sharing(graph.matrix, graph.inputs)
    return _described(case, graph, seconds) | {
        "shared": graph_form(graph, folder / "shared") | {"delay_ns": graph_delay_ns(graph, folder / "shared")},
        "separate_rows": graph_form(separate, folder / "separate"),
        "plain": plain_form(graph, folder / "plain"),
        "da4ml": da4ml_form(graph, folder / "da4ml"),
    }


def _ratios(cases: list[dict], form: str) -> list[float]:
    return [case["shared"][family] / case[form][family] for case in cases for family in ("ice40", "ecp5")]


def _geomean(ratios: list[float]) -> float:
    return round(exp(sum(map(log, ratios)) / len(ratios)), 4)


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Large matrices have to compile in the times that a user may wait."""
    seconds = {(row["outputs"], row["inputs"]): row["compile_s"] for row in figures["timed"]}
    return {
        "no case takes more logic cells than da4ml": figures["max_vs_da4ml"] <= 1,
        "15 % fewer logic cells than da4ml in the mean": figures["geomean_vs_da4ml"] <= 0.85,
        "55 % fewer logic cells than `*` and `+` in the mean": figures["geomean_vs_plain"] <= 0.45,
        "16x64 compiles in less than 5 s": seconds[16, 64] < 5,
        "64x64 compiles in less than a minute": seconds[64, 64] < 60,
    }


def main() -> None:
    given = parser_for(__doc__, output="adders").parse_args()
    cases = []
    for case in CASES:
        folder = given.output / "_".join(map(str, case))
        cases.append(finished(folder, measure, case, folder))
    timed = [_described(case, *_compiled(case)) for case in TIMED]
    figures = {
        "cases": cases,
        "timed": timed,
        "geomean_vs_da4ml": _geomean(_ratios(cases, "da4ml")),
        "max_vs_da4ml": round(max(_ratios(cases, "da4ml")), 4),
        "geomean_vs_plain": _geomean(_ratios(cases, "plain")),
        "geomean_vs_separate_rows": _geomean(_ratios(cases, "separate_rows")),
    }
    write_result("adders", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
