"""Trains the binarized convolution networks of `benchmarks.reuse`, before and after kernels are made alike: ``python -m
benchmarks.reuse_train``.

Three seeds; test samples are read once, in the end. Those of the seed that decides most left-out samples right go to
``benchmarks/networks`` and ``logicnn/models``. An hour and a quarter on one core; what is finished is kept in the
output folder.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.network import files
from train.bcnn import PLANS, VALIDATION, right, trained

__all__ = ["NAME", "SEEDS", "WHOLE", "best"]

SEEDS = (1, 2, 3)
NAME, WHOLE = "mnist-bcnn", "mnist-bcnn-whole"
PLAN = replace(PLANS["mnist"], fused=True)
MODELS = Path(__file__).parents[1] / "logicnn" / "models"


def measured(seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One training; its networks go into the folder."""
    torch.set_num_threads(1)
    data = datasets.load("mnist", data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    plan = replace(PLAN, seed=seed)
    made = trained(plan, data, train, NAME)
    networks = replace(made.before, name=WHOLE), made.after
    for network in networks:
        files.save(network, folder / f"{network.name}.lnn")
    return {
        **asdict(plan),
        "dataset": data.name,
        **{
            f"{what}_{when}": value
            for when, network, changed in zip(
                ("before", "after"), networks, (made.changed_before, made.changed_after), strict=True
            )
            for what, value in (
                ("digest", network.digest()),
                ("validation_accuracy", right(network, held)),
                ("accuracy", right(network, data.test)),
                ("changed", [round(each, 4) for each in changed]),
            )
        },
    }


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The training that left-out samples speak for."""
    return max(rows, key=lambda row: row["validation_accuracy_after"])


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """What the network is worth that is shipped, and that kernels are alike at no great loss."""
    rows = figures["networks"]
    return {
        "98.5 % of the test samples are right": best(rows)["accuracy_after"] >= 0.985,
        "at most 0.003 of them are lost with kernels that are alike": all(
            row["accuracy_after"] >= row["accuracy_before"] - 0.003 for row in rows
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="reuse_train", data=True).parse_args()
    folders = [given.output / f"seed{seed}" for seed in SEEDS]
    found = [
        finished(folder, measured, seed, folder, given.data_dir) for seed, folder in zip(SEEDS, folders, strict=True)
    ]
    write_result("reuse_train", SEEDS[0], {"networks": found}, required({"networks": found}), given=given)
    for name, place in ((WHOLE, NETWORKS), (NAME, MODELS)):
        files.save(files.load(given.output / f"seed{best(found)['seed']}" / f"{name}.lnn"), place / f"{name}.lnn")


if __name__ == "__main__":
    sys.exit(guarded(main))
