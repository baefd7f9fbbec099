"""Prunes the networks of `benchmarks.knapsack`: groups of weights that a multiplier, a word of memory or a cycle
serves, by one knapsack over all layers, by each layer's magnitudes, and single weights: ``python -m
benchmarks.knapsack_train``.

Three seeds. Every way prunes step by step until the accuracy on left-out training samples falls below 0.975 of what it
was; test samples are read once, in the end. Networks of the first seed go to ``benchmarks/networks``. An hour and a
half on one core; what is finished is kept in the output folder.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines.folded import tile_of
from logicnn.network import files
from logicnn.nn import integer
from logicnn.nn.integer.groups import Plan, accuracy, group_pruned
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import Structure, memories, multipliers, rows, single
from train.reuse import SUBJECTS, VALIDATION, exported, quantised, right

__all__ = ["CASES", "NAME", "SHAPES", "Case"]

SEEDS = (1, 2, 3)
SUBJECT = SUBJECTS["jsc-reuse"]
NAME = "jsc-whole"
SHAPES = ((64, 16), (32, 64), (32, 32), (5, 32))
REUSES = (2, 4, 8, 16, 32)  # 32 is the least whose multipliers an ECP5-85F has
TILE = SUBJECT.tile  # of all layers on the icebreaker: neurons, and values of each, at a time
WEIGHT_BITS, WORD_BITS = 8, 36  # of a block RAM of ECP5
PLAN = Plan(("dsp",), least=0.08)
# Groups; resources of the budget; whether one knapsack is over all layers, by what the loss would rise by, or each
# layer keeps the same share, by magnitude
WAYS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "multipliers, knapsack": ("multipliers", ("dsp",), True),
    "multipliers, by layer and magnitude": ("multipliers", ("dsp",), False),
    "memory words, knapsack": ("memories", ("bram", "dsp"), True),
    "rows, knapsack": ("rows", ("cycle",), True),
    "rows, by layer and magnitude": ("rows", ("cycle",), False),
    "single weights": ("single", ("weight",), True),
}


@dataclass(frozen=True)
class Case:
    """A way to prune for multipliers that serve `reuse` weights each, every layer on a tile of its own; for 0, all
    layers on one tile.
    """

    reuse: int
    way: str

    @property
    def name(self) -> str:
        """Of the network's file; single weights are the same for every reuse."""
        way = self.way.replace(", ", "-").replace(" ", "-")
        return f"{NAME}-{way}" if self.way == "single weights" else f"{NAME}-{self.reuse}-{way}"

    def structures(self) -> list[Structure]:
        kind = WAYS[self.way][0]
        made: dict[str, Callable[[tuple[int, int], tuple[int, int]], Structure]] = {
            "single": lambda shape, tile: single(shape),
            "rows": lambda shape, tile: rows(shape, *tile),
            "multipliers": lambda shape, tile: multipliers(shape, *tile, WEIGHT_BITS),
            "memories": lambda shape, tile: memories(shape, *tile, WEIGHT_BITS, WORD_BITS),
        }
        return [made[kind](shape, tile_of(shape, self.reuse) if self.reuse else TILE) for shape in SHAPES]


OWN = ("multipliers, knapsack", "multipliers, by layer and magnitude", "memory words, knapsack", "single weights")
CASES = (
    *(Case(0, way) for way in ("rows, knapsack", "rows, by layer and magnitude", "single weights")),
    *(Case(reuse, way) for reuse in REUSES for way in OWN),
)


@cache
def whole(seed: int, data_dir: str | None) -> integer.QuantNet:
    """The network before pruning, the same for all ways."""
    torch.set_num_threads(1)
    return quantised(SUBJECT, datasets.load(SUBJECT.dataset, data_dir), seed)


def pruned(case: Case, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One training; the networks before and after go into the folder."""
    data = datasets.load(SUBJECT.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    net = whole(seed, data_dir)
    _, resources, together = WAYS[case.way]
    measure = PLAN.measure if together else Importance.L2
    plan = replace(PLAN, resources=resources, measure=measure, together=together, seed=seed)
    after, steps = group_pruned(net, case.structures(), plan, train, held, folder / "steps.pt")
    networks = exported(net, data, NAME), exported(after, data, case.name)
    for network in networks:
        files.save(network, folder / f"{network.name}.lnn")
    return {
        "network": case.name,
        "dataset": data.name,
        "seed": seed,
        "accuracy_before": right(networks[0], data),
        "accuracy_after": right(networks[1], data),
        "validation_accuracy_before": accuracy(net, held),
        "validation_accuracy_after": accuracy(after, held),
        "digest_before": networks[0].digest(),
        "digest_after": networks[1].digest(),
        "steps": [asdict(each) for each in steps],
    }


def folder_of(output: Path, case: Case, seed: int) -> Path:
    return output / f"{case.name}-seed{seed}"


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Every training kept what it was to keep."""
    return {
        "accuracy on left-out samples is at least 0.975 of that before": all(
            row["validation_accuracy_after"] >= PLAN.tolerance * row["validation_accuracy_before"]
            for row in figures["networks"]
        )
    }


def main() -> None:
    given = parser_for(__doc__, output="knapsack_train", data=True).parse_args()
    found = []
    for case in {each.name: each for each in CASES}.values():
        for seed in SEEDS:
            folder = folder_of(given.output, case, seed)
            found.append(finished(folder, pruned, case, seed, folder, given.data_dir))
    write_result("knapsack_train", SEEDS[0], {"networks": found}, required({"networks": found}), given=given)
    for case in CASES:
        folder = folder_of(given.output, case, SEEDS[0])
        for name in (NAME, case.name):
            files.save(files.load(folder / f"{name}.lnn"), NETWORKS / f"{name}.lnn")


if __name__ == "__main__":
    sys.exit(guarded(main))
