"""Networks of learned LUT4 for MNIST, placed on an icebreaker, their classes counted in turn: accuracy against cells.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts

Reads what `benchmarks.luts_train` trained. Whole board designs with link, stored sample and class, each netlist checked
on the 10,000 test images and on 4,096 vectors more. Four minutes of one core.
"""

import json
import sys
from typing import Any

from benchmarks.common import NETWORKS, RESULTS, finished, parser_for, rounded, write_result
from benchmarks.luts_train import FAST, MAIN, RUNS
from benchmarks.plots import pyplot, save
from logicnn import load
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping
from logicnn.engines.counted import Counted
from logicnn.errors import LogicnnError
from logicnn.flow.build import Options, build
from logicnn.flow.progress import Steps
from logicnn.network import Network

BOARD = "icebreaker"
SEED = 1
GOAL, SMALL_GOAL, SMALL_CELLS = 0.987, 0.978, 3400


def network_of(name: str) -> Network:
    """The shipped one, or one of the benchmarks."""
    return load(MAIN if name == MAIN else NETWORKS / f"{name}.lnn")


def placed(name: str, options: Options) -> dict[str, Any]:
    """One network on the board."""
    network = network_of(name)
    return {"network": name, "dataset": "MNIST"} | built(Counted.row(network), BOARD, options)


def built(mapping: Mapping, board: str, options: Options) -> dict[str, Any]:
    """What a network of learned tables comes to on a board, checked, or why it does not."""
    network = mapping.network
    row = {"digest": network.digest(), "board": board}
    try:
        report = build(mapping, boards.find(board), options, Steps(quiet=True))
    except LogicnnError as refusal:  # too large, or nextpnr finds no routes
        return row | {"fits": False, "refusal": str(refusal)}
    checked = report.verification
    assert checked is not None
    return row | {
        "fits": True,
        "device": report.device,
        "accuracy": checked.accuracy,
        "logic_cells": report.resources.logic_cells,
        "estimated_logic_cells": report.estimate.logic_cells,
        "lut4": report.resources.lut4,
        "ff": report.resources.ff,
        "inputs": len(network.read_inputs()),
        "tables": sum(len(layer.tables) for layer in network.layers if hasattr(layer, "tables")),
        "core_delay_ns": rounded(report.timing.core_delay_ns),
        "latency_cycles": report.timing.latency_cycles,
        "clock_mhz": round(report.timing.clock_mhz, 3),
        "seed": report.placement.seed,
        "vectors": checked.vectors,
        "checked_on": checked.dataset,
        "mismatches": checked.mismatches,
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """The goals, and that netlists are their networks."""
    rows = [row for row in figures["rows"] if row["fits"]]
    ours = {row["network"]: row for row in rows}
    return {
        "every netlist is equal to its network on the 10,000 test images and 4,096 vectors": all(
            row["mismatches"] == 0 and row["vectors"] > 14_000 and "mnist test (10000)" in row["checked_on"]
            for row in rows
        ),
        f"{GOAL:.1%} on the icebreaker": MAIN in ours and ours[MAIN]["accuracy"] >= GOAL,
        f"{SMALL_GOAL:.1%} in at most {SMALL_CELLS:,} logic cells": any(
            row["accuracy"] >= SMALL_GOAL and row["logic_cells"] <= SMALL_CELLS for row in ours.values()
        ),
        "logic cells within 5 % of the estimate": all(
            abs(row["estimated_logic_cells"] / row["logic_cells"] - 1) < 0.05 for row in ours.values()
        ),
    }


def plot(rows: list[dict[str, Any]]) -> None:
    figure, axes = pyplot().subplots(figsize=(7, 4.5))
    pruned = json.loads((RESULTS / "payra.json").read_text())["placed"]
    for label, points in {
        "learned tables": [row for row in rows if row["fits"]],
        "pruned binarized neurons (payra.json)": [row for row in pruned if row["board"] == BOARD],
    }.items():
        series = sorted((row["logic_cells"], 100 * row["accuracy"]) for row in points)
        axes.plot(*zip(*series, strict=True), marker="o", label=label)
    axes.set(
        xlabel="logic cells of the whole board design, placed on an iCE40UP5K",
        ylabel="MNIST test accuracy of the netlist, %",
        title="Networks as logic",
        ylim=(85, 100),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    save(figure, RESULTS / "luts")


def main() -> None:
    given = parser_for(__doc__, output="luts", data=True).parse_args()
    datasets.load("mnist", given.data_dir)  # or say at once that it is missing
    options = Options(given.output, SEED, "full", given.data_dir)
    trained = json.loads((RESULTS / "luts_train.json").read_text())["runs"]
    rows = []
    for name in (each for each in RUNS if each != FAST):
        row = finished(given.output / f"{name}-{trained[name]['digest'][:16]}", placed, name, options)
        rows.append(row | {"accuracy_seeds": [each["accuracy"] for each in trained[name]["seeds"]]})
        print(json.dumps(rows[-1]), flush=True)
    figures = {"rows": rows}
    write_result("luts", SEED, figures, required(figures), given=given)
    plot(rows)


if __name__ == "__main__":
    sys.exit(guarded(main))
