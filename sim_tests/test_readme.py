"""The README's commands are the ones that work, its figures and those of docs/results.md the records'."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common import RESULTS
from benchmarks.readme import PAGES, filled
from benchmarks.tables import record_of
from logicnn.build import main
from logicnn.commands import build
from logicnn.resources import DEVICES
from sim_tests.page_helpers import PAGES as ALL_PAGES
from sim_tests.page_helpers import ROOT, blocks

README = (ROOT / "README.md").read_text()


def the_block(words: str) -> str:
    (block,) = [block.code for block in blocks(README) if words in block.code]
    return block


def test_ci_runs_the_test_command():
    assert re.split(r" &&\s", the_block("-m pytest").strip())[-1] in (ROOT / ".ci" / "run").read_text()


def test_build_command_parses(monkeypatch):
    words = shlex.split(re.split(r" &&\s", the_block("-c constraints.txt -e . ").strip())[-1])
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


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
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
