"""How many multipliers a pruned network needs to answer as soon as the unpruned one: ``python -m
benchmarks.smaller_tile``.

Of each network of `train.reuse`, before pruning the tile that answers first on the icebreaker (`Reused.of`), and a tile
of a quarter of its DSP blocks, whose rows are pruned by one knapsack until they take no more cycles. Three seeds; every
step keeps 0.975 of the accuracy on left-out training samples, or the training fails; test samples are read once, in
the end. Designs of the first seed are placed and compared with the network on all test samples; its networks go to
``benchmarks/networks``. An hour on one core; what is finished is kept in the output folder.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.flow.build import Options, build
from logicnn.flow.progress import Steps
from logicnn.network import Network, files
from logicnn.nn.integer.groups import Plan, accuracy, group_pruned
from train.reuse import SUBJECTS, VALIDATION, exported, quantised, right, structures_of

__all__ = ["BOARD", "SEEDS", "SMALLER"]

BOARD = "icebreaker"
SEEDS = (1, 2, 3)
SMALLER = {  # neurons and inputs at a time, a quarter of the multipliers that `Reused.of` takes without pruning
    "jsc-reuse": (4, 1),
    "mnist-mlp-reuse": (2, 1),
    "mnist-cnn-reuse": (2, 1),
}
SPARED = 0.9  # of the cycles, what rows may take: layers also wait for each other, most where they are small
STEPS = 8


def names_of(subject: str) -> tuple[str, str]:
    """Of the networks before and after."""
    plain = subject.removesuffix("-reuse")
    return f"{plain}-full-tile", f"{plain}-smaller-tile"


def fastest(network: Network) -> Reused:
    return Reused.of(network, 0, len(network.layers), boards.find(BOARD).device)


def smaller(subject: str, network: Network) -> Reused:
    return Reused(network, 0, len(network.layers), *SMALLER[subject])


def trained(subject: str, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One training; the networks before and after go into the folder."""
    torch.set_num_threads(1)
    kind = SUBJECTS[subject]
    data = datasets.load(kind.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    net = quantised(kind, data, seed)
    whole, pruned = names_of(subject)
    before = exported(net, data, whole)
    most = fastest(before).latency.most
    share = SPARED * most / smaller(subject, before).latency.most
    plan = Plan(("cycle",), steps=STEPS, least=share, epochs=kind.epochs[2], seed=seed)
    structures = structures_of(before, *SMALLER[subject])
    after, steps = group_pruned(net, structures, plan, train, held, folder / "steps.pt")
    networks = before, exported(after, data, pruned)
    for network in networks:
        files.save(network, folder / f"{network.name}.lnn")
    return {
        "seed": seed,
        "dataset": data.name,
        "accuracy_before": right(networks[0], data),
        "accuracy_after": right(networks[1], data),
        "validation_accuracy_before": accuracy(net, held),
        "validation_accuracy_after": accuracy(after, held),
        "cycles_before": most,
        "cycles_after": smaller(subject, networks[1]).latency.most,
        "digest_before": networks[0].digest(),
        "digest_after": networks[1].digest(),
        "steps": [asdict(each) for each in steps],
    }


def placed(engine: Reused, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A whole design, compared with the network on all test samples."""
    options = Options(folder, 1, data_dir=data_dir)
    report = build(Mapping([engine]), boards.find(BOARD), options, Steps(quiet=False))
    checked, resources = report.verification, report.resources
    assert checked is not None
    return {
        "tile": [engine.neurons, engine.inputs],
        "dsp": resources.dsp,
        "bram": resources.bram,
        "spram": resources.spram,
        "lut": resources.lut4,
        "ff": resources.ff,
        "logic_cells": resources.logic_cells,
        "cycles": engine.latency.most,
        "occupancy": round(engine.occupancy, 4),
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "vectors": checked.vectors,
        "mismatches": checked.mismatches,
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Ramhorst et al. 2023 report 55 to 92 % fewer DSP blocks within 2.5 % of the accuracy."""
    found = {}
    for row in figures["rows"]:
        before, after = (mean(each[f"accuracy_{when}"] for each in row["seeds"]) for when in ("before", "after"))
        found |= {
            f"{row['network']}: 55 % fewer DSP blocks or more": row["dsp_after"] <= 0.45 * row["dsp_before"],
            f"{row['network']}: no more cycles, with any seed": all(
                each["cycles_after"] <= each["cycles_before"] for each in row["seeds"]
            ),
            f"{row['network']}: within 2.5 % of the accuracy, in the mean": after >= 0.975 * before,
            f"{row['network']}: netlists are equal to their networks": not (
                row["mismatches_before"] or row["mismatches_after"]
            ),
        }
    return found


def main() -> None:
    given = parser_for(__doc__, output="smaller_tile", data=True).parse_args()
    rows = []
    for subject in SMALLER:
        folders = [given.output / f"{subject}-seed{seed}" for seed in SEEDS]
        seeds = [
            finished(folder, trained, subject, seed, folder, given.data_dir)
            for seed, folder in zip(SEEDS, folders, strict=True)
        ]
        networks = [files.load(folders[0] / f"{name}.lnn") for name in names_of(subject)]
        designs = {}
        for when, engine in (("before", fastest(networks[0])), ("after", smaller(subject, networks[1]))):
            folder = given.output / engine.network.name
            made = finished(folder, placed, engine, folder, given.data_dir)
            designs |= {f"{name}_{when}": value for name, value in made.items()}
        rows.append(
            {
                "network": subject,
                "dataset": seeds[0]["dataset"],
                "board": BOARD,
                "accuracy_before": seeds[0]["accuracy_before"],
                "accuracy_after": seeds[0]["accuracy_after"],
                **designs,
                "seeds": seeds,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    write_result("smaller_tile", SEEDS[0], {"rows": rows}, required({"rows": rows}), given=given)
    for subject in SMALLER:
        for name in names_of(subject):
            files.save(files.load(given.output / f"{subject}-seed{SEEDS[0]}" / f"{name}.lnn"), NETWORKS / f"{name}.lnn")


if __name__ == "__main__":
    sys.exit(guarded(main))
