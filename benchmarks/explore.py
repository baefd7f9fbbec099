"""An hour of exploration from nothing to bitstreams: ``python -m benchmarks.explore``.

`logicnn explore` on MNIST for the icebreaker, all its ways, two jobs at a time, seed 1. Ways are compared with the
networks that the package ships for their engines: the best of the front on the test part, which was read for the front
alone. An hour on two cores; how far a training comes depends on what the machine does in a minute. Interrupted, the
same command goes on.
"""

import json
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.common import parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.network import load

__all__ = ["SHIPPED"]

BOARD, DATASET, SEED = "icebreaker", "mnist", 1
MINUTES, JOBS = 60, 2
SHIPPED = {"logic": "mnist-bnn", "counted": "mnist-luts"}  # of the engine that a way is built by
KEPT = (  # of a trial: no paths
    *("trial", "way", "engine", "parameters", "longer_of", "state", "reason", "seed", "epochs", "training_seconds"),
    *("validation_accuracy", "test_accuracy", "logic_cells_estimated", "answer_ns_estimated", "build", "build_reason"),
    *("build_seconds", "logic_cells", "core_delay_ns", "latency_cycles", "answer_ns", "energy_uj", "vectors_equal"),
    "digest",
)


def shipped(data_dir: str | None) -> dict[str, float]:
    """Shares of the test part that the package's networks decide right, by their ways."""
    test = datasets.load(DATASET, data_dir).test
    return {way: float(np.mean(load(name).evaluate(test.x) == test.y)) for way, name in SHIPPED.items()}


def best_of(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each way the trial of the front that decides most left-out samples right."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda each: each["validation_accuracy"]):
        found[row["way"]] = row
    return found


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """A way's most accurate network is no worse than the package's for its engine."""
    best = best_of([row for row in figures["rows"] if row["trial"] in figures["front"]])
    return {
        f"the best of {way} is at least as good as {SHIPPED[way]}": way in best
        and best[way]["test_accuracy"] >= accuracy
        for way, accuracy in figures["shipped_accuracy"].items()
    } | {"every network of the front is a bitstream": all(best[way]["build"] == "built" for way in best)}


def main() -> None:
    given = parser_for(__doc__, output="explore", data=True).parse_args()
    words = ["explore", "--dataset", DATASET, "--board", BOARD, "--minutes", str(MINUTES), "--jobs", str(JOBS)]
    words += ["--seed", str(SEED)]
    where = ["--output", str(given.output), *(["--data-dir", given.data_dir] if given.data_dir else [])]
    command = [sys.executable, "-m", "logicnn", *words, *where, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    figures = {
        "explored": " ".join(["logicnn", *words]),
        "board": BOARD,
        "dataset": "MNIST (the original files)",
        "samples": found["samples"],
        "selection": found["chosen_by"],
        "networks_tested": found["networks_tested"],
        "explored_seconds": found["seconds"],
        "shipped": SHIPPED,
        "shipped_accuracy": shipped(given.data_dir),
        "front": found["front"],
        "rows": [{name: row[name] for name in KEPT} for row in found["trials"]],
    }
    write_result("explore", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
