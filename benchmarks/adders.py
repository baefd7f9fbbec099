"""Constant matrices as shared adders, against Amaranth's operators, separate rows and da4ml: ``python -m
benchmarks.adders``.

Random matrices (seed 1) with 8-bit inputs, sizes 8x8 to 64x64, densities 10 to 100 %, 2 to 8 bits and ternary. Ours in
three ways: as `optimise` does by default, with few searches, which take no longer than da4ml, and to da4ml's depth in
additions. Those of at most 3,000 carry bits are placed, too, and made of Amaranth's operators. Every netlist is checked
against the graph on random vectors; all take the same flow, with ECP5's chains opened. Dense matrices are compiled by
both, not synthesised. Of two matrices also cells against placed delay, by the bound on additions on a path. Times are
of the processor, once the search is compiled. Takes about two hours; finished cases are kept in the output folder.
Needs ``pip install da4ml``.
"""

import sys
from math import exp, log
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, finished, parser_for, write_result
from benchmarks.forms import da4ml_form, da4ml_solution, graph_delay_ns, graph_form, plain_form, range_of
from benchmarks.plots import pyplot, save
from logicnn.arithmetic.adders import AdderGraph, AdderGraphError
from logicnn.arithmetic.sharing import least_depth, optimise, without_sharing
from logicnn.commands.command import guarded
from logicnn.resources import Family

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
TIMED = tuple(
    (outputs, inputs, 8, 1.0, True) for outputs, inputs in ((16, 16), (16, 64), (32, 32), (64, 64), (128, 64))
)
FRONTS = ((16, 16, 8, 0.5, False), (16, 32, 2, 1.0, True))
BEYOND = (0, 1, 2)  # additions beyond the least depth that da4ml may take on a path; -1 is its default, without a bound
PLACED = 3000  # carry bits up to which a case is placed and made of operators, which take four times as many cells
QUICK = 12  # searches in the time of da4ml


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


def _described(graph: AdderGraph, seconds: float) -> dict[str, Any]:
    return {
        "adders": len(graph.adders),
        "carry_bits": graph.bits,
        "depth": graph.depth,
        "compile_s": round(seconds, 4),
    }


def _compiled(case: tuple[int, int, int, float, bool], **options: Any) -> tuple[AdderGraph, float]:
    outputs, inputs, bits, density, signed = case
    matrix, ranges = random_matrix(outputs, inputs, bits, density), [range_of(8, signed)] * inputs
    optimise(np.array([[3, 5]]), ranges[:1] * 2)  # which compiles the search, the first time
    start = process_time()
    graph = optimise(matrix, ranges, **options)
    return graph, process_time() - start


def _case(case: tuple[int, int, int, float, bool]) -> dict[str, Any]:
    outputs, inputs, bits, density, signed = case
    return {
        "outputs": outputs,
        "inputs": inputs,
        "weight_bits": bits,
        "density": density,
        "input_bits": 8,
        "signed_inputs": signed,
    }


def measure(case: tuple[int, int, int, float, bool], folder: Path) -> dict[str, Any]:
    """Logic cells of one matrix in every form; of ours and da4ml's also depth, placed delay and time to compile."""
    graph, seconds = _compiled(case)
    quick, quick_seconds = _compiled(case, tries=QUICK)
    separate = without_sharing(graph.matrix, graph.inputs)
    small = graph.bits <= PLACED
    theirs = da4ml_form(graph, folder / "da4ml", placed=small)
    forms = {"shared": (graph, seconds), "quick": (quick, quick_seconds)}
    try:
        forms["at_depth"] = _compiled(case, depth=theirs["depth"])
    except AdderGraphError as error:  # below a tree of the digits, which da4ml's sums may need fewer of
        print(f"{folder.name}: {error}", file=sys.stderr)
    ours = {name: _described(made, took) | graph_form(made, folder / name) for name, (made, took) in forms.items()}
    for name in ours.keys() - {"quick"} if small else ():
        ours[name]["delay_ns"] = graph_delay_ns(forms[name][0], folder / name)
    return _case(case) | {
        **ours,
        "separate_rows": graph_form(separate, folder / "separate"),
        "da4ml": theirs,
        **({"plain": plain_form(graph, folder / "plain")} if small else {}),
    }


def timed(case: tuple[int, int, int, float, bool]) -> dict[str, Any]:
    """Adder bits and times of one matrix, ours and da4ml's."""
    ours, quick, theirs = _compiled(case), _compiled(case, tries=QUICK), da4ml_solution(_compiled(case, tries=1)[0])
    row = _case(case) | _described(*ours) | {"quick": _described(*quick)}
    return row | {
        "da4ml": {
            "adders": theirs.adders,
            "carry_bits": theirs.bits,
            "depth": theirs.depth,
            "compile_s": round(theirs.seconds, 4),
        }
    }


def front(case: tuple[int, int, int, float, bool], folder: Path) -> dict[str, Any]:
    """Cells on ECP5 and placed delay of one matrix by the bound on additions on a path, ours and da4ml's."""
    free, _ = _compiled(case)
    graphs = [_compiled(case, depth=depth)[0] for depth in range(least_depth(free.matrix), free.depth)] + [free]
    ours = {(graph.depth, graph.bits): graph for graph in graphs}
    theirs = {(made.depth, made.bits): beyond for beyond in (*BEYOND, -1) for made in (da4ml_solution(free, beyond),)}
    rows: dict[str, list[dict[str, Any]]] = {"ours": [], "da4ml": []}
    for (depth, bits), graph in ours.items():
        of = folder / f"ours_{depth}_{bits}"
        cells = graph_form(graph, of, (Family.ECP5,)) | {"delay_ns": graph_delay_ns(graph, of)}
        rows["ours"].append({"depth": depth, "carry_bits": bits} | cells)
    for (depth, bits), beyond in theirs.items():
        made = da4ml_form(free, folder / f"da4ml_{depth}_{bits}", (Family.ECP5,), beyond)
        rows["da4ml"].append({name: made[name] for name in ("depth", "carry_bits", "ecp5", "delay_ns")})
    return _case(case) | rows


def plot(fronts: list[dict[str, Any]]) -> None:
    """Cells against delay."""
    plt = pyplot()
    figure, panels = plt.subplots(1, len(fronts), figsize=(10, 4))
    for panel, row in zip(panels, fronts, strict=True):
        for tool, marker in (("ours", "o"), ("da4ml", "s")):
            points = sorted((each["delay_ns"], each["ecp5"], each["depth"]) for each in row[tool])
            panel.plot(*zip(*[point[:2] for point in points], strict=True), marker=marker, label=tool)
            for delay, cells, depth in points:
                panel.annotate(f"{depth}", (delay, cells), textcoords="offset points", xytext=(5, 4))
        kind = "ternary" if row["weight_bits"] == 2 else f"{row['weight_bits']} bits"
        panel.set(
            title=f"{row['outputs']}x{row['inputs']}, {kind}, density {row['density']}",
            xlabel="placed delay, ns (ECP5 speed 6); numbers: additions on a path",
            ylabel="logic cells",
        )
        panel.legend()
    save(figure, RESULTS / "adders_front")


def _ratios(cases: list[dict], form: str, ours: str = "shared") -> list[float]:
    return [
        case[ours][family] / case[form][family]
        for case in cases
        if ours in case and form in case
        for family in ("ice40", "ecp5")
    ]


def _geomean(ratios: list[float]) -> float:
    return round(exp(sum(map(log, ratios)) / len(ratios)), 4)


def _times(rows: list[dict], ours: str) -> list[float]:
    """Time to compile, ours in parts of da4ml's."""
    return [row[ours]["compile_s"] / row["da4ml"]["compile_s"] for row in rows]


def _delays(cases: list[dict], ours: str) -> list[float]:
    """Placed delays, ours in parts of da4ml's, where both were placed."""
    placed = [(case[ours], case["da4ml"]) for case in cases if "delay_ns" in case.get(ours, ())]
    return [mine["delay_ns"] / theirs["delay_ns"] for mine, theirs in placed]


def summary(cases: list[dict], rows: list[dict]) -> dict[str, Any]:
    """Means and worst cases over all cases; times over the timed rows, too."""
    quick = _times(cases, "quick") + _times(rows, "quick")
    return {
        "geomean_vs_da4ml": _geomean(_ratios(cases, "da4ml")),
        "max_vs_da4ml": round(max(_ratios(cases, "da4ml")), 4),
        "geomean_vs_da4ml_at_depth": _geomean(_ratios(cases, "da4ml", "at_depth")),
        "cases_at_depth": sum("at_depth" in case for case in cases),
        "geomean_vs_da4ml_quick": _geomean(_ratios(cases, "da4ml", "quick")),
        "max_vs_da4ml_quick": round(max(_ratios(cases, "da4ml", "quick")), 4),
        "geomean_compile_vs_da4ml_quick": _geomean(quick),
        "max_compile_vs_da4ml_quick": round(max(quick), 4),
        "geomean_compile_vs_da4ml": _geomean(_times(cases, "shared")),
        "geomean_delay_vs_da4ml": _geomean(_delays(cases, "shared")),
        "geomean_delay_vs_da4ml_at_depth": _geomean(_delays(cases, "at_depth")),
        "geomean_vs_plain": _geomean(_ratios(cases, "plain")),
        "geomean_vs_separate_rows": _geomean(_ratios(cases, "separate_rows")),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Fewer cells than da4ml everywhere, in no more time where few searches are made."""
    seconds = {(row["outputs"], row["inputs"]): row["compile_s"] for row in figures["timed"]}
    return {
        "at most 0.80 of da4ml's logic cells in the mean": figures["geomean_vs_da4ml"] <= 0.80,
        "at most 0.95 of da4ml's logic cells in every case": figures["max_vs_da4ml"] <= 0.95,
        "at most 0.85 of da4ml's logic cells at its depth": figures["geomean_vs_da4ml_at_depth"] <= 0.85,
        "few searches take at most da4ml's time": figures["max_compile_vs_da4ml_quick"] <= 1,
        "55 % fewer logic cells than `*` and `+` in the mean": figures["geomean_vs_plain"] <= 0.45,
        "128x64 compiles in less than a minute": seconds[128, 64] < 60,
    }


def main() -> None:
    given = parser_for(__doc__, output="adders").parse_args()
    cases = []
    for case in CASES:
        folder = given.output / "_".join(map(str, case))
        cases.append(finished(folder, measure, case, folder))
    rows = [finished(given.output / f"timed_{case[0]}_{case[1]}", timed, case) for case in TIMED]
    fronts = []
    for case in FRONTS:
        folder = given.output / f"front_{'_'.join(map(str, case))}"
        fronts.append(finished(folder, front, case, folder))
    figures = {"cases": cases, "timed": rows, "fronts": fronts} | summary(cases, rows)
    write_result("adders", SEED, figures, required(figures), given=given)
    plot(fronts)


if __name__ == "__main__":
    sys.exit(guarded(main))
