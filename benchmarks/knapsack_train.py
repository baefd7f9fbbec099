"""Prunes the networks of `benchmarks.knapsack`: groups of weights that a multiplier, a word of memory or a cycle
serves, by one knapsack over all layers or layer by layer, and single weights: ``python -m benchmarks.knapsack_train``.

Three seeds. Every way prunes step by step until the accuracy on left-out training samples falls below 0.975 of what it
was; test samples are read once, in the end. Networks of the first seed go to ``benchmarks/networks``. Three hours and
a half on one core; what is finished is kept in the output folder.
"""

import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines.folded import ROWS_IN_LOGIC, tile_of
from logicnn.network import IntegerLayer, Network, files
from logicnn.nn import integer
from logicnn.nn.integer.groups import Plan, accuracy, group_pruned
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import Structure, memories, multipliers, single
from train.reuse import SUBJECTS, VALIDATION, Subject, exported, quantised, right, structures_of

__all__ = ["CASES", "SEEDS", "Case"]

SEEDS = (1, 2, 3)
WEIGHT_BITS, WORD_BITS = 8, 36  # of a block RAM of ECP5
PLAN = Plan(("dsp",), steps=9, least=0.03)


class Way(NamedTuple):
    """Groups of weights, the resources that are bounded, whether one knapsack is over all layers or each layer keeps
    the same share, and what a group is worth.
    """

    groups: str
    resources: tuple[str, ...]
    together: bool = True
    measure: Importance = PLAN.measure


WAYS = {
    "multipliers, knapsack": Way("multipliers", ("dsp",)),
    "multipliers, by layer": Way("multipliers", ("dsp",), together=False),
    "multipliers, by layer and magnitude": Way("multipliers", ("dsp",), together=False, measure=Importance.L2),
    "memory words, knapsack": Way("memories", ("bram", "dsp")),
    "rows, knapsack": Way("rows", ("cycle",)),
    "rows, by layer and magnitude": Way("rows", ("cycle",), together=False, measure=Importance.L2),
    "single weights": Way("single", ("weight",)),
}


@dataclass(frozen=True)
class Case:
    """A network of `train.reuse`, and a way to prune it for multipliers that serve `reuse` weights each, every layer on
    a tile of its own; for 0, all layers on one tile.
    """

    network: str
    reuse: int
    way: str

    @property
    def subject(self) -> Subject:
        return SUBJECTS[self.network]

    @property
    def whole(self) -> str:
        """The name of the network before pruning."""
        return f"{self.network.removesuffix('-reuse')}-whole"

    @property
    def name(self) -> str:
        """Of the network's file; single weights are the same for every reuse."""
        way = self.way.replace(", ", "-").replace(" ", "-")
        return f"{self.whole}-{way}" if self.way == "single weights" else f"{self.whole}-{self.reuse}-{way}"

    def structures(self, network: Network) -> list[Structure]:
        shapes = [layer.weights.shape for layer in network.layers if isinstance(layer, IntegerLayer)]
        tiles = [tile_of((shape[0], shape[1]), self.reuse) if self.reuse else self.subject.tile for shape in shapes]
        layers = list(zip(shapes, tiles, strict=True))
        match WAYS[self.way].groups:
            case "rows":
                return structures_of(network, *self.subject.tile)
            case "multipliers":
                return [multipliers(shape, *tile, WEIGHT_BITS) for shape, tile in layers]
            case "memories":
                return [memories(shape, *tile, WEIGHT_BITS, WORD_BITS) for shape, tile in layers]
            case _:
                return [single(shape) for shape in shapes]


ONE = ("rows, knapsack", "rows, by layer and magnitude", "single weights")
SCOPES = ("multipliers, knapsack", "multipliers, by layer", "multipliers, by layer and magnitude")
REUSES = {  # the last one of each is the least whose multipliers an ECP5-85F has
    "jsc-reuse": (1, 2, 4, 8, 16, 32),
    "mnist-mlp-reuse": (512,),
    "mnist-cnn-reuse": (),  # convolutions have no tiles of their own
}


def _own(reuse: int) -> tuple[str, ...]:
    """The ways for tiles of their own: words where weights are in memory; and single weights, which is what each
    multiplier serves for 1.
    """
    return SCOPES + ("memory words, knapsack",) * (reuse > ROWS_IN_LOGIC) + ("single weights",) * (reuse > 1)


CASES = (
    *(Case(network, 0, way) for network in REUSES for way in ONE),
    *(Case(network, reuse, way) for network, reuses in REUSES.items() for reuse in reuses for way in _own(reuse)),
)


@cache
def whole(network: str, seed: int, data_dir: str | None) -> integer.QuantNet:
    """A network before pruning, the same for all ways."""
    torch.set_num_threads(1)
    subject = SUBJECTS[network]
    return quantised(subject, datasets.load(subject.dataset, data_dir), seed)


def pruned(case: Case, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One training; the networks before and after go into the folder."""
    data = datasets.load(case.subject.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    net = whole(case.network, seed, data_dir)
    before = exported(net, data, case.whole)
    way = WAYS[case.way]
    plan = replace(
        PLAN,
        resources=way.resources,
        epochs=case.subject.epochs[2],
        measure=way.measure,
        together=way.together,
        seed=seed,
    )
    after, steps = group_pruned(net, case.structures(before), plan, train, held, folder / "steps.pt")
    networks = before, exported(after, data, case.name)
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
        for name in (case.whole, case.name):
            files.save(files.load(folder / f"{name}.lnn"), NETWORKS / f"{name}.lnn")


if __name__ == "__main__":
    sys.exit(guarded(main))
