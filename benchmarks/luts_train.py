"""Trains the networks of learned tables that `benchmarks.luts` and `benchmarks.luts_fast` build: an hour of one core.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts_train

Each is the best of three seeds of one run of `train.mnist_luts`, by the samples that were left out of training; the
test samples are read once for each seed, in the end. The commands and what they printed are kept in
``results/luts_train.json``.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data.sources import data_folder
from logicnn.errors import LogicnnError
from logicnn.network.files import SHIPPED

__all__ = ["FAST", "MAIN", "RUNS", "SEEDS", "SELECTION", "SMALL", "best", "trained"]

MAIN, SMALL, FAST = "mnist-luts", "luts-3300", "luts-fast"
SEEDS = (1, 2, 3)
SELECTION = "hyper-parameters and seeds were chosen on one of ten training samples, which no run trained on"
RUNS = {
    MAIN: [],
    SMALL: ["--budget", "3300", "--pixels", "360"],
    "luts-2000": ["--budget", "2000", "--pixels", "250"],
    "luts-800": ["--budget", "800", "--pixels", "80"],
    # For an ECP5, which makes any function of six bits of four LUT4 that lie side by side: three bits a class
    FAST: [
        *("--tables", "1080", "180", "30", "--inputs", "6", "--anywhere"),
        *("--at-once", "--board", "ulx3s", "--epochs", "40", "--variety", "0.35"),
    ],
}


def trained(options: Sequence[str], seed: int, file: Path, data_dir: str) -> dict[str, Any]:
    """What a run with these options prints last."""
    command = ["python", "-m", "train.mnist_luts", *options, "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, *command[1:], "--output", str(file), "--data-dir", data_dir],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"command": " ".join(command)} | json.loads(done.stdout.splitlines()[-1])


def trained_here(name: str, seed: int, file: Path, data_dir: str) -> dict[str, Any]:
    return trained(RUNS[name], seed, file, data_dir)


def best(name: str, run: Callable[..., dict[str, Any]], into: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Three seeds of a network, ``run(name, seed, file, data_dir)`` each; the best by validation goes `into` a
    folder.
    """
    data = data_folder(given.data_dir)
    if data is None:
        raise LogicnnError("set LOGICNN_DATA or --data-dir to the folder of data sets")
    seeds = []
    for seed in SEEDS:
        folder = given.output / f"{name}-{seed}"
        seeds.append(finished(folder, run, name, seed, folder / f"{name}.lnn", str(data)))
    chosen = max(seeds, key=lambda each: each["validation_accuracy"])
    shutil.copyfile(chosen["file"], into / f"{name}.lnn")
    for each in seeds:
        del each["file"]
    return {"digest": chosen["digest"], "seed": chosen["seed"], "seeds": seeds}


def required(runs: dict[str, Any]) -> dict[str, bool]:
    """Sizes as asked for."""
    return {
        "three seeds of each": all(len(run["seeds"]) == len(SEEDS) for run in runs.values()),
        "no more logic cells than the budget and a hundredth, by the estimate": all(
            each["estimated_logic_cells"] <= 1.01 * each["budget"]
            for run in runs.values()
            for each in run["seeds"]
            if each["budget"]
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="luts_train", data=True).parse_args()
    runs = {name: best(name, trained_here, SHIPPED if name == MAIN else NETWORKS, given) for name in RUNS}
    figures = {
        "dataset": "MNIST (the original files)",
        "selection": SELECTION,
        "runs": runs,
    }
    write_result("luts_train", SEEDS[0], figures, required(runs), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
