"""Which code a record is of: statements of what a benchmark imports, and nothing else; and which records are stale."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import all as every
from benchmarks.provenance import changed_since, code_digest, commit, is_dirty
from benchmarks.reach import reached, source_of

FILES = {
    "benchmarks/speed.py": '"""Doc."""\nfrom logicnn.fast import add\nfrom logicnn.rules import RULES\n'
    "x = add, RULES\n",
    "benchmarks/common.py": "x = 1\n",
    "logicnn/__init__.py": "",
    "logicnn/fast.py": 'from logicnn import slow\n\n\ndef add(a, b):\n    """Adds."""\n    return slow.add(a, b)\n',
    "logicnn/slow.py": "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n",
    "logicnn/rules/__init__.py": "from pkgutil import iter_modules\nRULES = list(iter_modules(__path__))\n",
    "logicnn/rules/one.py": "one = 1\n",
    "logicnn/other.py": "other = 1\n",
}


def tree(root: Path, **changes: str) -> Path:
    """A repository of these files and changes, `a__b` for ``a/b.py``."""
    for name, text in (FILES | {f"{name.replace('__', '/')}.py": text for name, text in changes.items()}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"logicnn__slow": "def add(a, b):\n    '''Also adds.'''\n    return (a + b)  # a sum\n"}, True),
        ({"logicnn__slow": "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return b - a\n"}, True),
        ({"logicnn__other": "other = 2\n", "benchmarks__common": "x = 2\n"}, True),
        ({"logicnn__slow": "def add(a, b):\n    return b + a\n"}, False),
        ({"logicnn__rules__one": "one = 2\n"}, False),
        ({"logicnn__rules__two": "two = 2\n"}, False),
    ],
)
def test_digest(tmp_path, change, same):
    before, after = tree(tmp_path / "before"), tree(tmp_path / "after", **change)
    assert (code_digest("speed", before) == code_digest("speed", after)) == same


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def test_commits(tmp_path):
    root = tree(tmp_path)
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    first = commit(root)
    assert len(first) == 40 and not is_dirty(root) and changed_since("speed", first, root) == []
    tree(root, logicnn__slow="def add(a, b):\n    return b + a\n", logicnn__rules__two="two = 2\n")
    assert is_dirty(root)
    reached.cache_clear(), source_of.cache_clear()
    assert changed_since("speed", first, root) == ["logicnn.rules.two.two", "logicnn.slow.add"]


def test_new_layers_were_not_read(tmp_path):
    """A class that registers itself and was not there at the commit has made no record."""
    base = "class Rule:\n    def __init_subclass__(cls): pass\n"
    speed = "from logicnn.base import Rule\nimport logicnn.rules\nx = Rule\n"
    one = "from logicnn.base import Rule\nclass One(Rule): x = 1\n"
    tree(tmp_path, benchmarks__speed=speed, logicnn__base=base, logicnn__rules__one=one)
    (tmp_path / "logicnn/rules/__init__.py").write_text(
        "from pkgutil import iter_modules\nfor _ in iter_modules(__path__): pass\n"
    )
    for arguments in (["init"], ["add", "."], ["commit", "-m", "first"]):
        git(tmp_path, *arguments)
    (tmp_path / "logicnn/rules/two.py").write_text(one.replace("One", "Two"))
    assert changed_since("speed", commit(tmp_path), tmp_path) == []
    (tmp_path / "logicnn/rules/one.py").write_text(one.replace("x = 1", "x = 2"))
    reached.cache_clear(), source_of.cache_clear()
    assert changed_since("speed", commit(tmp_path), tmp_path) == ["logicnn.rules.one.One"]


def test_another_import(tmp_path):
    """The same statements, but of a name that comes from elsewhere."""
    text = "from logicnn.{} import add\nx = add\n"
    root = tree(tmp_path, benchmarks__speed=text.format("fast"))
    for arguments in (["init"], ["add", "."], ["commit", "-m", "first"]):
        git(root, *arguments)
    tree(root, benchmarks__speed=text.format("slow"))
    assert changed_since("speed", commit(root), root) == ["logicnn.fast.add"]


def records(folder: Path, **kept: dict) -> Path:
    for name, record in kept.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


def test_records_are_not_what_is_measured(tmp_path):
    """What an earlier benchmark of the night wrote, and the tables from it, leave the checkout as it was."""
    root = tree(tmp_path)
    written = [root / name for name in ("benchmarks/results/a.json", "README.md", "docs/results.md", "docs/x.md")]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    for path in written[:-1]:
        path.write_text("after")
    assert not is_dirty(root)
    written[-1].write_text("after")
    assert is_dirty(root)


def test_order(tmp_path):
    """What others read goes first, however long it takes; of the rest the quickest."""
    seconds = {"payra": 5, "payra_train": 90, "adders": 10, "spe": 1, "ikr": 50, "popcount": 100}
    found = every.ordered(records(tmp_path, **{name: {"seconds": each} for name, each in seconds.items()}))
    assert found == ["adders", "ikr", "spe", "payra_train", "popcount", "payra"]


def test_stale(tmp_path, capsys):
    head = commit()
    code = {name: {"code": code_digest(name), "commit": head, "dirty": False} for name in ("adders", "popcount")}
    code["popcount"] |= {"code": "another", "dirty": True}
    results = records(tmp_path, **code, spe={"seed": 1})
    assert [every.stale(name, results) for name in ("adders", "spe", "popcount")] == [
        None,
        "it does not say of which code it is",
        f"it is of files that commit {head[:10]} does not have",
    ]
    with pytest.raises(every.CheckFailed, match=r"^2 records are to be measured again: popcount, spe$"):
        every.run(check=True, results=results)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_no_time(tmp_path, monkeypatch):
    """What took longer than what is left is not begun."""
    seconds = {"popcount": 50, "spe": 70}
    code = {name: {"code": "another", "dirty": True, "commit": "", "seconds": each} for name, each in seconds.items()}
    begun = []

    def run(words, **_):
        begun.append(words[-1])
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(every.subprocess, "run", run)
    with pytest.raises(every.CheckFailed, match=r"^2 records are to be measured again: popcount, spe$"):
        every.run(check=False, minutes=1, results=records(tmp_path, **code))
    assert begun == ["benchmarks.popcount"]


def test_all_reads_what_there_is():
    assert {name for names in every.READS.items() for name in (names[0], *names[1])} <= set(every.ordered())
