"""What a float network as a teacher gives networks of learned tables, and what it costs: a quarter of an hour of
one core.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts_teacher

Trainings of `benchmarks.luts_train` and `benchmarks.luts_data_train` once more, with the same seeds, and a teacher.
Judged on samples that were left out of training; no test sample is read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import luts_data_train, luts_train
from benchmarks.common import RESULTS, finished, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.data.sources import data_folder
from logicnn.errors import LogicnnError
from logicnn.storage import digest_of

TEACHER = "--teacher", "10"
MNIST = luts_train.MAIN, luts_train.RUNS[luts_train.MAIN], "luts_train", 2
JETS = luts_data_train.JETS, luts_data_train.RUNS[luts_data_train.JETS], "luts_data_train", 1
CASES = MNIST, JETS


def compared(name: str, options: Sequence[str], record: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """A network's training with a teacher, beside that without one, of which there is a record."""
    data = data_folder(given.data_dir)
    if data is None:
        raise LogicnnError("set LOGICNN_DATA or --data-dir to the folder of data sets")
    before = json.loads((RESULTS / f"{record}.json").read_text())
    (alone,) = (each for each in before["runs"][name]["seeds"] if each["seed"] == seed)
    options = [*options, *TEACHER, "--untested"]
    folder = given.output / f"{name}-{digest_of(' '.join(options))[:12]}"  # other options are another training
    made = finished(folder, luts_train.trained, options, seed, folder / f"{name}.lnn", str(data))
    return {
        "network": name,
        "dataset": made["dataset"],
        "seed": seed,
        "command": made["command"],
        "validation_accuracy": made["validation_accuracy"],
        "validation_accuracy_alone": alone["validation_accuracy"],
        "gain": round(made["validation_accuracy"] - alone["validation_accuracy"], 5),
        "seconds": made["seconds"],
        "teacher": {key.removeprefix("teacher_"): value for key, value in made.items() if key.startswith("teacher_")},
    }


def main() -> None:
    given = parser_for(__doc__, output="luts_teacher", data=True).parse_args()
    rows = []
    for case in CASES:
        rows.append(compared(*case, given))
        print(json.dumps(rows[-1]), flush=True)
    required = {
        "teachers that know more": all(
            row["teacher"]["validation_accuracy"] > row["validation_accuracy"] for row in rows
        )
    }
    write_result("luts_teacher", MNIST[-1], {"rows": rows}, required, given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
