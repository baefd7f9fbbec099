"""What is handed to a worker, a training or a build. Both read nothing but what they get and give all that they made:
a worker may be on another machine, and a job whose worker died is done again.
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from markupsafe import escape

from logicnn.board import boards
from logicnn.data.dataset import Dataset
from logicnn.errors import CheckFailed
from logicnn.explore.estimate import Estimate, estimated
from logicnn.network import Network
from logicnn.network.files import from_bytes, to_bytes
from logicnn.nn.choices import Chosen
from logicnn.nn.ways import WAYS

__all__ = ["MOST_EPOCHS", "VALIDATION", "Building", "Built", "Trained", "Training", "build", "train"]

MOST_EPOCHS = 300
VALIDATION = "validation.npz"  # the samples that a build is compared and judged on
KEPT = {".json", ".txt", ".html", ".bin", ".bit", ".svf"}  # files of a build that are handed back
WRITTEN: dict[str, Callable[[str], str]] = {  # how files of a build write a path
    ".json": lambda text: json.dumps(text)[1:-1],
    ".html": lambda text: str(escape(text)),
    ".txt": str,
}
STOPS_S = 20.0  # in which a build that is told to end does so
ALONE = Lock()  # torch's generator and number of threads are those of the process


@dataclass(frozen=True)
class Training:
    """Trains what was chosen of a way, for so many epochs, or with 0 for as many as so many seconds are enough for."""

    trial: int
    way: str
    chosen: Chosen
    board: str
    seed: int
    epochs: int
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.way}-{self.trial}"


@dataclass(frozen=True)
class Trained:
    """A network file, the share of left-out samples that it decides right, and what the training took."""

    network: bytes
    digest: str
    accuracy: float
    estimate: Estimate
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Building:
    """Builds a network file for a board, in so many seconds at most; `folder` is where the result will lie."""

    trial: int
    name: str
    network: bytes
    board: str
    engine: str
    folder: str
    seconds: float


@dataclass(frozen=True)
class Built:
    """`report.json` of the build, its files by their paths in the folder, and how long it took."""

    report: dict[str, Any]
    files: dict[str, bytes]
    seconds: float


@contextlib.contextmanager
def _by_itself() -> Iterator[None]:
    """One thread of torch, so that sums have one order, and no progress bar."""
    with ALONE:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            torch.set_num_threads(threads)


@cache
def _warm() -> None:
    """The first optimiser of a process loads half of torch: seconds that are no epoch's."""
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def train(job: Training, data: Dataset) -> Trained:
    """Trains on the training part, and judges on the other. Raises `LogicnnError` for a network that is refused."""
    way, board = WAYS[job.way], boards.find(job.board)
    candidate = way.candidate(job.chosen, data, board.device)

    def trained(epochs: int) -> Network:
        return way.trained(candidate, data, data.train, epochs, job.seed)

    with _by_itself():
        _warm()
        network, epochs, seconds = _timed(trained, job.epochs, job.seconds)
    network = replace(network, name=job.name)
    right = float(np.mean(network.evaluate(data.test.x) == data.test.y))
    estimate = estimated(network, board, way.engine)
    return Trained(to_bytes(network), network.digest(), right, estimate, epochs, seconds)


def _timed(trained: Callable[[int], Network], epochs: int, seconds: float) -> tuple[Network, int, float]:
    """A network, after how many epochs, and the seconds that those took. An epoch's time is found by one of them, and
    once more where it was less than half as long as it seemed.
    """
    end, chosen = time.monotonic() + seconds, epochs
    epochs = chosen or 1
    while True:
        start = time.monotonic()
        network = trained(epochs)
        took = time.monotonic() - start
        more = min(MOST_EPOCHS, int((end - time.monotonic()) / max(took, 1e-9) * epochs))
        if chosen or more < 2 * epochs:
            return network, epochs, took
        epochs = more


def build(job: Building, data: Dataset) -> Built:
    """Runs `logicnn build`, compared and judged on the left-out samples. Raises `CheckFailed` where it fails, with its
    own words.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="logicnn-explore-") as made:
        folder = Path(made)
        model = folder / f"{job.name}.lnn"
        model.write_bytes(to_bytes(replace(from_bytes(job.network), name=job.name)))
        np.savez(folder / VALIDATION, inputs=data.test.x, labels=data.test.y)
        words = ["--board", job.board, "--model", str(model), "--engine", job.engine, "--output", made]
        out = _run(["build", *words, "--test", str(folder / VALIDATION), "--json"], job.seconds)
        files = {
            str(path.relative_to(folder)): _moved(path.read_bytes(), path.suffix, made, job.folder)
            for path in _kept(Path(json.loads(out)["bitstream"]["path"]).parent)
        }
    report = json.loads(_moved(out.encode(), ".json", made, job.folder))
    return Built(report, files, time.monotonic() - start)


def _moved(data: bytes, suffix: str, was: str, folder: str) -> bytes:
    """A file of a build with the folder where it will lie, written as such files write any text."""
    if suffix not in WRITTEN:
        return data
    written = WRITTEN[suffix]
    return data.replace(written(was).encode("utf-8", "replace"), written(folder).encode("utf-8", "replace"))


def _kept(folder: Path) -> list[Path]:
    """Results of a build; what its stages made is left behind."""
    name = json.loads((folder / "report.json").read_text())["model"]["name"]
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in KEPT and (path.stem == "report" or path.name.startswith(f"{name}."))
    ]


def _run(words: list[str], seconds: float) -> str:
    """What a command of ours prints. Its time over, it is told to end as by Ctrl-C, so that it stops its tools."""
    command = [sys.executable, "-m", "logicnn", *words]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, text=True, stdin=nothing, stdout=pipe, stderr=pipe) as process:
        try:
            out, said = process.communicate(timeout=seconds)
        except BaseException as error:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=STOPS_S)
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                raise CheckFailed(f"the build took more than {seconds:.0f} s") from None
            raise
    if process.returncode:
        errors = [line for line in said.splitlines() if line.strip()]
        last = errors[-1].removeprefix("error: ") if errors else "no message"
        raise CheckFailed(f"the build ended with code {process.returncode}: {last}")
    return out
