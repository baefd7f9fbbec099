"""Rows of weights pruned as wholes, chosen by one knapsack or by layers, and single weights: ``python -m
benchmarks.knapsack``.

The jet classifier 16-64-32-32-5 on jets of our own simulation, 8-bit weights, three seeds; every method gets the same
share of its resource, and what comes of it is placed. Choices are made on validation samples, test samples are read
once. Half an hour on one core; finished cases are kept in the output folder.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import finished, parser_for, write_result
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.flow.build import Options, build
from logicnn.flow.progress import Steps
from logicnn.network import Network
from logicnn.nn import integer
from logicnn.nn.integer.groups import Plan, accuracy, group_pruned
from logicnn.pruning.structures import Structure, rows, single
from train.jsc_reuse import EPOCHS, exported, quantised, right
from train.logic_design import JSC, VALIDATION

SEEDS = (1, 2, 3)
SHARE = 0.3  # of what the whole network uses
SHAPES = ((64, 16), (32, 64), (32, 32), (5, 32))
BOARD, TILE = "icebreaker", (2, 8)  # neurons, and values of each, at a time: two to a DSP block
REUSE = round(sum(neurons * inputs for neurons, inputs in SHAPES) / (TILE[0] * TILE[1]))
# What a group is, the resource that falls, and whether one knapsack is over all layers
METHODS: dict[str, tuple[str, str, bool]] = {
    "rows, knapsack": ("rows", "cycle", True),
    "rows, by layer": ("rows", "cycle", False),
    "single weights": ("single", "weight", True),
}


def structures_of(kind: str) -> list[Structure]:
    return [rows(shape, *TILE) if kind == "rows" else single(shape) for shape in SHAPES]


@cache
def whole(seed: int, data_dir: str | None) -> integer.QuantNet:
    """The network before pruning, the same for all methods."""
    torch.set_num_threads(1)
    return quantised(datasets.load(JSC.dataset, data_dir), seed)


def trained(method: str, seed: int, data_dir: str | None) -> tuple[Network, Network, dict[str, float]]:
    """The network before and after, and accuracies."""
    data = datasets.load(JSC.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    net = whole(seed, data_dir)
    kind, resource, together = METHODS[method]
    # No step is refused, so that all methods end at the same share
    plan = Plan((resource,), least=SHARE, epochs=EPOCHS[2], tolerance=0.0, together=together, seed=seed)
    pruned, steps = group_pruned(net, structures_of(kind), plan, train, held)
    before, after = exported(net, data, "jsc"), exported(pruned, data, "jsc-pruned")
    return (
        before,
        after,
        {
            "accuracy_before": right(before, data),
            "accuracy_after": right(after, data),
            "validation_accuracy_before": accuracy(net, held),
            "validation_accuracy_after": steps[-1].accuracy,
        },
    )


def placed(network: Network, folder: Path) -> dict[str, Any]:
    """Resources of the placed netlist, which is compared with the network on the test samples."""
    mapping = Mapping([Reused(network, 0, len(network.layers), *TILE)])
    report = build(mapping, boards.find(BOARD), Options(folder, 1), Steps(quiet=False))
    checked = report.verification
    assert checked is not None
    return {
        "dsp": report.resources.dsp,
        "bram": report.resources.bram,
        "lut": report.resources.lut4,
        "ff": report.resources.ff,
        "logic_cells": report.resources.logic_cells,
        "cycles": report.timing.latency_cycles,
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "vectors": checked.vectors,
        "mismatches": checked.mismatches,
    }


def measure(method: str, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One seed; the first one is placed, before and after."""
    before, after, accuracies = trained(method, seed, data_dir)
    found: dict[str, Any] = {"seed": seed} | accuracies
    if seed == SEEDS[0]:  # the stages of a build are kept: the network before is placed once
        found |= {when: placed(each, folder.parent) for when, each in (("before", before), ("after", after))}
    return found


def row_of(method: str, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    first = seeds[0]
    return {
        "network": "jsc 16-64-32-32-5",
        "dataset": JSC.dataset,
        "board": BOARD,
        "reuse": REUSE,
        "method": method,
        "share": SHARE,
        "accuracy_before": first["accuracy_before"],
        "accuracy_after": first["accuracy_after"],
        **{f"{what}_{when}": first[when][what] for what in ("dsp", "bram", "cycles") for when in ("before", "after")},
        **{what: first["after"][what] for what in ("lut", "ff", "logic_cells", "cycles", "fmax_mhz", "vectors")},
        "mismatches": first["after"]["mismatches"],
        "seeds": [{key: each[key] for key in each if key not in ("before", "after")} for each in seeds],
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Rows that are pruned as wholes leave memory and time, and a knapsack chooses better than the same share of every
    layer.
    """
    rows = {row["method"]: row for row in figures["rows"]}
    wholes = rows["rows, knapsack"]
    return {
        "a third less block RAM or more": wholes["bram_after"] <= wholes["bram_before"] * 2 / 3,
        "a third fewer cycles or more": wholes["cycles_after"] <= wholes["cycles_before"] * 2 / 3,
        "within 2.5 % of the accuracy before, in the mean": _mean(wholes, "after") >= 0.975 * _mean(wholes, "before"),
        "the knapsack is ahead of layer by layer": _mean(wholes, "after") >= _mean(rows["rows, by layer"], "after"),
    }


def _mean(row: dict[str, Any], when: str) -> float:
    return sum(each[f"accuracy_{when}"] for each in row["seeds"]) / len(row["seeds"])


def main() -> None:
    given = parser_for(__doc__, output="knapsack", data=True).parse_args()
    found = []
    for method in METHODS:
        folders = [given.output / f"{method}-{seed}".replace(" ", "_").replace(",", "") for seed in SEEDS]
        seeds = [
            finished(folder, measure, method, seed, folder, given.data_dir)
            for seed, folder in zip(SEEDS, folders, strict=True)
        ]
        found.append(row_of(method, seeds))
        print(json.dumps(found[-1]), flush=True)
    figures = {"rows": found}
    write_result("knapsack", SEEDS[0], figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
