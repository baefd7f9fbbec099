"""Trains the nine networks of Xu et al. 2023, Table I, on the stand-ins for their data that `train.logic_design` names.

All nine with seed 1, the smallest of each task with two more seeds, and those with other numbers of selected weights
(Fig. 10). About an hour and a half on one core; finished trainings are kept in the output folder. The smallest proposed
networks are shipped (``logicnn/models``), the others go to ``benchmarks/networks``.
"""

import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.network import files
from train.logic_design import DESIGNS, train

SEEDS = (1, 2, 3)
SMALLEST = "ofc-a", "jsc-a", "nid-a"
COUNTS = (10, 40, 160)  # selected weights of the sweep


def trained(
    name: str, seed: int, folder: Path, data_dir: str | None, counts: tuple[int, ...] | None = None
) -> dict[str, Any]:
    """One training; its networks go into the folder."""
    design = DESIGNS[name]
    if counts:
        design = replace(design, rise=None)
    data = datasets.load(design.task.dataset, data_dir)
    result = train(name, data, seed, design=design, **({"counts": counts} if counts else {}))
    for network in (result.quantised, result.constants, result.proposed):
        files.save(network, folder / f"{network.name}.lnn")
    digests = {f"digest_{stage}": getattr(result, stage).digest() for stage in ("quantised", "constants", "proposed")}
    return {"name": name, "dataset": data.name, "seed": seed} | result.figures | digests


def spread(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over seeds."""
    stages = ("float_error", "quantised_error", "constants_error", "proposed_error")
    figures = {
        stage: {"mean": mean(row[stage] for row in rows), "deviation": stdev(row[stage] for row in rows)}
        for stage in stages
    }
    return {"name": rows[0]["name"], "seeds": [row["seed"] for row in rows]} | figures


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Accuracies, by points; bit error rates, by as much as the paper's most rise from float to proposed."""
    rates = [row for row in figures["networks"] if row["dataset"] == "ofc-sim"]
    classified = [row for row in figures["networks"] if row["dataset"] != "ofc-sim"]
    return {
        "every network trains in less than 20 minutes": figures["slowest_seconds"] < 20 * 60,
        "no network is more than 0.6 points behind its float one": all(
            row["proposed_error"] - row["float_error"] <= 0.006 for row in classified
        ),
        "no bit error rate is more than 1.37 times its float one": all(
            row["proposed_error"] <= 1.37 * row["float_error"] for row in rates
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="logic_design_train", data=True).parse_args()
    torch.set_num_threads(1)

    def row(name: str, seed: int, counts: tuple[int, ...] | None = None) -> dict[str, Any]:
        folder = given.output / f"{name}-seed{seed}{'' if counts is None else f'-{counts[0]}'}"
        return finished(folder, trained, name, seed, folder, given.data_dir, counts)

    networks = [row(name, SEEDS[0]) for name in sorted(DESIGNS)]
    repeated = {name: [row(name, seed) for seed in SEEDS] for name in SMALLEST}
    sweep = [row(name, SEEDS[0], (count,)) for name in SMALLEST for count in COUNTS]
    figures = {
        "networks": networks,
        "spread": [spread(rows) for rows in repeated.values()],
        "sweep": sweep,
        "slowest_seconds": max(each["seconds"] for each in networks),
    }
    write_result("logic_design_train", SEEDS[0], figures, required(figures), given=given)
    for name in DESIGNS:
        folder = given.output / f"{name}-seed{SEEDS[0]}"
        for file in (f"{name}.lnn", f"{name}-constants.lnn", f"{name}-quantised.lnn"):
            files.save(
                files.load(folder / file), (files.SHIPPED if file.removesuffix(".lnn") in SMALLEST else NETWORKS) / file
            )
    for name in SMALLEST:
        for count in COUNTS:
            network = files.load(given.output / f"{name}-seed{SEEDS[0]}-{count}" / f"{name}-constants.lnn")
            files.save(replace(network, name=f"{name}-{count}"), NETWORKS / f"{name}-{count}.lnn")


if __name__ == "__main__":
    sys.exit(guarded(main))
