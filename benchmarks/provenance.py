"""What a record was measured with: the code, its commit, and the machine.

The code of a benchmark is what it may run of this repository's statements (`benchmarks.reach`): comments, docstrings,
layout, and what it never runs may change, and a record is still one of the same code.
"""

import atexit
import hashlib
import os
import platform
import subprocess
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reach import reached
from logicnn.errors import LogicnnError

__all__ = ["changed_since", "code_digest", "commit", "is_dirty", "machine"]

ROOT = Path(__file__).parents[1]
# What benchmarks write, of which one night's later ones find what earlier ones wrote
WRITTEN = (":!benchmarks/results", ":!README.md", ":!docs/results.md")


def _git(*arguments: str, root: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def commit(root: Path = ROOT) -> str:
    """The commit that is checked out; `LogicnnError` where none is."""
    try:
        return _git("rev-parse", "HEAD", root=root).strip()
    except (OSError, subprocess.CalledProcessError):
        raise LogicnnError(f"{root} is no git checkout; a record says of which commit it is") from None


def is_dirty(root: Path = ROOT) -> bool:
    """Whether files that git tracks differ from the commit, other than what benchmarks write themselves."""
    return bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN, root=root).strip())


def machine() -> dict[str, str | int]:
    """The processor, how many cores may be used, and the system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:  # no Linux
        pass
    return {"processor": name, "cores": len(os.sched_getaffinity(0)), "system": platform.system()}


@cache
def code_digest(benchmark: str, root: Path = ROOT) -> str:
    """SHA-256 of what a benchmark may run."""
    digest = hashlib.sha256()
    for source, name in reached(benchmark, root):
        digest.update(f"{source.module}\0{name}\0{source.dump(name)}\0".encode())
    return digest.hexdigest()


def changed_since(benchmark: str, before: str, root: Path = ROOT) -> list[str]:
    """Names, with their modules, of what a benchmark may run that did something else, or was not run, at a commit. A
    layer or a board that was not there then is none: nothing made or read one. Raises `LogicnnError` where the
    repository does not have the commit.
    """
    then = {(source.module, name): source.dump(name) for source, name in reached(benchmark, _tree(before, root))}
    now = {(source.module, name): source.dump(name) for source, name in reached(benchmark, root, frozenset(then))}
    changed = sorted(unit for unit in then.keys() | now.keys() if then.get(unit) != now.get(unit))
    return [f"{module}{name and '.'}{name}" for module, name in changed]


@cache
def _tree(before: str, root: Path) -> Path:
    """A folder with the code at a commit, which is there until the program ends."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    made = subprocess.run(["git", "archive", before], cwd=root, capture_output=True, check=False)
    if made.returncode:
        raise LogicnnError(f"this repository does not have commit {before[:10]}")
    with tarfile.open(fileobj=BytesIO(made.stdout)) as archive:
        archive.extractall(folder.name, filter="data")
    return Path(folder.name)
