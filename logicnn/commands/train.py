"""A network for your own data: ``logicnn train --data pictures/ --board icebreaker -o mine.lnn``.

Reads a folder of class folders of pictures, MNIST-like IDX files, an .npz with x and y, or a .csv with a column of
labels; tries several networks for so many minutes, keeps the one that decides left-out samples best and fits the board,
and says what it is worth on test samples that nothing else has read.
"""

import argparse
import io
import json
import math
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from logicnn.board import boards
from logicnn.board.boards import Board
from logicnn.commands.command import Command
from logicnn.commands.options import add_own_data, minutes
from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import TEST, Labelled, OwnData, read_own
from logicnn.errors import LogicnnError, one_line
from logicnn.flow.progress import Steps
from logicnn.network import Network, save
from logicnn.network.network import NAME
from logicnn.nn import way_names
from logicnn.storage import replace_file

if TYPE_CHECKING:
    from logicnn.nn.search import Trial

__all__ = ["COMMAND", "interval", "own_test"]

ENGINE = "logic"
DEVIATIONS = 1.96  # a confidence of 95 %
SHOWN = 12  # classes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="a folder, an .npz or a .csv")
    parser.add_argument("--board", required=True, help=f"a board ({', '.join(boards.names())}) or a board file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.lnn", help="where the network goes")
    parser.add_argument(
        "--engine",
        choices=way_names(),
        default=ENGINE,
        help="learned tables as logic, those with classes counted in turn, or words of eight bits on few multipliers "
        "(default: %(default)s)",
    )
    parser.add_argument("--minutes", type=minutes, default=10.0, help="of training (default: %(default)g)")
    add_own_data(parser)
    parser.add_argument("--seed", type=int, default=1, help="of splits and training (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def own_test(output: Path) -> Path:
    """Where the test part of a network's own data goes."""
    return output.with_name(f"{output.stem}-test.npz")


def interval(right: int, count: int) -> tuple[float, float]:
    """Of a share of samples, where it lies with 95 % confidence (Wilson 1927)."""
    share, z = right / count, DEVIATIONS**2 / count
    middle = share + z / 2
    reach = math.sqrt(z * share * (1 - share) + z * z / 4)
    return (middle - reach) / (1 + z), (middle + reach) / (1 + z)


def _checked(arguments: argparse.Namespace) -> Board:
    """What can be refused before anything is read."""
    output = arguments.output
    if output.suffix != ".lnn" or not NAME.fullmatch(output.stem):
        raise LogicnnError(
            f"--output must end in .lnn, its name of at most 100 letters, digits, '.', '_' and '-', not {str(output)!r}"
        )
    if not output.resolve().parent.is_dir():
        raise LogicnnError(f"--output must be in a folder that is there, not {output}")
    for path in (output, own_test(output)):
        if path.is_dir():
            raise LogicnnError(f"{path} is a folder")
        if path.exists() and not arguments.force:
            raise LogicnnError(f"{path} exists; --force replaces it")
    if not 0 <= arguments.seed < 1 << 32:
        raise LogicnnError(f"--seed must lie in 0 ... {(1 << 32) - 1}, not {arguments.seed}")
    return boards.find(arguments.board)


def _said(own: OwnData, parts: dict[str, Labelled], seed: int) -> None:
    """What was read, before anything is made of it."""
    x = np.concatenate([each.x.reshape(len(each.x), -1) for each in parts.values()])
    what = (
        f"{len(own.columns)} columns" if own.columns else f"pictures of {' x '.join(map(str, own.train.x.shape[2:]))}"
    )
    colour = "" if own.columns else (", grey" if own.train.x.shape[1] == 1 else ", colour")
    print(f"{len(x)} samples, {what}{colour}, values {x.min():g} ... {x.max():g}", file=sys.stderr)
    y = np.concatenate([each.y for each in parts.values()])
    counts = np.bincount(y, minlength=len(own.classes))
    some = ", ".join(f"{name} ({number})" for name, number in list(zip(own.classes, counts, strict=True))[:SHOWN])
    more = f" and {len(own.classes) - SHOWN} more" if len(own.classes) > SHOWN else ""
    print(one_line(f"{len(own.classes)} classes: {some}{more}"), file=sys.stderr)
    for remark in own.remarks:
        print(one_line(f"warning: {remark}"), file=sys.stderr)
    how = "as given" if own.given is not None else f"stratified, seed {seed}"
    sizes = ", ".join(f"{len(each.x)} to {name}" for name, each in parts.items())
    print(f"{sizes} ({how})", file=sys.stderr)


def _trial(trial: "Trial[Any]") -> None:
    fits = f"about {trial.logic_cells} logic cells" if trial.logic_cells else "no engine takes it"
    print(
        f"{trial.accuracy:.2%} of left-out samples after {trial.epochs} epochs, {fits}"
        f"{'' if trial.fits else ', too large'}",
        file=sys.stderr,
    )


def _report(
    network: Network, best: "Trial[Any]", test: Split, held: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    right = int(np.count_nonzero(network.evaluate(test.x) == test.y))
    build = ["--board", arguments.board, "--model", str(arguments.output), "--test", str(own_test(arguments.output))]
    return {
        "file": str(arguments.output),
        "digest": network.digest(),
        "test_file": str(own_test(arguments.output)),
        "seed": arguments.seed,
        "engine": arguments.engine,
        "epochs": best.epochs,
        "validation_samples": held,
        "validation_accuracy": best.accuracy,
        "test_samples": len(test.x),
        "test_accuracy": right / len(test.x),
        "test_accuracy_interval": interval(right, len(test.x)),
        "board": arguments.board,
        "logic_cells_estimate": best.logic_cells,
        "build": shlex.join(["logicnn", "build", *build]),
    }


def _show(report: dict[str, Any], interrupted: bool) -> None:
    if interrupted:
        print("interrupted: this is the best network so far")
    low, high = report["test_accuracy_interval"]
    print(f"left-out samples: {report['validation_accuracy']:.2%} of {report['validation_samples']}, which chose")
    print(f"test samples: {report['test_accuracy']:.2%} of {report['test_samples']} (95 %: {low:.1%} ... {high:.1%})")
    print(f"{report['board']}: about {report['logic_cells_estimate']} logic cells")
    print(f"{report['file']}: {report['digest'][:12]}; test samples: {report['test_file']}")
    print(f"next: {report['build']}")


def run(arguments: argparse.Namespace) -> None:
    board = _checked(arguments)
    steps = Steps(quiet=False)
    with steps.step("read", f"read {arguments.data}", silent_s=1):
        size = tuple(arguments.size) if arguments.size else None
        own = read_own(arguments.data, label=arguments.label, drop=arguments.drop, size=size)
        rest, test = own.split(TEST, arguments.seed)
        train, held = own.validated(rest, arguments.seed)
    _said(own, {"train": train, "choose": held, "test": test}, arguments.seed)
    with steps.step("torch", "load torch", silent_s=2):
        try:
            from logicnn.nn.search import searched, values
            from logicnn.nn.ways import WAYS
        except ImportError:
            raise LogicnnError("torch is not installed; pip install logicnn[train]") from None
    way = WAYS[arguments.engine]
    preparation = way.preparation(own, train)
    parts = [values(preparation, each) for each in (train, held, test)]
    low, high = preparation.range
    data = Dataset(arguments.output.stem, own.classes, high, parts[0], parts[2], low, preparation)
    found = searched(way, data, parts[1], board.device, arguments.minutes, arguments.seed, _trial)
    network = replace(found.best.network, name=arguments.output.stem)
    report = _report(network, found.best, parts[2], len(held.x), arguments)
    packed = io.BytesIO()
    np.savez_compressed(packed, inputs=parts[2].x, labels=parts[2].y)
    replace_file(own_test(arguments.output), packed.getvalue())
    save(network, arguments.output)
    sys.stdout.write(json.dumps(report, indent=2) + "\n") if arguments.json else _show(report, found.interrupted)


COMMAND = Command("train", "a network for your own data", __doc__, add_arguments, run, writes_to="--output")
