"""All records, in the order in which they are refreshed: ``python -m benchmarks.all``.

A record is stale where its benchmark's code does something else than when it was written (`benchmarks.provenance`).
Stale ones are measured again, those first that others read and then the quickest, and the tables are made anew; one
that fails is named in the end, and does not keep the others. ``--check`` only names what is stale and why: exit code 1.
``--minutes`` leaves those out that took longer than what is left of them.
"""

import argparse
import json
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path

from benchmarks.common import RESULTS
from benchmarks.provenance import changed_since, code_digest
from logicnn.commands.command import guarded
from logicnn.errors import CheckFailed, LogicnnError

# What a benchmark reads: the networks, or constants, that others make.
READS = {
    "payra": ("payra_train", "popcount"),
    "luts": ("luts_train", "payra"),
    "luts_fast": ("luts_train",),
    "luts_data": ("luts_data_train",),
    "luts_teacher": ("luts_train", "luts_data_train"),
    "logic_design": ("logic_design_train",),
    "knapsack": ("knapsack_train",),
    "reuse": ("reuse_train",),
    "reuse_cifar10": ("reuse_train_cifar10",),
    "lenet5_icebreaker": ("ikr",),
    "spe": ("ikr",),
    "boards": ("payra_train", "luts_train", "logic_design_train", "ikr", "reuse_train"),
    "verilog": ("payra_train", "luts_train", "logic_design_train", "ikr", "reuse_train"),
}
NAMED = 3  # changed files, of which a line names so many


def ordered(results: Path = RESULTS) -> list[str]:
    """All records' names: after those that they read, and the quickest first of the others."""
    names = {path.stem for path in results.glob("*.json")}
    sorter = TopologicalSorter({name: set(READS.get(name, ())) & names for name in names})
    sorter.prepare()
    found: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=lambda name: (_seconds(name, results), name))
        found.append(ready.pop(0))
        sorter.done(found[-1])
    return found


def _record(name: str, results: Path) -> dict:
    return json.loads((results / f"{name}.json").read_text())


def _seconds(name: str, results: Path) -> float:
    """That it took; endlessly many where nobody noted them."""
    return _record(name, results).get("seconds", float("inf"))


def stale(name: str, results: Path = RESULTS) -> str | None:
    """Why a record is to be measured again."""
    record = _record(name, results)
    if "code" not in record:
        return "it does not say of which code it is"
    if record["code"] == code_digest(name):
        return None
    if record["dirty"]:
        return f"it is of files that commit {record['commit'][:10]} does not have"
    try:
        changed = changed_since(name, record["commit"])
    except LogicnnError as error:
        return str(error)
    if not changed:
        return None
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"changed since {record['commit'][:10]}: {', '.join(changed[:NAMED])}{more}"


def run(check: bool, minutes: float = float("inf"), results: Path = RESULTS) -> None:
    """Names what is stale, and measures it again; raises `CheckFailed` where something stays stale."""
    end = time.monotonic() + 60 * minutes
    found = {name: why for name in ordered(results) if (why := stale(name, results))}
    for name, why in found.items():
        print(f"{name}: {why}")
    if not check:
        left = {name: why for name in found if (why := _measured(name, end - time.monotonic(), results))}
        if len(left) < len(found):
            subprocess.run([sys.executable, "-m", "benchmarks.readme"], check=True)
        found = left
    if found:
        raise CheckFailed(f"{len(found)} records are to be measured again: {', '.join(found)}")


def _measured(name: str, left_s: float, results: Path) -> str | None:
    """Why a record is still the one of before."""
    if _seconds(name, results) > left_s:
        return "there is no time for it"
    code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    return f"exit code {code}" if code else None


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="name stale records, and measure nothing")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for all together (default: no end)")
    given = parser.parse_args()
    return guarded(lambda: run(given.check, given.minutes))


if __name__ == "__main__":
    sys.exit(main())
