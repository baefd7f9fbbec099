"""What goes wrong on its own, and what becomes of it: ``python -m benchmarks.faults``.

The bitstream of one network under other hash seeds, locales, folders, homes and numbers of cores; of another where
builds go side by side in one folder, and where one was killed (SIGKILL, its tools left running) at random times and
then repeated. Over a million requests to a synthesised board on lines that lose, double, change and delay bytes
(`benchmarks.faulty_line`), and how often a frame with one, two or three changed bytes is taken for a whole one. Ten
minutes on two cores.
"""

import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import finished, parser_for, rounded, write_result
from benchmarks.faulty_line import FaultyLine, Rates, board_netlist, network
from logicnn.board.protocol import Decoder, Frame, Kind, encode
from logicnn.commands.command import guarded
from logicnn.errors import CheckFailed
from logicnn.flow.build import LOCK
from logicnn.flow.stages import RUNNING
from logicnn.netlist.simulate import Simulation
from logicnn.network import save

__all__ = ["built", "kill", "line", "undetected"]

SEED = 1
ROOT = Path(__file__).parents[1]
MODEL = "digits-bnn"  # under other conditions; `faulty_line.network`, which builds faster, for kills
KILLS = 20
FRAMES = 1 << 20  # more than these
LANES, AT_ONCE = 512, 120  # boards, and requests to each in a row
TRIALS = 400_000  # frames of each number of changed bytes
STAGES = {  # by the line of a build's output that they begin with, and which seconds of a report they last
    "": ("elaboration", "elaborate"),
    "elaborate": ("synthesis", "synthesis"),
    "synthesise": ("verification", "verify"),
    "verify the netlist": ("place and route", "place_route"),
    "place and route": ("pack", "pack"),
    "pack the bitstream": ("results", "pack"),
}
# What a build needs of this machine, whatever else is changed.
KEPT = {"YOWASP_CACHE_DIR": str(Path.home() / ".cache" / "YoWASP"), "PYTHONPATH": str(ROOT)}
FOREIGN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Chatham"}


def _started(
    model: str, output: Path, changed: Mapping[str, str] | None = None, root: Path = ROOT, cores: int | None = None
) -> subprocess.Popen:
    """A build of its own process; what it says goes to ``output/said``."""
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "logicnn.build", "--board", "icebreaker", "--model", model]
    command += ["--verify", "quick", "--output", str(output / "builds")]
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    with (output / "said").open("a") as said:
        return subprocess.Popen(
            command,
            cwd=root,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **KEPT, **(changed or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, chosen),
        )


def _hash(output: Path) -> str:
    """SHA-256 of the one bitstream, which is the report's."""
    (folder,) = (output / "builds").iterdir()
    report = json.loads((folder / "report.json").read_text())
    (path,) = folder.glob("*.bin")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != report["bitstream"]["sha256"]:
        raise CheckFailed(f"{path} is not the bitstream that its report names")
    return found


def _ended(build: subprocess.Popen, output: Path) -> str:
    if build.wait():
        raise CheckFailed(f"a build ended with {build.returncode}: {(output / 'said').read_text()[-500:]}")
    return _hash(output)


def built(name: str, folder: Path) -> dict[str, Any]:
    """The bitstream's hash under one condition."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    output, root, cores, changed = folder / "run", ROOT, None, {}
    match name.split(" ")[0]:
        case "hash":
            changed = {"PYTHONHASHSEED": name.rsplit(" ", 1)[1]}
        case "locale":
            changed = FOREIGN
        case "folder":
            root = output / "another folder, \u00fc"
            for each in ("logicnn", "boards"):
                shutil.copytree(ROOT / each, root / each, ignore=shutil.ignore_patterns("__pycache__"))
            changed = {"PYTHONPATH": str(root)}
        case "core":
            cores = 1
        case "home":
            changed = {"HOME": "/nonexistent"}
    return {"condition": name, "sha256": _ended(_started(MODEL, output, changed, root, cores), output)}


CONDITIONS = (
    "as it is",
    "hash seed 1",
    "hash seed 4294967295",
    "locale C in ASCII, another time zone",
    "folder of the checkout and of the build",
    "core, one alone",
    "home that is not there",
)


def _model(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    save(network(), folder / "line.lnn")
    return str(folder / "line.lnn")


def side_by_side(folder: Path, count: int = 3) -> dict[str, Any]:
    """Builds of the same network in one folder at the same time: all end well, and leave the one bitstream."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    model, start = _model(folder), time.time()
    builds = [_started(model, folder / "run") for _ in range(count)]
    codes = [build.wait() for build in builds]
    return {
        "builds": count,
        "exit_codes": codes,
        "sha256": _hash(folder / "run"),
        "seconds": round(time.time() - start, 1),
    }


def _left(folder: Path) -> dict[str, list[str]]:
    """What is in a build folder: results under their names, and what is not to be taken for one."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    results = [name for name in names if name.endswith((".bin", ".html")) or name.startswith("report.")]
    stages = [name for name in names if name.endswith(".stamp")]
    remains = [name for name in names if name.startswith(".") and name != LOCK]
    return {
        "results": results,
        "stages": stages,
        "remains": [RUNNING if name.startswith(RUNNING) else "file" for name in remains],
    }


def kill(line: str, after_s: float, expected: str, folder: Path) -> dict[str, Any]:
    """A build that is killed so long behind a line of its output, and repeated in the same folder while tools of the
    first may still run.
    """
    output = folder / "run"
    shutil.rmtree(output, ignore_errors=True)
    model = _model(folder)
    build, start = _started(model, output), time.monotonic()
    while line not in (output / "said").read_text() and build.poll() is None:
        time.sleep(0.002)
    with contextlib.suppress(subprocess.TimeoutExpired):
        build.wait(after_s)
    ran, lasted = build.poll() is None, time.monotonic() - start
    build.send_signal(signal.SIGKILL)
    build.wait()
    said = (output / "said").read_text()
    (stage,) = [name for begin, (name, _) in STAGES.items() if begin in said][-1:]
    folders = list((output / "builds").iterdir()) if (output / "builds").is_dir() else []
    left = _left(folders[0]) if folders else {"results": [], "stages": [], "remains": []}
    whole = all(_is_whole(folders[0] / name, expected) for name in left["results"])
    return {
        "after_s": round(lasted, 2),
        "killed": ran,
        "stage": stage,
        "left": left,
        "results_whole": whole,
        "equal": _ended(_started(model, output), output) == expected,
    }


def _is_whole(path: Path, expected: str) -> bool:
    """Whether a result that has its name is the one that it should be."""
    data = path.read_bytes()
    match path.suffix:
        case ".bin":
            return hashlib.sha256(data).hexdigest() == expected
        case ".json":
            return json.loads(data)["bitstream"]["sha256"] == expected
        case ".html":
            return data.rstrip().endswith(b"</html>")
    return b"\ntools " in data  # the last line of report.txt


def line(folder: Path) -> dict[str, Any]:
    """Requests to boards on faulty lines."""
    given = network()
    simulation = Simulation(board_netlist(given, folder / "netlist"), LANES)
    boards = FaultyLine(simulation, given, SEED)
    while boards.counted.frames <= FRAMES:
        boards.ask(AT_ONCE)
        print(f"{boards.counted.frames} frames", file=sys.stderr, flush=True)
    counted = boards.counted
    return {
        "frames": counted.frames,
        "accepted": counted.accepted,
        "wrong_accepted": counted.wrong,
        "damaged": counted.damaged,
        "faults": dict(counted.faults),
        "rates": vars(Rates()),
    }


def undetected(changes: int) -> dict[str, Any]:
    """How often a frame of a sample, of two bytes, is taken for another one, where `changes` of the bytes between its
    flags are others, or where as many are lost as come twice, elsewhere.
    """
    rng = np.random.default_rng(SEED)
    taken = {"changed": 0, "moved": 0}
    for _ in range(TRIALS):
        sent = Frame(Kind.CLASSIFY, int(rng.integers(16)), rng.bytes(2))
        body = encode(sent)[1:-1]
        places = rng.permutation(len(body))[:changes].tolist()
        changed = bytearray(body)
        for place in places:
            changed[place] ^= int(rng.integers(1, 256))
        moved = [1 if place not in places else 0 for place in range(len(body))]
        for place in rng.integers(0, len(body), changes).tolist():
            moved[place] += 1
        shifted = b"".join(body[place : place + 1] * count for place, count in enumerate(moved))
        for name, data in (("changed", bytes(changed)), ("moved", shifted)):
            frames = Decoder().feed(b"\x7e" + data + b"\x7e")
            taken[name] += any(isinstance(each, Frame) and each != sent for each in frames)
    return {"changes": changes, "frames": TRIALS, "taken_changed": taken["changed"], "taken_moved": taken["moved"]}


def required(figures: dict[str, Any]) -> dict[str, bool]:
    stages = {row["stage"] for row in figures["kills"] if row["killed"]}
    return {
        "the bitstream is the same under all conditions": figures["hashes_equal"],
        "builds side by side end well": not any(figures["side_by_side"]["exit_codes"]),
        "and leave the one bitstream": figures["side_by_side"]["sha256"] == figures["kills_sha256"],
        "nothing that was left looks whole and is not": all(row["results_whole"] for row in figures["kills"]),
        "the second build gives the same bitstream": all(row["equal"] for row in figures["kills"]),
        "kills in at least five stages": len(stages) >= 5,
        "more than a million frames": figures["frames"] > FRAMES,
        "no wrong class is taken": figures["wrong_accepted"] == 0,
        "most requests are answered": figures["accepted"] > 0.5 * figures["frames"],
        "a changed byte is found": figures["undetected"][0]["taken_changed"] == 0,
    }


def _kills(folder: Path) -> dict[str, Any]:
    """At times drawn over each stage of a build in turn."""
    output = folder / "whole"
    shutil.rmtree(output, ignore_errors=True)
    start = time.monotonic()
    expected = _ended(_started(_model(folder), output), output)
    whole_s, rng = time.monotonic() - start, random.Random(SEED)
    (report,) = (output / "builds").glob("*/report.json")
    seconds = json.loads(report.read_text())["seconds"]
    before_s = whole_s - seconds["total"]  # until Python has everything
    rows = []
    for place, line in zip(range(KILLS), itertools.cycle(STAGES), strict=False):
        after_s = rng.uniform(0, seconds[STAGES[line][1]] + (before_s if not line else 0))
        rows.append(finished(folder / f"kill_{place:02}", kill, line, after_s, expected, folder))
    return {"kills": rows, "kills_sha256": expected, "build_s": rounded(whole_s)}


def _each(folder: Path, measure: Callable[..., Any], names: tuple[str, ...]) -> list[Any]:
    return [finished(folder / f"{place}", measure, name, folder / f"{place}") for place, name in enumerate(names)]


def main() -> None:
    given = parser_for(__doc__, output="faults").parse_args()
    output = given.output.absolute()
    conditions = _each(output / "conditions", built, CONDITIONS)
    figures = {
        "conditions": conditions,
        "hashes_equal": len({row["sha256"] for row in conditions}) == 1,
        "side_by_side": finished(output / "side", side_by_side, output / "side"),
        **_kills(output / "kills"),
        **finished(output / "line", line, output / "line"),
        "undetected": [finished(output / f"undetected_{each}", undetected, each) for each in (1, 2, 3)],
    }
    write_result("faults", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
