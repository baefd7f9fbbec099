"""What a record was measured with: the code, its commit, and the machine.

The code of a benchmark is every module of this repository that it imports, directly or through others. Its digest is
that of their statements: comments, docstrings and layout may change, and a record is still one of the same code.
"""

import ast
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from logicnn.errors import LogicnnError

__all__ = ["changed_since", "code_digest", "commit", "is_dirty", "machine", "modules_of"]

ROOT = Path(__file__).parents[1]
PACKAGES = ("logicnn", "boards", "train", "benchmarks")
# How figures are written down and drawn, not how they come about
BESIDE = {"benchmarks", "benchmarks.common", "benchmarks.provenance", "benchmarks.plots"}
# What benchmarks write, of which one night's later ones find what earlier ones wrote
WRITTEN = (":!benchmarks/results", ":!README.md", ":!docs/results.md")
Statements = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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


def _path(module: str, root: Path) -> Path | None:
    place = root.joinpath(*module.split("."))
    return next((each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()), None)


def _names(module: str, path: Path, tree: ast.AST) -> Iterator[str]:
    """What a module imports: names that may be modules, or things in them."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Name) and node.id == "iter_modules":  # every module of the package is loaded
            yield from (f"{package}.{each.stem}" for each in path.parent.glob("*.py") if each.stem != "__init__")
            yield from (f"{package}.{each.parent.name}" for each in path.parent.glob("*/__init__.py"))


def modules_of(benchmark: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The files of all modules that ``benchmarks/BENCHMARK.py`` needs, and of the packages that they are in, sorted."""
    found: dict[str, Path] = {}
    left = [f"benchmarks.{benchmark}"]
    while left:
        name = left.pop()
        if name in found or name in BESIDE or name.split(".")[0] not in PACKAGES:
            continue
        path = _path(name, root)
        if path is None:
            continue
        found[name] = path
        left += [name.rpartition(".")[0], *_names(name, path, ast.parse(path.read_text()))]
    return tuple(sorted(set(found.values())))


def _statements(source: str) -> bytes:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, Statements) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree).encode()


@cache
def code_digest(benchmark: str, root: Path = ROOT) -> str:
    """SHA-256 of what the modules of a benchmark do."""
    digest = hashlib.sha256()
    for path in modules_of(benchmark, root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + _statements(path.read_text()) + b"\0")
    return digest.hexdigest()


def changed_since(benchmark: str, before: str, root: Path = ROOT) -> list[str]:
    """Files of a benchmark that did something else, or were not there, at a commit."""
    changed = []
    for path in modules_of(benchmark, root):
        name = path.relative_to(root).as_posix()
        try:
            same = _statements(_git("show", f"{before}:{name}", root=root)) == _statements(path.read_text())
        except subprocess.CalledProcessError:
            same = False
        if not same:
            changed.append(name)
    return changed
