"""Builds beside each other: figures of their reports, whole ticks, and a page that takes names as text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn.commands import cli
from logicnn.errors import LogicnnError
from logicnn.flow.comparison import HEAD, page, read
from logicnn.flow.plot import ticks
from sim_tests.flow.test_report import PLAIN

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def builds(tmp_path):
    """Two builds, one of them without an accuracy."""
    for name, report in (("a", PLAIN), ("b", replace(PLAIN, name="eight", verification=None))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report.as_json()))
    return tmp_path / "a", tmp_path / "b"


def test_row(builds):
    """Three cycles of 12 MHz; a sample a cycle."""
    assert dict(zip(HEAD, read(builds[0]).row, strict=True)) == {
        "build": "seven on desk",
        "device": "iCE40UP5K",
        "logic cells": "132",
        "of": "2%",
        "block RAM": "2",
        "DSP": "0",
        "time": "250 ns",
        "interval": "83.3 ns",
        "clock, MHz": "12",
        "accuracy": "95.54%",
        "checked": "5,000 equal",
    }
    assert read(builds[1] / "report.json").row[-2:] == ("not measured", "not verified")


def test_command(builds, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "builds.html"
    assert cli.main(["report", *map(str, builds), "-o", str(path)]) == 0
    table = capsys.readouterr().out
    assert "seven on desk" in table and "eight on desk" in table and "95.54%" in table
    assert path.read_text() == page([read(each) for each in builds])


def test_page(builds):
    class Points(HTMLParser):
        found = 0

        def handle_starttag(self, tag, attrs):
            assert tag != "script"
            self.found += tag == "circle"

    parser = Points()
    parser.feed(page([replace(read(each), name=HOSTILE) for each in builds]))
    assert parser.found == 1  # only one of them has an accuracy
    assert "<svg" not in page([read(builds[1])])


@given(st.floats(0, 1e7), st.floats(1e-6, 1e7))
def test_ticks(low, span):
    """Few, evenly apart by 1, 2 or 5 times a power of ten, around the range."""
    found = ticks(low, low + span)
    steps = {round((b - a) / (found[1] - found[0]), 3) for a, b in pairwise(found)}
    assert 2 <= len(found) <= 8 and steps == {1.0}
    slack = 1e-6 * (found[-1] - found[0])
    assert found[0] <= low + slack and low + span <= found[-1] + slack
    assert f"{found[1] - found[0]:e}"[0] in "125" or f"{found[1] - found[0]:.1e}"[0] in "125"


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("verification", "accuracy", "high"),
        ("verification", "accuracy", float("nan")),
        ("verification", "accuracy", 1.5),
        ("resources", "bram", float("inf")),
        ("resources", "logic_cells", 10**400),
        ("resources", "capacity", {"logic_cells": 0}),
        ("timing", "clock_mhz", -1.0),
        ("timing", "latency_cycles", None),
    ],
)
def test_figures_that_no_build_has(builds, part, name, value):
    path = builds[0] / "report.json"
    found = json.loads(path.read_text())
    found[part][name] = value
    path.write_text(json.dumps(found))
    with pytest.raises(LogicnnError, match=r"report\.json is no report of a build"):
        read(path)


def test_equal_accuracies(builds):
    """Of one network on several boards: ticks that differ in what is written."""
    text = page([read(builds[0])] * 2)
    ticks_of = re.findall(r'text-anchor="end" class="faint">([^<]+)%<', text)
    assert len(set(ticks_of)) == len(ticks_of) >= 2 and all(len(each) <= 5 for each in ticks_of)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"timing": {"clock_mhz": 0}}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_no_report(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LogicnnError, match=r"report\.json is no report of a build"):
        read(path)


def test_no_folder(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: cannot read {tmp_path}/report.json: No such file or directory; give the folder")
    assert message.count("\n") == 1
