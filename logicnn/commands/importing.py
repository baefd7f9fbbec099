"""A network of another tool, as the integers that compute the same: ``logicnn import TFC.onnx -o tfc.lnn``.

Says what each part of the file became, compares the classes with the answers of the file's own runtime where there are
any, and which board has room.
"""

import argparse
import json
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.board import boards
from logicnn.board.protocol import BAUD
from logicnn.commands.command import Command
from logicnn.data import datasets
from logicnn.engines import TooBig
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow.design import designed, mapped
from logicnn.flow.progress import Steps
from logicnn.importers import Given, Imported, importers
from logicnn.network import Interval, Network, Picture, save
from logicnn.storage import unpacked_arrays

__all__ = ["COMMAND", "Answers"]

RANGE, SCALE = (0, 255), 1 / 255  # pixels of eight bits as numbers from 0 to 1


class Answers:
    """What a file's own runtime has answered: `inputs` (n, ...) as the network is given them, the numbers `outputs` (n,
    classes, or integers of a network that gives no class), and `labels` (n,) or None, of an .npz file.
    """

    def __init__(self, path: Path, found: Imported):
        try:
            arrays = unpacked_arrays(path, ("inputs", "outputs", "labels"))
        except (OSError, ValueError) as error:
            raise LogicnnError(f"{path} cannot be read as .npz: {error}") from None
        for name in ("inputs", "outputs"):
            if name not in arrays:
                raise LogicnnError(f"{path} must have inputs and outputs; {name} is missing")
        network = found.network
        self.inputs, self.outputs, self.labels = arrays["inputs"], arrays["outputs"], arrays.get("labels")
        count, size = len(self.outputs), network.input.size
        low, high = network.input.interval.low, network.input.interval.high
        if self.inputs.size != count * size or self.inputs.dtype.kind not in "iub":
            raise LogicnnError(
                f"{path}: inputs must be {count} times {size} integers, not {self.inputs.shape} of {self.inputs.dtype}"
            )
        if count == 0 or self.inputs.min() < low or self.inputs.max() > high:
            raise LogicnnError(f"{path}: inputs must lie in {low} ... {high}")
        answers = network.output.interval.high + 1 if network.decides else network.output.size
        if network.decides and self.outputs.size == count:  # classes
            answers = 1
        if self.outputs.size != count * answers or not np.isfinite(self.outputs).all():
            raise LogicnnError(f"{path}: outputs must be {count} times {answers} numbers, not {self.outputs.shape}")
        self.outputs = self.outputs.reshape(count, answers)
        self.imported = found
        if self.labels is not None and self.labels.shape != (count,):
            raise LogicnnError(f"{path}: labels must be {count}, not {self.labels.shape}")
        self.inputs = found.inputs(self.inputs)

    def compared(self, network: Network) -> dict[str, Any]:
        """Where the two best outputs tie, either class is right. Raises `CheckFailed` with the first that differs."""
        if not network.decides:
            return self._equal(self.imported.outputs(network.evaluate(self.inputs)).reshape(self.outputs.shape))
        classes = network.evaluate(self.inputs)
        if self.outputs.shape[1] == 1:
            return self._equal(classes[:, None]) | self._judged(classes)
        best = self.outputs.max(1)
        wrong = np.flatnonzero(self.outputs[np.arange(len(classes)), classes] != best)
        if len(wrong):
            first = int(wrong[0])
            raise CheckFailed(
                f"the network differs from the file's own answers on {len(wrong)} of {len(classes)} vectors: vector "
                f"{first} should give {int(self.outputs[first].argmax())} but gives {classes[first]}; are range and "
                f"scale right?"
            )
        return {"vectors": len(classes), "vectors_equal": len(classes)} | self._judged(classes)

    def _judged(self, classes: np.ndarray) -> dict[str, Any]:
        return {} if self.labels is None else {"accuracy": float(np.mean(classes == self.labels))}

    def _equal(self, answers: np.ndarray) -> dict[str, Any]:
        wrong = np.argwhere(answers != self.outputs)
        if len(wrong):
            vector, place = wrong[0]
            raise CheckFailed(
                f"the network differs from the file's own answers on {len(np.unique(wrong[:, 0]))} of {len(answers)} "
                f"vectors: output {place} of vector {vector} should be {self.outputs[vector, place]} but is "
                f"{answers[vector, place]}; are range and scale right?"
            )
        return {"vectors": len(answers), "vectors_equal": len(answers)}


def scale(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise argparse.ArgumentTypeError(f"must be a number or a fraction, as 1/255, not {text!r}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help=f"a file of {', '.join(importers())}")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.lnn", help="where the network goes")
    parser.add_argument(
        "--range",
        type=int,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="of the integers that are given (default: the file's own, or 0 255)",
    )
    parser.add_argument(
        "--scale",
        type=scale,
        help="what the file's input is for one of them (default: the file's own, or 1/255, as with --range)",
    )
    parser.add_argument("--dataset", help="whose test samples builds compare and runs can send")
    parser.add_argument("--labels", nargs="+", default=(), help="names of the classes")
    parser.add_argument("--vectors", type=Path, metavar="FILE.npz", help="inputs and outputs of its own runtime")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _found(arguments: argparse.Namespace) -> Imported:
    known = importers()
    if arguments.file.suffix not in known:
        raise LogicnnError(f"file must end in {' or '.join(known)}, not {arguments.file}")
    if arguments.output.suffix != ".lnn":
        raise LogicnnError(f"--output must end in .lnn, not {arguments.output}")
    if arguments.output.exists() and not arguments.force:
        raise LogicnnError(f"{arguments.output} exists; --force replaces it")
    low, high = arguments.range or RANGE
    if not low < high or high - low > 1 << 16:
        raise LogicnnError(f"--range must go from low to high, over at most 65536 integers, not {low} {high}")
    if arguments.dataset and arguments.dataset not in datasets.LOADERS:
        raise LogicnnError(f"--dataset must be one of {', '.join(datasets.LOADERS)}, not {arguments.dataset!r}")
    given = None
    if arguments.range or arguments.scale is not None:
        given = Given(Interval(low, high), SCALE if arguments.scale is None else arguments.scale)
    found = known[arguments.file.suffix].read(arguments.file, given)
    network = found.network
    low, high = network.input.interval.low, network.input.interval.high
    classes = network.output.interval.high + 1 if network.decides else 0
    if arguments.labels and len(arguments.labels) != classes:
        raise LogicnnError(f"--labels must be {classes}, not {len(arguments.labels)}")
    shape = network.input.shape
    mode = {1: "L", 3: "RGB"}.get(shape[0]) if len(shape) == 3 and low == 0 and high <= 255 else None
    return replace(
        found,
        network=replace(
            network,
            name=arguments.output.stem,
            dataset=arguments.dataset or "",
            labels=tuple(arguments.labels),
            preparation=Picture(mode, shape[1], shape[2], high) if mode else None,
        ),
    )


def _room(network: Network) -> list[dict[str, Any]]:
    """What the smallest board that has room takes it with, and why smaller ones have none."""
    rows: list[dict[str, Any]] = []
    for board in sorted(map(boards.find, boards.names()), key=lambda each: each.device.capacity.logic_cells):
        name = board.name
        try:
            mapping = mapped(network, board)
        except TooBig as error:
            rows.append({"board": name, "fits": False, "why": str(error)})
            continue
        estimate = designed(mapping, board, BAUD).estimate
        kinds = list(dict.fromkeys(type(each).__name__ for each in mapping.engines))
        rows.append(
            {
                "board": name,
                "fits": True,
                "engines": kinds,
                "logic_cells_estimate": estimate.logic_cells,
                "cycles": mapping.latency.most,
            }
        )
        break
    return rows


def _show(report: dict[str, Any]) -> None:
    for part in report["parts"]:
        print(part)
    if "vectors" in report:
        more = f", {report['accuracy']:.2%} of the labels" if "accuracy" in report else ""
        print(
            f"{report['vectors_equal']} of {report['vectors']} vectors have the answer of the file's own runtime{more}"
        )
    for row in report["boards"]:
        what = (
            f"{', '.join(row['engines'])}, about {row['logic_cells_estimate']} logic cells, {row['cycles']} cycles"
            if row["fits"]
            else row["why"]
        )
        print(f"{row['board']}: {what}")
    print(f"{report['file']}: {report['digest'][:12]}")


def run(arguments: argparse.Namespace) -> None:
    found = _found(arguments)
    network = found.network
    report: dict[str, Any] = {"file": str(arguments.output), "digest": network.digest(), "parts": list(found.parts)}
    if arguments.vectors:
        report |= Answers(arguments.vectors, found).compared(network)
    steps = Steps(quiet=False)
    with steps.step("boards", "ask which board has room", silent_s=1):
        report["boards"] = _room(network)
    save(network, arguments.output)
    sys.stdout.write(json.dumps(report, indent=2) + "\n") if arguments.json else _show(report)


COMMAND = Command("import", "a network of another tool", __doc__, add_arguments, run, writes_to="--output")
