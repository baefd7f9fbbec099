"""The README's commands and code are the ones that work, its figures and those of docs/results.md the records'."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Fragment

from benchmarks.common import RESULTS
from benchmarks.readme import PAGES, filled
from benchmarks.tables import record_of
from logicnn.build import main
from logicnn.commands import build
from logicnn.resources import DEVICES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DESIGN = (ROOT / "docs" / "design.md").read_text()


def blocks(page: str) -> list[str]:
    """Indented code, without the indent."""
    return [
        re.sub(r"^    ", "", block, flags=re.M)
        for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", page, flags=re.M)
    ]


def the_block(words: str, page: str = README) -> str:
    (block,) = [block for block in blocks(page) if words in block]
    return block


def test_code_runs(short_search):
    names = {"images": np.zeros((3, 1, 28, 28), np.uint8)}
    exec(the_block("import logicnn\n", DESIGN), names)
    for name in ("core", "accelerator"):
        Fragment.get(names[name], None)
    pipeline = names["pipeline"]
    assert names["labels"].shape == (3,) and names["core"].latency == 0
    assert names["accelerator"].interval == pipeline.interval == 1 and pipeline.latency.least > 0
    assert pipeline.cost(DEVICES["LFE5U-85F"]).logic_cells > 0


def test_matrix_code_runs():
    names = {}
    exec(the_block("ConstantMatrix(graph)", DESIGN), names)
    Fragment.get(names["product"], None)
    assert np.array_equal(names["graph"].matrix, [[93, -7, 45], [46, 14, -90]])


def test_ci_runs_the_test_command():
    assert the_block("-m pytest").strip().split(" && ")[-1] in (ROOT / ".ci" / "run").read_text()


def test_build_command_parses(monkeypatch):
    words = shlex.split(the_block("-c constraints.txt -e . ").strip().split(" && ")[-1])
    assert words[1:3] == ["-m", "logicnn.build"]
    seen = []
    monkeypatch.setattr(build, "COMMAND", replace(build.COMMAND, run=seen.append))
    assert main(words[3:]) == 0
    assert (seen[0].board, seen[0].model) == ("icebreaker", "mnist-luts")


def test_build_ends_with_the_figures_of_the_record():
    (row,) = [
        row for row in record_of("boards")["placed"] if (row["board"], row["model"]) == ("icebreaker", "mnist-luts")
    ]
    text = the_block("netlist check ")
    assert f"logic cells        {row['logic_cells']} of {DEVICES['iCE40UP5K'].capacity.logic_cells} " in text
    assert f"estimated {row['estimated_logic_cells']}\n" in text
    assert f"core delay         {row['core_delay_ns']:.1f} ns" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_results_are_those_of_the_records(page):
    assert filled(page.read_text(), PAGES[page]) == page.read_text()


def test_a_page_without_a_tables_place_is_an_error():
    with pytest.raises(ValueError, match="no place for the table"):
        filled("", {"boards": str})


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_record_is_named():
    results = (ROOT / "docs" / "results.md").read_text()
    for record in RESULTS.glob("*.json"):
        assert f"({Path('../benchmarks/results') / record.name})" in results


def test_every_option_is_named():
    for option in ("--board", "--model", "--output", "--seed", "--verify", "--data-dir", "--program", "--json"):
        assert option in README


def test_is_short():
    assert len(README.split()) <= 750
