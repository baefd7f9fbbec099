"""A stage runs again when what it read, what it made or its command has changed, and never otherwise."""

import resource
import subprocess
import sys
import time

import pytest

from logicnn.flow import tools
from logicnn.flow.stages import ROOM, Stages

COPIES = """#!/bin/sh
[ "$1" = "--version" ] && echo "Yosys 0.60 (git)" && exit
echo ran >> "${0%/*}/runs"
[ "$3" = "fails" ] && exit 3
[ "$3" = "slowly" ] && sleep 1
cp "$1" "$2"
[ "$3" = "slowly" ] && touch "${0%/*}/slow"
exit 0
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
    return len((folder.parent / "runs").read_text().split())


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


def test_damaged_note_of_what_was_given_up(folder):
    (folder / "synthesis.given_up").write_bytes(b"\xff\xfe\x00")
    assert copied(folder)


def test_tool_that_makes_nothing(folder):
    """It ends well, and has not made what it should have: no success, and nothing is remembered."""
    for command in (["yosys", "in", "elsewhere"], ["yosys", "in", "folder/out"]):
        with pytest.raises(tools.ToolFailed, match=r"^yosys (ended without having made out|failed: ).*\(.*log "):
            Stages(folder).run("synthesis", command, ["in"], ["out"])
    assert not (folder / "synthesis.stamp").exists() and copied(folder)


def test_full_disk_behind_a_tool(folder):
    """A tool that says nothing of a full disk may have left a part of its file: that is none."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM // 2, was[1]))
    try:
        with pytest.raises(OSError, match=r"File too large"):
            copied(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
    assert sorted(path.name for path in folder.iterdir()) == ["in", "synthesis.log"]
    assert copied(folder)


OUTLIVES = """
import sys
from pathlib import Path
from logicnn.flow.stages import Stages
Stages(Path(sys.argv[1])).run("synthesis", ["yosys", "in", "out", "slowly"], ["in"], ["out"])
"""


def test_tool_that_outlives_its_build(folder, tmp_path):
    """A build is killed, its tool goes on: what that writes later is not in the folder, where the next build works."""
    build = subprocess.Popen([sys.executable, "-c", OUTLIVES, str(folder)])
    end = time.monotonic() + 30
    while not (tmp_path / "runs").is_file():
        assert build.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    build.kill()
    build.wait()
    (folder / "in").write_text("second")
    assert copied(folder)
    while not (tmp_path / "slow").is_file():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (folder / "out").read_text() == "second" and not copied(folder)
