"""Which router, which seed, and what happens when a router will not settle."""

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from logicnn.commands import cli
from logicnn.flow import tools
from logicnn.flow.placement import FIRST_SEED, LOG, SEEDS, Placement, attempts, stuck, tuned
from logicnn.flow.placement import PATIENCE as PATIENCES
from logicnn.network.files import save
from logicnn.resources import Family
from sim_tests.helpers import dense_network

PATIENCE = PATIENCES[0]


def log(folder, overused: list[int]) -> None:
    lines = [
        f"Info:     iter={index} wires=100 overused={each} overuse={each} archfail=NA"
        for index, each in enumerate(overused, 1)
    ]
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


def test_stuck_router1(tmp_path):
    """Its log has what is left in a column of a table."""
    table = "Info:  {}000 |   206946     155053 |  590   410 |     {}|       0.87     544.72|\n"
    (tmp_path / LOG).write_text("".join(table.format(index, 5000 - index) for index in range(500)))
    assert not stuck(tmp_path)
    (tmp_path / LOG).write_text("".join(table.format(index, 5000 + index % 3) for index in range(PATIENCES[1] + 1)))
    assert stuck(tmp_path)


def test_attempts():
    assert attempts(Family.ICE40, None, crowded=False) == [
        Placement(FIRST_SEED + more, "router2") for more in range(SEEDS)
    ]
    assert attempts(Family.ICE40, None, crowded=True) == [
        Placement(FIRST_SEED + more, "router1") for more in range(SEEDS)
    ]
    apart = attempts(Family.ICE40, None, crowded=False, density=0.8)[0]
    at = apart.options.index("--placer-heap-beta")
    assert apart == Placement(1, "router2", 0.8) and apart.options[at + 1] == "0.8"
    assert "--placer-heap-beta" not in Placement(1, "router2").options
    assert attempts(Family.ECP5, 0, crowded=False)[0] == Placement(0, "")
    assert Placement(0, "").options[-2:] == ("--seed", "0") and "--router" not in Placement(0, "").options


def test_command():
    """What is the same for all attempts, the netlist, and the attempt's own options."""
    base = ("nextpnr-ice40", "--quiet", "--up5k", "--asc", "top.asc")
    made = Placement(4, "router2").command(base, "tuned.json")
    assert made[: len(base) + 2] == (*base, "--json", "tuned.json")
    assert made[len(base) + 2 :] == Placement(4, "router2").options and "router2" in made and made[-1] == "4"


def test_tuned(tmp_path):
    """Settings of router2 in the top module, as nextpnr writes them: integers in 32 bits; nothing else changes, nothing
    for router1.
    """
    design = {
        "creator": "a",
        "modules": {"SB_LUT4": {"attributes": {}}, "top": {"attributes": {"top": "01"}, "cells": {}}},
    }
    (tmp_path / "top.json").write_text(json.dumps(design))
    assert tuned(tmp_path, "top.json", Placement(1, "router1")) == "top.json" and len(list(tmp_path.iterdir())) == 1
    made = json.loads((tmp_path / tuned(tmp_path, "top.json", Placement(1, "router2"))).read_text())
    settings = made["modules"]["top"].pop("settings")
    assert (
        made == design
        and settings["router2/bbMargin/x"] == "0" * 28 + "1100"
        and settings["router2/histCongWeight"] == "4.0"
    )
    made = json.loads((tmp_path / tuned(tmp_path, "top.json", Placement(1, "router2", 0.8))).read_text())
    assert settings.keys() - made["modules"]["top"]["settings"].keys() == {"router2/histCongWeight"}


@pytest.fixture
def stubborn(tmp_path, monkeypatch):
    """A nextpnr that goes round for ever with the seeds in the file `bad`; each of its runs leaves its seed in
    `runs`.
    """
    real, fake, runs, bad = tools.executable("nextpnr-ice40"), tmp_path / "nextpnr", tmp_path / "runs", tmp_path / "bad"
    fake.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        "seed = sys.argv[sys.argv.index('--seed') + 1] if '--seed' in sys.argv else 'version'\n"
        f"open({str(runs)!r}, 'a').write(seed + chr(10))\n"
        f"if seed in open({str(bad)!r}).read().split():\n"
        f"    open({LOG!r}, 'w').write('iter=1 wires=1 overused=2\\n' * {PATIENCE + 1})\n    time.sleep(600)\n"
        f"os.execv({real!r}, [{real!r}, *sys.argv[1:]])\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("NEXTPNR_ICE40", os.fspath(fake))
    monkeypatch.setattr(tools, "POLL_S", 0.1)

    def ran(*seeds: int) -> list[str]:
        bad.write_text(" ".join(map(str, seeds)))
        return [line for line in runs.read_text().splitlines() if line != "version"] if runs.exists() else []

    return ran


def small_build(folder: Path) -> list[str]:
    """The command that builds a small network of the folder."""
    save(replace(dense_network(np.random.default_rng(24), 9, 7, 5, 4), name="small"), folder / "small.lnn")
    options = ("--board", "icebreaker", "--model", folder / "small.lnn", "--verify", "none", "--output", folder / "out")
    return ["build", *map(str, options)]


def test_next_seed(tmp_path, stubborn, capsys):
    """A seed with which routing does not settle is left for the next one, and not tried again by the next build."""
    arguments = small_build(tmp_path)
    assert stubborn(7, 8) == []
    assert cli.main([*arguments, "--seed", "7"]) == 0
    assert stubborn(7, 8) == ["7", "8", "9"]
    assert "seed 9, router2" in capsys.readouterr().out
    assert cli.main([*arguments, "--seed", "7"]) == 0
    assert stubborn(7, 8) == ["7", "8", "9"]


def test_no_seed(tmp_path, stubborn, capsys):
    stubborn(1, 2, 3, 4)
    assert cli.main([*small_build(tmp_path), "--seed", "1"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: place and route come to no end with seeds 1 to 4: try another --seed, a smaller network, or a "
        "larger board"
    )
    assert not list(tmp_path.glob("out/*/*.bin"))
