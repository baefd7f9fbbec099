"""Networks that other people trained, imported, built and checked: ``python -m benchmarks.imports``.

The files of LOGICNN_MODELS, or ``../shared/models``, which are not part of this repository: each is imported and
compared with the answers of its own runtime; those that some board has room for are placed on the smallest one, and
the netlist is compared with the network on the vectors and on random and structured inputs. What is refused says why.
Ten minutes.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import finished, parser_for, write_result
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.commands.importing import Answers
from logicnn.errors import LogicnnError
from logicnn.flow.build import Options, build
from logicnn.flow.design import mapped
from logicnn.flow.progress import Steps
from logicnn.importers import Given, importers
from logicnn.network import Interval

__all__ = ["FILES"]

MODELS = Path(os.environ.get("LOGICNN_MODELS", "../shared/models"))
MLPERF = "mlcommons/tiny_results_v0.7"


class Source(NamedTuple):
    """Where a file is from, its licence, what its input's integers are, None as the file says itself, and the accuracy
    that its authors' runtime reaches on the labelled vectors; the board.
    """

    source: str
    licence: str
    given: Given | None
    dataset: str = ""
    reference_accuracy: float | None = None
    board: str = "icebreaker"


PIXELS = Given(Interval(0, 255), 1 / 255)
FILES = {
    "TFC_1W1A.onnx": Source("fastmachinelearning/qonnx_model_zoo d44721b3", "BSD", PIXELS, "mnist", 0.9296),
    "TFC_1W2A.onnx": Source("fastmachinelearning/qonnx_model_zoo d44721b3", "BSD", PIXELS, "mnist", 0.9474),
    "qkeras_jettagging.onnx": Source(
        "fastmachinelearning/qonnx_model_zoo d44721b3",
        "none given",
        Given(Interval(-8192, 8191), 1 / 1024),
        board="ulx3s",  # words of 14 bits are not for the icebreaker's multipliers
    ),
    "kws_w3a3.onnx": Source(
        f"{MLPERF} 64623f41, open/hls4ml-finn", "Apache-2.0", Given(Interval(-127, 127), 0.33674246072769165), "", 0.825
    ),
    "ad01_int8.tflite": Source(f"{MLPERF} 64623f41, closed/silicon_labs", "Apache-2.0", None, board="ulx3s"),
}


def measured(name: str, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A file's row."""
    file, path, known = FILES[name], MODELS / name, importers()
    row: dict[str, Any] = {"name": name, "source": file.source, "licence": file.licence}
    try:
        if path.suffix not in known:
            raise LogicnnError(f"files of {path.suffix} are not read")
        found = known[path.suffix].read(path, file.given)
    except LogicnnError as error:
        return row | {"refused": str(error)}
    network = replace(found.network, name=path.stem, dataset=file.dataset)
    vectors = folder / "vectors.npz"
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(path.with_suffix(".vectors.npz")) as given:
        scale = file.given.scale if file.given and given["inputs"].dtype.kind == "f" else 1
        integers = np.rint(given["inputs"] / scale)
        np.savez(vectors, **dict(given) | {"inputs": integers.astype(np.int64)})
    answers = Answers(vectors, found)
    equal = answers.compared(network)
    board = boards.find(file.board)
    mapping = mapped(network, board)
    test = None if file.dataset or answers.labels is None else vectors
    report = build(mapping, board, Options(folder, 1, data_dir=data_dir, test=test), Steps(quiet=False))
    checked = report.verification
    assert checked is not None
    return row | {
        "digest": network.digest(),
        **equal,
        "reference_accuracy": file.reference_accuracy,
        "accuracy": checked.accuracy,
        "of": checked.dataset.replace(str(vectors), "its vectors"),
        "board": file.board,
        "engine": "+".join(dict.fromkeys(type(each).__name__ for each in mapping.engines)),
        "logic_cells": report.resources.logic_cells,
        "logic_cells_estimate": report.estimate.logic_cells,
        "bram": report.resources.bram,
        "spram": report.resources.spram,
        "dsp": report.resources.dsp,
        "cycles": mapping.latency.most,
        "clock_mhz": round(report.timing.clock_mhz, 3),
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "time_ms": round(mapping.latency.most / report.timing.clock_mhz / 1e3, 4),
        "compared": checked.vectors,
        "mismatches": checked.mismatches,
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Everything is read, and what is read has its own runtime's classes and accuracy, on a board too."""
    rows = figures["rows"]
    read = [row for row in rows if "refused" not in row]
    return {
        "every file is read": len(read) == len(rows),
        "every vector has the answer of the file's own runtime": all(
            row["vectors_equal"] == row["vectors"] for row in read
        ),
        "the accuracy is that of its own runtime": all(
            row["reference_accuracy"] is None or abs(row["accuracy"] - row["reference_accuracy"]) < 1e-9 for row in read
        ),
        "every netlist is equal to its network": all(row["mismatches"] == 0 for row in read),
        "a keyword is spotted within a millisecond": any(
            row["name"] == "kws_w3a3.onnx" and row["time_ms"] <= 1 for row in read
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="imports", data=True).parse_args()
    missing = [name for name in FILES if not (MODELS / name).exists()]
    if missing:
        raise LogicnnError(f"{MODELS / missing[0]} is not there; LOGICNN_MODELS names the folder")
    rows = []
    for name in FILES:
        folder = given.output / Path(name).stem
        rows.append(finished(folder, measured, name, folder, given.data_dir))
        print(json.dumps(rows[-1]), flush=True)
    write_result("imports", 1, {"rows": rows}, required({"rows": rows}), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
