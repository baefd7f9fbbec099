"""A user's own data from nothing to a checked bitstream: ``python -m benchmarks.own_data``.

Scikit-learn's digits as a folder of pictures and as an ``.npz``, its breast-cancer table as a ``.csv``, and MNIST's
original files as IDX files of no name that the package knows, each by the commands of ``docs/own_data.md``; beside
MNIST the recipe by hand (`train.mnist_bnn`) for the same board, with as many epochs as take as long. Splits, training
and minutes are those of the commands, seed 1: the accuracies depend on what the machine does in a minute. Half an hour.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data.sources import data_folder
from logicnn.errors import LogicnnError

__all__ = ["DATA"]

BOARD = "icebreaker"
SOME = 3  # epochs, of which the time of one is known
PROGRAM = [sys.executable, "-m", "logicnn"]


def pictures(folder: Path, data_dir: str | None) -> Path:
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        path = folder / "digits" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).save(path)
    return folder / "digits"


def arrays(folder: Path, data_dir: str | None) -> Path:
    from sklearn.datasets import load_digits

    found = load_digits()
    np.savez(folder / "digits.npz", x=found.data, y=found.target)
    return folder / "digits.npz"


def table(folder: Path, data_dir: str | None) -> Path:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    with (folder / "cancer.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*found.feature_names, "label"])
        for row, label in zip(found.data, found.target, strict=True):
            writer.writerow([*row, found.target_names[label]])
    return folder / "cancer.csv"


def renamed(folder: Path, data_dir: str | None) -> Path:
    source = data_folder(data_dir)
    if source is None:
        raise LogicnnError("set LOGICNN_DATA or --data-dir to the folder that holds mnist/")
    shutil.copytree(source / "mnist", folder / "mine", dirs_exist_ok=True)
    return folder / "mine"


DATA = {  # how it is made, and minutes of training
    "scikit-learn's digits, a folder of pictures": (pictures, 1),
    "scikit-learn's digits, .npz": (arrays, 1),
    "scikit-learn's breast cancer, .csv": (table, 1),
    "MNIST, IDX files": (renamed, 10),
}


def _answer(words: list[str], folder: Path) -> dict[str, Any]:
    """What a command prints with --json."""
    done = subprocess.run([*PROGRAM, *words, "--json"], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measured(name: str, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """The commands, and what they came to."""
    folder = folder.resolve()
    made, minutes = DATA[name]
    data = made(folder, data_dir).relative_to(folder)
    start = time.monotonic()
    train = ["train", "--data", str(data), "--board", BOARD, "--minutes", str(minutes), "-o", "mine.lnn", "--force"]
    trained = _answer(train, folder)
    build = ["build", "--board", BOARD, "--model", "mine.lnn", "--test", "mine-test.npz"]
    built = _answer(build, folder)
    checked = built["verification"]
    return {
        "data": name,
        "commands": [" ".join(["logicnn", *each]) for each in (train, build)],
        "minutes": round((time.monotonic() - start) / 60, 2),
        "minutes_training": minutes,
        "digest": trained["digest"],
        "validation_samples": trained["validation_samples"],
        "accuracy_validation": trained["validation_accuracy"],
        "test_samples": trained["test_samples"],
        "accuracy_test": checked["accuracy"],
        "board": BOARD,
        "logic_cells": built["resources"]["logic_cells"],
        "logic_cells_estimate": trained["logic_cells_estimate"],
        "vectors": checked["vectors"],
        "mismatches": checked["mismatches"],
    }


def by_hand(folder: Path, data_dir: str | None) -> dict[str, Any]:
    """The recipe, with the epochs that the minutes of `DATA` are enough for."""

    def trained(epochs: int) -> tuple[float, dict[str, Any]]:
        start = time.monotonic()
        command = [sys.executable, "-m", "train.mnist_bnn", "--epochs", str(epochs), "--output", "hand.lnn"]
        command += ["--data-dir", str(Path(data_folder(data_dir) or "").resolve())]
        done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return time.monotonic() - start, json.loads(done.stdout)

    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    (first, _), (more, _) = trained(1), trained(1 + SOME)
    epoch = (more - first) / SOME
    epochs = 1 + int((60 * DATA["MNIST, IDX files"][1] - first) / epoch)
    seconds, found = trained(epochs)
    return {
        "epochs": epochs,
        "minutes": round(seconds / 60, 2),
        "accuracy_test": found["accuracy"],
        "digest": found["digest"],
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Every bitstream is checked on its test part; MNIST is no worse than by the recipe."""
    rows, hand = {row["data"]: row for row in figures["rows"]}, figures["by_hand"]
    return {
        "netlists are equal to their networks": all(row["mismatches"] == 0 for row in rows.values()),
        "MNIST without its name is at least as good as by hand in the same time": (
            rows["MNIST, IDX files"]["accuracy_test"] >= hand["accuracy_test"]
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="own_data", data=True).parse_args()
    rows = []
    for number, name in enumerate(DATA):
        folder = given.output / str(number)
        rows.append(finished(folder, measured, name, folder, given.data_dir))
    folder = given.output / "by_hand"
    figures = {"rows": rows, "by_hand": finished(folder, by_hand, folder, given.data_dir)}
    write_result("own_data", 1, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
