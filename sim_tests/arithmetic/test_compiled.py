"""What numba kept is taken as long as it is whole."""

import importlib.util
import os
from pathlib import Path

import pytest

from logicnn.arithmetic.compiled import compiled

SOURCE = "def doubled(x):\n    return 2 * x\n"


def kept(folder: Path) -> list[Path]:
    return sorted(each for each in (folder / "__pycache__").iterdir() if each.suffix in (".nbi", ".nbc"))


def hits(folder: Path) -> int:
    """How often the cache had the function, which gives what it must."""
    spec = importlib.util.spec_from_file_location("doubled", folder / "doubled.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = compiled(module.doubled)
    assert function(21) == 42
    return sum(function.stats.cache_hits.values())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "doubled.py").write_text(SOURCE)
    assert hits(tmp_path) == 0 and hits(tmp_path) == 1 and len(kept(tmp_path)) == 2
    return tmp_path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes([*path.read_bytes()[:-200], 255, *path.read_bytes()[-199:]])),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["cut", "empty", "changed", "gone", "a folder"],
)
def test_damaged(folder, damage):
    """An index or machine code: compiled again, not run, and no error."""
    for path in kept(folder):
        damage(path)
        assert hits(folder) == 0


def test_stale(folder, monkeypatch):
    """Machine code of other sources of this room, in which they may be."""
    monkeypatch.setattr("logicnn.arithmetic.compiled.SOURCES", "of others")
    assert hits(folder) == 0 and hits(folder) == 1


def test_unreadable_folder(folder, monkeypatch):
    """A disk that is full, or read-only by now, costs no more than time."""

    def full(*_):
        raise OSError(28, os.strerror(28))

    for path in kept(folder):
        path.unlink()
    monkeypatch.setattr("logicnn.arithmetic.compiled.replace_file", full)
    assert hits(folder) == 0 == hits(folder) and kept(folder) == []
