"""The README's commands and code are the ones that work."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Fragment

import logicnn
from benchmarks.readme import TABLES
from logicnn.commands import cli
from logicnn.engines.mapping import Mapping
from logicnn.flow import build
from logicnn.gateware import Accelerator
from logicnn.resources import DEVICES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """Indented code, without the indent."""
    return [
        re.sub(r"^    ", "", block, flags=re.M)
        for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", README, flags=re.M)
    ]


def test_code_runs():
    (code,) = [block for block in blocks() if block.startswith("import logicnn")]
    names = {"images": np.zeros((3, 1, 28, 28), np.uint8)}
    exec(code, names)
    for name in ("core", "accelerator"):
        Fragment.get(names[name], None)
    assert names["labels"].shape == (3,) and names["core"].latency == 0 and names["accelerator"].latency == 2


def test_pipeline_code_runs():
    (code,) = [block for block in blocks() if "Mapping.embedded" in block]
    names = {"logicnn": logicnn, "Mapping": Mapping, "Accelerator": Accelerator}
    exec(code, names)
    assert names["accelerator"].latency == names["mapping"].latency > 0
    assert names["mapping"].engines[0].pipeline.period_ns <= 10
    Fragment.get(names["accelerator"], None)


def test_engine_code_runs():
    (code,) = [block for block in blocks() if "Mapping.sparse" in block]
    names = {"logicnn": logicnn, "Mapping": Mapping, "DEVICES": DEVICES}
    exec(code, names)
    assert names["engine"].latency == names["mapping"].latency == names["mapping"].plan.latency
    Fragment.get(names["engine"], None)


def test_matrix_code_runs():
    (code,) = [block for block in blocks() if "optimise(weights" in block]
    names = {}
    exec(code, names)
    Fragment.get(names["product"], None)
    assert np.array_equal(names["graph"].matrix, names["weights"])


def test_ci_runs_the_test_command():
    (command,) = [block for block in blocks() if "-m pytest" in block]
    assert command.strip().split(" && ")[-1] in (ROOT / ".ci" / "run").read_text()


def test_build_command_parses(monkeypatch):
    (command,) = [block for block in blocks() if "--board icebreaker\n" in block]
    words = shlex.split(command.strip().split(" && ")[-1])
    assert words[1:3] == ["-m", "logicnn.build"]
    seen = []
    monkeypatch.setattr(build, "run", seen.append)
    assert cli.command("x", None, build.add_arguments, build.run, words[3:]) == 0
    assert (seen[0].board, seen[0].model) == ("icebreaker", "mnist-bnn")


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_results_are_those_of_the_records(table):
    assert table() in README


def test_every_option_is_named():
    for option in ("--board", "--model", "--output", "--seed", "--verify", "--data-dir", "--program", "--json"):
        assert option in README
