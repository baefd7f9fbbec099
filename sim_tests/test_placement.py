"""Which router, which seed, and what happens when a router will not settle."""

import os
import stat
import sys

import pytest

from logicnn import cli, tools
from logicnn.placement import ENGINE_SEED, LOG, LOGIC_SEED, PATIENCE, Placement, attempts, routed_by, stuck
from logicnn.resources import Family


def log(folder, overused: list[int]) -> None:
    lines = [f"Info:     iter={index} wires=100 overused={each} overuse={each} archfail=NA" for index, each in enumerate(overused, 1)]
    (folder / LOG).write_text("Info: Routing..\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("overused", "expected"),
    [
        ([], False),
        ([100, 50, 20, 3, 0], False),
        ([*range(1000, 0, -1)], False),
        ([5] * PATIENCE, False),
        ([5] * (PATIENCE + 1), True),
        ([5] * (PATIENCE + 1) + [0], True),
        ([5, 2, *[2, 3] * (PATIENCE // 2)], True),
        ([5, *[6] * (PATIENCE - 1), 4, *[6] * (PATIENCE - 1), 0], False),
    ],
)
def test_stuck(tmp_path, overused, expected):
    log(tmp_path, overused)
    assert stuck(tmp_path) is expected


def test_no_log(tmp_path):
    assert not stuck(tmp_path)


def test_attempts():
    assert attempts(Family.ICE40, None, engine=False) == [Placement(LOGIC_SEED, "router2"), Placement(LOGIC_SEED, "router1")]
    assert attempts(Family.ICE40, None, engine=True) == [Placement(ENGINE_SEED, "router1")]
    assert attempts(Family.ECP5, 0, engine=False) == [Placement(0, "")]
    assert "--seed 0" in Placement(0, "").options and "--router" not in Placement(0, "").options


def test_routed_by():
    command = ["nextpnr-ice40", "--router", "router2", "--seed", "3"]
    assert routed_by(command, Placement(3, "router1")) == ["nextpnr-ice40", "--router", "router1", "--seed", "3"]
    assert command[2] == "router2"


@pytest.fixture
def stubborn(tmp_path, monkeypatch):
    """A nextpnr whose router2 goes round for ever; each of its runs leaves a line in `runs`."""
    real, fake, runs = tools.executable("nextpnr-ice40"), tmp_path / "nextpnr", tmp_path / "runs"
    fake.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        "router = sys.argv[sys.argv.index('--router') + 1] if '--router' in sys.argv else 'version'\n"
        f"open({str(runs)!r}, 'a').write(router + chr(10))\n"
        "if router == 'router2':\n"
        f"    open({LOG!r}, 'w').write('iter=1 wires=1 overused=2\\n' * {PATIENCE + 1})\n    time.sleep(600)\n"
        f"os.execv({real!r}, [{real!r}, *sys.argv[1:]])\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("NEXTPNR_ICE40", os.fspath(fake))
    return lambda: [line for line in runs.read_text().splitlines() if line != "version"]


def test_other_router(tmp_path, stubborn, capsys):
    """A router that does not settle is ended, and the other one takes its place; the next build does not try it again."""
    arguments = ["build", "--board", "icebreaker", "--model", "digits-bnn", "--verify", "none", "--output", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    assert stubborn() == ["router2", "router1"]
    assert f"seed {LOGIC_SEED}, router1" in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert stubborn() == ["router2", "router1"]
