"""A stage runs again when what it read, what it made or its command has changed, and never otherwise."""

import pytest

from logicnn.flow import tools
from logicnn.flow.stages import Stages

COPIES = """#!/bin/sh
[ "$1" = "--version" ] && echo "Yosys 0.60 (git)" && exit
echo ran >> runs
[ "$3" = "fails" ] && exit 3
cp "$1" "$2"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A build folder with the file ``in``, and Yosys copies a file to another."""
    script = tmp_path / "copies"
    script.write_text(COPIES)
    script.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(script))
    made = tmp_path / "build"
    made.mkdir()
    (made / "in").write_text("first")
    return made


def copied(folder, *more: str, hopeless=None) -> bool:
    return Stages(folder).run("synthesis", ["yosys", "in", "out", *more], ["in"], ["out"], hopeless)


def runs(folder) -> int:
    return len((folder / "runs").read_text().split())


def test_runs_once(folder):
    assert copied(folder) and (folder / "out").read_text() == "first"
    assert not copied(folder) and runs(folder) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "in").write_text("second"),
        lambda folder: (folder / "out").write_text("cut sho"),
        lambda folder: (folder / "out").unlink(),
        lambda folder: (folder / "synthesis.stamp").unlink(),
    ],
    ids=["input", "output", "no output", "no stamp"],
)
def test_runs_again(folder, change):
    copied(folder)
    change(folder)
    assert copied(folder) and runs(folder) == 2
    assert (folder / "out").read_text() == (folder / "in").read_text()
    assert not copied(folder)


def test_another_command(folder):
    copied(folder)
    assert copied(folder, "quickly") and copied(folder)


def test_failure_leaves_no_stamp(folder):
    copied(folder)
    with pytest.raises(tools.ToolFailed, match=r"^yosys failed: no output \(exit code 3, log .*synthesis\.log\)$"):
        copied(folder, "fails")
    assert copied(folder) and runs(folder) == 3


def test_hopeless_is_not_tried_again(folder):
    """What a tool gave up is remembered for this input, not for another one."""
    for _ in range(2):
        with pytest.raises(tools.ToolGaveUp):
            copied(folder, hopeless=lambda _: True)
    assert runs(folder) == 1
    (folder / "in").write_text("second")
    assert copied(folder, hopeless=lambda _: False) and runs(folder) == 2
