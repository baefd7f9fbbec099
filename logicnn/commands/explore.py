"""The best networks for your data and a board: ``logicnn explore --data pictures/ --board icebreaker --minutes 60``.

Trains many candidates of every way for a short time, those that are not beaten for longer, builds the best, and shows
accuracy against cells, time and energy. Interrupted, the same command goes on.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich import box
from rich.console import Console
from rich.table import Column, Table

from logicnn.board import boards
from logicnn.board.boards import Board
from logicnn.commands.command import Command
from logicnn.commands.options import add_own_data, count, minutes, only_with
from logicnn.data import datasets
from logicnn.data.own import read_own
from logicnn.errors import LogicnnError, one_line
from logicnn.flow.progress import Steps
from logicnn.nn import way_names

if TYPE_CHECKING:
    from logicnn.explore.material import Material
    from logicnn.explore.results import Results
    from logicnn.explore.trials import Trial
    from logicnn.nn.search import Way

__all__ = ["COMMAND"]

LOCK = ".lock"
LIMITS = "jobs", "scheduler", "trials", "builds", "epochs", "seed"


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, not {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="PATH", help="a folder, an .npz or a .csv of your own")
    source.add_argument("--dataset", choices=datasets.known(), help="a data set by name")
    add_own_data(parser)
    parser.add_argument("--data-dir", help="folder of data sets (default: the environment's LOGICNN_DATA)")
    parser.add_argument("--board", required=True, help=f"a board ({', '.join(boards.names())}) or a board file")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("explore"),
        metavar="DIR",
        help="folder of all results (default: %(default)s)",
    )
    parser.add_argument("--minutes", type=minutes, default=60.0, help="of the whole (default: %(default)g)")
    parser.add_argument(
        "--ways", nargs="+", choices=way_names(), default=list(way_names()), help="kinds of networks (default: all)"
    )
    parser.add_argument("--jobs", type=count, metavar="N", help="at a time (default: one a processor core, or worker)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that does the jobs")
    parser.add_argument("--trials", type=count, metavar="N", help="short trainings at most")
    parser.add_argument("--builds", type=_whole, metavar="N", help="builds at most")
    parser.add_argument(
        "--epochs", type=count, default=0, metavar="N", help="of short trainings (default: what there is time for)"
    )
    parser.add_argument("--seed", type=_whole, default=1, help="of splits, proposals and training (default: 1)")
    parser.add_argument("--json", action="store_true", help="print explore.json instead of text")


def _read(arguments: argparse.Namespace, ways: "Mapping[str, Way]") -> "Material":
    from logicnn.explore.material import named, owned

    if arguments.dataset:
        only_with("--data", label=arguments.label, drop=arguments.drop, size=arguments.size)
        return named(arguments.dataset, arguments.data_dir, ways, arguments.seed)
    only_with("--dataset", data_dir=arguments.data_dir)
    size = tuple(arguments.size) if arguments.size else None
    own = read_own(arguments.data, label=arguments.label, drop=arguments.drop, size=size)
    for remark in own.remarks:
        print(one_line(f"warning: {remark}"), file=sys.stderr)
    return owned(own, arguments.data.resolve().name, ways, arguments.seed)


def _command(arguments: argparse.Namespace) -> str:
    """What was asked for, as a command."""
    words = ["logicnn", "explore"]
    for name in ("data", "dataset", "label", "drop", "size", "data_dir", "board", "output", "minutes", "ways", *LIMITS):
        value = getattr(arguments, name)
        if value is not None and value != () and (name, value) != ("epochs", 0):
            words.append(f"--{name.replace('_', '-')}")
            words += [f"{each:g}" if isinstance(each, float) else str(each) for each in _several(value)]
    return shlex.join(words)


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _told(trial: "Trial", elapsed_s: float, whole: float) -> None:
    """One line of a trial, or of its build."""
    name = f"{elapsed_s / 60:6.1f} of {whole:g} min  trial {trial.number:4d}  {trial.way}"
    if trial.figures is None:
        text = f"{trial.state.value}: {trial.reason}"
    elif trial.build_reason:
        text = f"no build: {trial.build_reason}"
    elif trial.build:
        text = f"built: {trial.logic_cells:,} logic cells, {trial.known.accuracy:.2%} of the validation samples"
    else:
        known, longer = trial.figures, "" if trial.longer_of is None else f", trial {trial.longer_of} for longer"
        text = (
            f"{known.accuracy:.2%} of the validation samples, about {known.estimate.logic_cells:,} logic cells, "
            f"{known.epochs} epochs{longer}"
        )
    print(one_line(f"{name}  {text}"), file=sys.stderr, flush=True)


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _explored(arguments: argparse.Namespace, board: Board) -> "Results":
    from logicnn.explore.explorer import Explorer, Limits, choosable
    from logicnn.explore.results import Asked, results_of
    from logicnn.explore.study import Study
    from logicnn.explore.workers import Cluster, Local
    from logicnn.nn.ways import WAYS

    chosen = {name: way for name, way in WAYS.items() if name in arguments.ways}  # in one order, however they are named
    material = _read(arguments, chosen)
    choices, refused = choosable(chosen, material.data, board.device)
    ways = {name: chosen[name] for name in choices}
    for name, reason in refused.items():
        print(one_line(f"way {name} is left out: {reason}"), file=sys.stderr)
    sizes = ", ".join(f"{number} {name}" for name, number in material.samples.items())
    print(one_line(f"{material.name}: {sizes} samples, {len(material.any.classes)} classes"), file=sys.stderr)
    of = {"data": material.digest, "board": board.name, "ways": sorted(ways), "seed": arguments.seed}
    limits = Limits(60 * arguments.minutes, arguments.trials, arguments.builds, arguments.epochs)
    output = arguments.output
    with Study(output, of, choices, arguments.seed) as study:
        if arguments.scheduler:
            workers = Cluster(arguments.scheduler, arguments.jobs)
        else:
            workers = Local(arguments.jobs or _cores())

        def results(judged: bool) -> "Results":
            asked = Asked(arguments.board, output, arguments.seed, _command(arguments), arguments.data_dir)
            return results_of(study, ways, refused, material, asked, judged)

        def told(trial: "Trial") -> None:
            results(judged=False).write()
            _told(trial, explorer.elapsed_s, arguments.minutes)

        with closing(workers):
            explorer = Explorer(study, material, ways, arguments.board, output, limits, workers, arguments.seed, told)
            explorer.run()
        found = results(judged=True)
        found.write()
        return found


def _show(found: "Results") -> None:
    from logicnn.explore.results import HEAD, PAGE

    table = Table(*(Column(each, overflow="fold") for each in HEAD), box=box.SIMPLE)  # no path may be cut
    for row in found.table():
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200, markup=False, emoji=False).print(table)
    print("chosen by the validation samples; the test samples were read for these networks alone, after the search")
    print(f"page: {found.asked.output / PAGE}")
    print(f"next: {found.build_command(found.best[0])}")


def run(arguments: argparse.Namespace) -> None:
    board = boards.find(arguments.board)
    if arguments.seed >= 1 << 31:
        raise LogicnnError(f"--seed must lie in 0 ... {(1 << 31) - 1}, not {arguments.seed}")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise LogicnnError(f"--output must be a folder, not {arguments.output}")
    with Steps(quiet=False).step("torch", "load torch and optuna", silent_s=5):
        try:
            import torch  # noqa: F401
        except ImportError:
            raise LogicnnError("torch is not installed; pip install logicnn[train]") from None
        import logicnn.explore.study  # noqa: F401  # which says so where Optuna is missing
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(arguments.output / LOCK, timeout=0):
            found = _explored(arguments, board)
    except Timeout:
        raise LogicnnError(f"--output {arguments.output} is of an exploration that is running") from None
    except NotImplementedError:
        raise LogicnnError(f"--output {arguments.output} is on a disk without locks; choose another") from None
    if not found.best:
        why = next((each.reason for each in reversed(found.trials) if each.reason), "there was no time for more")
        raise LogicnnError(f"none of {len(found.trials)} trials came to a network: {why}")
    sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n") if arguments.json else _show(found)


COMMAND = Command("explore", "the best networks for your data and a board", __doc__, add_arguments, run, "--output")
