"""Weights pruned by the groups that hardware has, chosen by one knapsack, by layers, or one by one: ``python -m
benchmarks.knapsack``.

The jet classifier 16-64-32-32-5 on jets of our own simulation, 8-bit weights, three seeds; every method gets the same
share of its resource, and what comes of it is placed. Choices are made on validation samples, test samples are read
once. Half an hour on one core; finished cases are kept in the output folder.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
from logicnn.pruning.structures import Structure, multipliers, rows, single
from train.jsc_reuse import EPOCHS, exported, quantised, right
from train.logic_design import JSC, VALIDATION

SEEDS = (1, 2, 3)
SHARE = 0.3  # of what the whole network uses
WEIGHT_BITS = 8
Tiles = tuple[tuple[int, int], ...]  # (neurons, inputs) at a time, of each layer


@dataclass(frozen=True)
class Case:
    """Engines on a board: all layers on one tile, or each layer on its own, of so many weights a multiplier."""

    board: str
    tiles: Tiles
    own: bool

    @property
    def reuse(self) -> int:
        """Weights that a multiplier serves."""
        weights = sum(a * b for a, b in SHAPES)
        return round(weights / sum(a * b for a, b in self.tiles)) if self.own else round(weights / _size(self.tiles[0]))

    def mapping(self, network: Network) -> Mapping:
        if not self.own:
            return Mapping([Reused(network, 0, len(network.layers), *self.tiles[0])])
        last = len(self.tiles) - 1
        return Mapping(
            [Reused(network, start, 2 if start == last else 1, *tile) for start, tile in enumerate(self.tiles)]
        )


SHAPES = ((64, 16), (32, 64), (32, 32), (5, 32))
CASES = {
    "one tile": Case("icebreaker", ((2, 8),) * 4, False),
    "own tiles": Case("ulx3s", ((4, 8), (8, 8), (4, 8), (5, 1)), True),
}
# What is a group, and which resources fall
METHODS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "rows, knapsack": ("rows", ("cycle",), True),
    "rows, by layer": ("rows", ("cycle",), False),
    "multipliers, knapsack": ("multipliers", ("dsp", "width"), True),
    "multipliers, by layer": ("multipliers", ("dsp", "width"), False),
    "single weights": ("single", ("weight",), True),
}


def _size(tile: tuple[int, int]) -> int:
    return tile[0] * tile[1]


def methods_of(case: Case) -> list[str]:
    """Multipliers of one tile serve all layers, and are as few as the device has: only rows are pruned there."""
    return [name for name in METHODS if name.startswith(("multipliers" if case.own else "rows", "single"))]


def structures_of(kind: str, tiles: Sequence[tuple[int, int]]) -> list[Structure]:
    match kind:
        case "rows":
            return [rows(shape, *tile) for shape, tile in zip(SHAPES, tiles, strict=True)]
        case "multipliers":
            return [multipliers(shape, *tile, WEIGHT_BITS) for shape, tile in zip(SHAPES, tiles, strict=True)]
    return [single(shape) for shape in SHAPES]


@cache
def whole(seed: int, data_dir: str | None) -> integer.QuantNet:
    """The network before pruning, the same for all methods."""
    torch.set_num_threads(1)
    return quantised(datasets.load(JSC.dataset, data_dir), seed)


def trained(case: Case, method: str, seed: int, data_dir: str | None) -> tuple[Network, Network, dict[str, float]]:
    """The network before and after, and accuracies."""
    data = datasets.load(JSC.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    net = whole(seed, data_dir)
    kind, resources, together = METHODS[method]
    # No step is refused, so that all methods end at the same share
    plan = Plan(resources, least=SHARE, epochs=EPOCHS[2], tolerance=0.0, together=together, seed=seed)
    pruned, steps = group_pruned(net, structures_of(kind, case.tiles), plan, train, held)
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


def placed(case: Case, network: Network, folder: Path) -> dict[str, Any]:
    """Resources of the placed netlist, which is compared with the network on the test samples."""
    report = build(case.mapping(network), boards.find(case.board), Options(folder, 1), Steps(quiet=False))
    assert report.verification is not None
    return {
        "dsp": report.resources.dsp,
        "bram": report.resources.bram,
        "lut": report.resources.lut4,
        "ff": report.resources.ff,
        "logic_cells": report.resources.logic_cells,
        "cycles": report.timing.latency_cycles,
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "vectors": report.verification.vectors,
        "mismatches": 0,  # a build with one ends with an error
    }


def measure(name: str, method: str, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One seed; the first one is placed, before and after."""
    case = CASES[name]
    before, after, accuracies = trained(case, method, seed, data_dir)
    found: dict[str, Any] = {"seed": seed} | accuracies
    if seed == SEEDS[0]:  # the stages of a build are kept: the network before is placed once
        found |= {when: placed(case, each, folder.parent) for when, each in (("before", before), ("after", after))}
    return found


def row_of(name: str, method: str, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    case, first = CASES[name], seeds[0]
    return {
        "network": "jsc 16-64-32-32-5",
        "dataset": JSC.dataset,
        "board": case.board,
        "engines": name,
        "reuse": case.reuse,
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
    rows = {(row["engines"], row["method"]): row for row in figures["rows"]}
    own = rows["own tiles", "multipliers, knapsack"]
    return {
        "DSPs fall by at least 55 %": own["dsp_after"] <= 0.45 * own["dsp_before"],
        "within 2.5 % of the accuracy before, in the mean": _mean(own, "after") >= 0.975 * _mean(own, "before"),
        "the knapsack is ahead of layer by layer": all(
            _mean(rows[case, f"{group}, knapsack"], "after") >= _mean(rows[case, f"{group}, by layer"], "after")
            for case, group in (("one tile", "rows"), ("own tiles", "multipliers"))
        ),
    }


def _mean(row: dict[str, Any], when: str) -> float:
    return sum(each[f"accuracy_{when}"] for each in row["seeds"]) / len(row["seeds"])


def main() -> None:
    given = parser_for(__doc__, output="knapsack", data=True).parse_args()
    found = []
    for name, case in CASES.items():
        for method in methods_of(case):
            folders = [given.output / f"{name}-{method}-{seed}".replace(" ", "_").replace(",", "") for seed in SEEDS]
            seeds = [
                finished(folder, measure, name, method, seed, folder, given.data_dir)
                for seed, folder in zip(SEEDS, folders, strict=True)
            ]
            found.append(row_of(name, method, seeds))
            print(json.dumps(found[-1]), flush=True)
    figures = {"rows": found}
    write_result("knapsack", SEEDS[0], figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
