"""A network of learned LUT4 for MNIST: the fabric's own function is what is trained.

    python -m train.mnist_luts --data-dir ../shared/data

Tables of four bits each, which four being learned, too; a class's score is how many of its tables give 1. All choices
are made on one of ten training samples; the test samples are read once, in the end. With ``--teacher 10`` a float
network of two convolutions is trained first, for ten epochs, and each step of the tables' training asks it, too.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets, digits
from logicnn.data.dataset import Dataset, Split
from logicnn.engines import Mapping
from logicnn.engines.counted import Counted
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.network import Network, files
from logicnn.network.network import NAME
from logicnn.nn.tables import (
    Recipe,
    TableNet,
    Variety,
    column_thresholds,
    export,
    fit,
    table_net,
    taught,
    within,
    without_unseen,
)

THRESHOLD = 128  # a pixel is bit 1 from the middle grey on: its most significant bit
BUDGET = 3900  # of the 5,280 logic cells of an iCE40UP5K: for many more tables nextpnr finds no routes
SHARES = (1.0,)  # of one layer tables are no worse, and train faster
PIXELS = 400
VALIDATION = 10  # one of so many distinct training samples validates
VARIETY = 0.7  # of moves by 1.5 pixels, turns by 8 degrees, and stretching by 8 %


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder that holds mnist/ (default: LOGICNN_DATA)")
    parser.add_argument("--download", action="store_true", help="fetch MNIST into the folder first")
    parser.add_argument("--dataset", choices=datasets.known(), default="mnist", help="(default: %(default)s)")
    network_options(parser)
    training_options(parser)
    parser.add_argument("--board", default="icebreaker", help="whose room the estimate is about (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--untested", action="store_true", help="leave the test samples alone: for choices")
    parser.add_argument("--output", type=Path, default=Path("mnist-luts.lnn"))
    given = parser.parse_args()
    if not 2 <= given.inputs <= 6:
        parser.error(f"--inputs must be 2 to 6, not {given.inputs}")
    if given.unseen is not None and given.unseen < 1:
        parser.error(f"--unseen must be 1 sample at least, not {given.unseen}")
    if not 0 <= given.variety <= 10:
        parser.error(f"--variety must be 0 to 10, not {given.variety}")
    if given.output.suffix != ".lnn" or not NAME.fullmatch(given.output.stem):
        parser.error(f"--output must be a name of letters, digits, _ and - that ends in .lnn, not {given.output.name}")
    return given


def network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget", type=int, default=BUDGET, help="logic cells of a whole board (default: %(default)s)"
    )
    parser.add_argument(
        "--shares", type=float, nargs="+", default=SHARES, help="of the tables, layer by layer (default: %(default)s)"
    )
    parser.add_argument("--tables", type=int, nargs="+", help="of each layer, instead of a budget")
    parser.add_argument("--pixels", type=int, default=PIXELS, help="that may be read (default: %(default)s)")
    parser.add_argument("--inputs", type=int, default=4, help="of a table, 2 to 6 (default: %(default)s)")
    bits = parser.add_mutually_exclusive_group()
    bits.add_argument(
        "--thresholds", type=int, nargs="+", default=(THRESHOLD,), help="from where on a pixel's bits are 1"
    )
    bits.add_argument(
        "--levels", type=int, help="thresholds of each column of numbers, with as many training samples between them"
    )
    parser.add_argument(
        "--learned", type=int, default=1, help="layers whose connections are learned (default: %(default)s)"
    )
    parser.add_argument(
        "--anywhere", action="store_true", help="tables of later layers read those of any block, not of one"
    )
    parser.add_argument(
        "--at-once", action="store_true", help="give each class a sum of its own, instead of one class after the other"
    )
    parser.add_argument(
        "--unseen",
        type=int,
        metavar="N",
        help="let tables give anything for what fewer than N training samples ask, where they need fewer bits then",
    )


def training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variety", type=float, default=VARIETY, help="how far pictures are moved and turned (default: %(default)s)"
    )
    parser.add_argument(
        "--teacher",
        type=int,
        metavar="EPOCHS",
        help="learn from the answers of a float network, too, which is trained for so many epochs and kept beside the "
        "output; every step then takes longer",
    )
    parser.add_argument(
        "--temperature", type=float, default=1.5, help="by which scores are divided for that (default: %(default)s)"
    )
    parser.add_argument("--mix", type=float, default=0.7, help="share of the loss that it is (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--choice-rate", type=float, default=2.0, help="of connections, times that of tables")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)


def right(network: Network, split: Split) -> float:
    return float(np.mean(network.evaluate(split.x) == split.y))


def started(given: argparse.Namespace, data: Dataset, tables: Sequence[int]) -> TableNet:
    """The network before training, for the training part of the data."""
    x = data.train.x
    thresholds = given.thresholds if given.levels is None else column_thresholds(x, given.levels, data.lowest)
    inputs, learned, near = given.pixels, given.learned, not given.anywhere
    return table_net(data, thresholds, tables, given.inputs, given.seed, learned, inputs, near=near)


def trained(
    given: argparse.Namespace, data: Dataset, held: Split, tables: Sequence[int]
) -> tuple[Network, dict[str, Any]]:
    """The network, by the training part of the data, and what the teacher cost and knows."""
    varied = Variety(1.5 * given.variety, 8 * given.variety, 0.08 * given.variety)
    rates = {"learning_rate": given.learning_rate, "choice_rate": given.choice_rate}
    taught_by = {"temperature": given.temperature, "mix": given.mix}
    recipe = Recipe(given.epochs, seed=given.seed, batch=given.batch, variety=varied, **rates, **taught_by)
    net = started(given, data, tables).to(given.device)
    teacher, said = None, {}
    if given.teacher is not None:
        lesson = replace(recipe, epochs=given.teacher)
        teacher = taught(data.train, len(data.classes), lesson, given.output.parent, given.device)
        said = {
            "teacher_epochs": given.teacher,
            "teacher_parameters": teacher.parameters,
            "teacher_seconds": teacher.seconds,
            "teacher_validation_accuracy": teacher.accuracy(held),
        }
    kept = given.output.with_suffix(".training")  # goes on from there where it was interrupted
    fit(net, data.train, recipe, "-".join(map(str, tables)), kept, teacher and teacher.net)
    network = export(net, given.output.stem, data.name, data.classes)
    return replace(network, preparation=data.preparation), said


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    if not given.output.resolve().parent.is_dir():
        raise LogicnnError(f"--output must be in a folder that is there, not {given.output}")
    device = boards.find(given.board).device
    folder = datasets.data_folder(given.data_dir)
    if given.download:
        folder = folder or Path("data")
        digits.download_mnist(folder)
    data = datasets.load(given.dataset, folder)
    train, held = data.train.without_one_of(VALIDATION)
    start = time.monotonic()
    built = Mapping.unrolled if given.at_once else Counted.row
    classes = len(data.classes)
    tables = given.tables or within(given.budget, device, given.pixels, classes, given.shares, given.inputs, built)
    network, said = trained(given, replace(data, train=train), held, tables)
    if given.unseen is not None:
        whole, network = network, without_unseen(network, train.x, given.unseen)
        said |= {"unseen": given.unseen, "validation_accuracy_before": right(whole, held)}
    files.save(network, given.output)
    given.output.with_suffix(".training").unlink(missing_ok=True)
    estimate = board_estimate(built(network), device)
    figures = {
        "file": str(given.output),
        "digest": network.digest(),
        "dataset": data.name,
        "seed": given.seed,
        "tables": tables,
        "budget": None if given.tables else given.budget,
        **said,
        "validation_accuracy": right(network, held),
        **({} if given.untested else {"accuracy": right(network, data.test)}),
        "estimated_lut4": estimate.lut4,
        "estimated_logic_cells": estimate.logic_cells,
        "inputs": len(network.read_inputs()),
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(guarded(main))
