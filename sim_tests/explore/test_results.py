"""What is left of an exploration: the front by what was built, with text as text."""

import json
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from logicnn.explore import explorer
from logicnn.explore.jobs import Built
from logicnn.explore.results import HEAD, Asked, best_of, results_of
from logicnn.nn.ways import WAYS
from sim_tests.explore.helpers import AtOnce, explored, material_of

HOSTILE = "<script>alert(1)</script>"


def report(folder, cells):
    return {
        "resources": {"logic_cells": cells},
        "timing": {"clock_mhz": 12.0, "latency_cycles": 0, "core_delay_ns": 50.0},
        "verification": {"vectors": 99},
        "bitstream": {"path": f"{folder}/icebreaker/a.bin"},
        "energy_estimate": {"least_uj": 0.001, "most_uj": 0.003},
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Two builds, the second of which is beaten by the first where it is no more accurate: it has more cells."""
    monkeypatch.setattr(explorer, "build", lambda job, samples: Built(report(job.folder, 1500 + job.trial), {}, 2.0))
    ways = {"reuse": WAYS["reuse"]}
    with closing(explored(tmp_path, AtOnce(), trials=2, builds=2)) as study:
        asked = Asked("icebreaker", tmp_path, 1, f"logicnn explore --data {HOSTILE}")
        material = replace(material_of(ways), name=HOSTILE)
        before = results_of(study, ways, {}, material, asked, judged=False)
        assert not before.tests and "The test samples were not read." in before.page()
        yield results_of(study, ways, {}, material, asked)


def test_rows(results):
    found = json.loads(json.dumps(results.as_json()))
    built = [row for row in found["trials"] if row["build"] == "built"]
    assert len(built) == 2 and {row["trial"] for row in built} >= set(found["front"]) and found["front"]
    for row in built:
        assert row["logic_cells"] == 1500 + row["trial"] and row["answer_ns"] == row["core_delay_ns"] == 50.0
        assert row["latency_cycles"] == 0 and row["vectors_equal"] == 99 and row["energy_uj"]["most_uj"] == 0.003
    rest = [row for row in found["trials"] if row["build"] is None]
    assert all(row["logic_cells"] is row["bitstream"] is row["test_accuracy"] is None for row in rest)
    assert found["versions"]["optuna"] and found["networks_tested"] == len(found["front"])


def test_best(results):
    """Of the builds alone, once there is one."""
    best = best_of(results.trials)
    assert list(results.best) == best and all(each.build for each in best)
    accuracies = [each.known.accuracy for each in best]
    assert accuracies == sorted(accuracies, reverse=True) and len(set(accuracies)) == len(accuracies)
    unbuilt = [replace(each, build=None) for each in results.trials]
    assert len(best_of(unbuilt)) >= 1 and not any(each.build for each in best_of(unbuilt))


def test_table(results):
    (row, *_), best = results.table(), results.best[0]
    named = dict(zip(HEAD, row, strict=True))
    assert named["logic cells"] == f"{1500 + best.number:,}" and named["time"] == "50 ns" and named["energy"] == "2 nJ"
    assert named["test"] == f"{results.tests[best.number]:.2%}"


def test_page(results):
    """Three plots, with a number for each of the front; links to builds are relative."""
    found: list[tuple[str, dict]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Tags().feed(results.page())
    tags = [tag for tag, _ in found]
    assert tags.count("svg") == 3 and "script" not in tags
    assert sum(tag == "circle" and each["r"] == "5" for tag, each in found) == 3 * len(results.best)
    links = [each["href"] for tag, each in found if tag == "a"]
    assert links == [f"trials/{each.number:04d}/icebreaker/report.html" for each in results.best]


def test_command(results):
    """Of a data set by name it says where that is; own samples are in a file."""
    (best, *_) = results.best
    assert results.build_command(best).endswith(f" --test {results.asked.output}/test-reuse.npz")
    data = {"reuse": replace(results.material.any, name="mnist")}
    asked = replace(results.asked, data_dir="a folder")
    of_name = replace(results, material=replace(results.material, data=data), asked=asked)
    assert of_name.build_command(best).endswith(" --engine reused --data-dir 'a folder'")


def test_moved(results):
    """A folder that is called otherwise when an exploration goes on, as by its whole path, is still the same."""
    moved = replace(results, asked=replace(results.asked, output=Path("elsewhere")))
    assert moved.page().count("icebreaker/report.html") == results.page().count("icebreaker/report.html") > 0
    rows = [row for row in moved.as_json()["trials"] if row["build"] == "built"]
    for row in rows:
        assert row["bitstream"] == f"elsewhere/trials/{row['trial']:04d}/icebreaker/a.bin"
