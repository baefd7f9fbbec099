"""Trains networks of learned tables for data other than MNIST, which `benchmarks.luts_data` builds: half an hour of one
core.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts_data_train

Jets that were simulated for this project (`jsc-pythia`), with thresholds of each column, and network traffic in our own
encoding and split (`nid-82332`): no accuracy on either compares with a published one. As in `benchmarks.luts_train`,
each is the best of three seeds by samples that were left out of training; test samples are read once for each seed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import NETWORKS, parser_for, write_result
from benchmarks.luts_train import SEEDS, SELECTION, best, trained
from logicnn.commands.command import guarded

__all__ = ["JETS", "RUNS"]

JETS, FLOWS = "jsc-luts", "nid-luts"
BIG = "--at-once", "--board", "ulx3s", "--variety", "0"
RUNS = {
    JETS: [
        *("--dataset", "jsc-pythia", "--tables", "1000", "--levels", "31", "--pixels", "496", *BIG),
        *("--epochs", "20", "--batch", "512"),
    ],
    FLOWS: [
        *("--dataset", "nid-82332", "--tables", "400", "200", "100", "--thresholds", "1", "--pixels", "593", *BIG),
        *("--anywhere", "--learned", "3", "--epochs", "30"),
    ],
}


def trained_here(name: str, seed: int, file: Path, data_dir: str) -> dict[str, Any]:
    return trained(RUNS[name], seed, file, data_dir)


def required(runs: dict[str, Any]) -> dict[str, bool]:
    return {"three seeds of each": all(len(run["seeds"]) == len(SEEDS) for run in runs.values())}


def main() -> None:
    given = parser_for(__doc__, output="luts_data_train", data=True).parse_args()
    runs = {}
    for name in RUNS:
        runs[name] = best(name, trained_here, NETWORKS, given)
        print(json.dumps(runs[name]), flush=True)
    figures = {"selection": SELECTION, "runs": runs}
    write_result("luts_data_train", SEEDS[0], figures, required(runs), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
