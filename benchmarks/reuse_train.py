"""Trains the binarized convolution networks of `benchmarks.reuse`, before and after kernels are made alike: ``python -m
benchmarks.reuse_train``.

Three seeds; test samples are read once, in the end. Those of the seed that decides most left-out samples right go to
``benchmarks/networks`` and ``logicnn/models``. An hour and a quarter on one core; what is finished is kept in the
output folder.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.network import files
from train.bcnn import PLANS, VALIDATION, Plan, right, trained

__all__ = ["DIGITS", "SEEDS", "Case", "best", "run"]

SEEDS = (1, 2, 3)
MODELS = Path(__file__).parents[1] / "logicnn" / "models"


@dataclass(frozen=True)
class Case:
    """A network's name, and of which data set, and how it is trained; what the best of three seeds must decide right of
    the test samples, and where it goes.
    """

    name: str
    dataset: str
    plan: Plan
    accuracy: float
    place: Path = NETWORKS

    @property
    def whole(self) -> str:
        """The network's name before its kernels are made alike."""
        return f"{self.name}-whole"

    def required(self, rows: Sequence[dict[str, Any]]) -> dict[str, bool]:
        """What the network is worth, and that kernels are alike at no great loss."""
        return {
            f"{100 * self.accuracy:g} % of the test samples are right": best(rows)["accuracy_after"] >= self.accuracy,
            "at most 0.003 of them are lost with kernels that are alike": all(
                row["accuracy_after"] >= row["accuracy_before"] - 0.003 for row in rows
            ),
        }


DIGITS = Case("mnist-bcnn", "mnist", replace(PLANS["mnist"], fused=True), 0.985, MODELS)


def measured(case: Case, seed: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """One training; its networks go into the folder."""
    torch.set_num_threads(1)
    data = datasets.load(case.dataset, data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    plan = replace(case.plan, seed=seed)
    made = trained(plan, data, train, case.name)
    networks = replace(made.before, name=case.whole), made.after
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


def run(case: Case, doc: str | None, record: str) -> None:
    """Trains a case's network with every seed, and writes the record and the best networks."""
    given = parser_for(doc, output=record, data=True).parse_args()
    folders = [given.output / f"seed{seed}" for seed in SEEDS]
    found = [
        finished(folder, measured, case, seed, folder, given.data_dir)
        for seed, folder in zip(SEEDS, folders, strict=True)
    ]
    write_result(record, SEEDS[0], {"networks": found}, case.required(found), given=given)
    for name, place in ((case.whole, NETWORKS), (case.name, case.place)):
        files.save(files.load(given.output / f"seed{best(found)['seed']}" / f"{name}.lnn"), place / f"{name}.lnn")


def main() -> None:
    run(DIGITS, __doc__, "reuse_train")


if __name__ == "__main__":
    sys.exit(guarded(main))
