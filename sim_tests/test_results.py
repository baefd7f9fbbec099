"""The kept results say what they must, and the networks that they are about are here."""

import json

import pytest

from benchmarks.common import NETWORKS, RESULTS
from logicnn import load


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads((RESULTS / "payra.json").read_text())


@pytest.mark.parametrize("name", ["payra", "payra_train"])
def test_how_it_was_made(name):
    kept = json.loads((RESULTS / f"{name}.json").read_text())
    assert kept["command"] == f"python -m benchmarks.{name}"
    assert {"seed", "date", "versions", "python"} <= set(kept)


def test_payra(record):
    assert record["footprint_decrease"] >= 0.86
    assert record["pruned_accuracy"] >= max(0.95, 0.96 * record["float_accuracy"])
    assert record["relative_memory"] <= 0.03
    assert record["under_9ns"]["delay_ns"] < 9 and record["under_9ns"]["device"] in ("iCE40HX8K", "LFE5U-85F")
    assert record["popcount_layer"]["lut4_per_synapse"] <= 1.4
    assert {row["device"] for row in record["placed"]} == {"iCE40UP5K", "iCE40HX8K", "LFE5U-85F"}
    assert len({row["network"] for row in record["placed"]}) >= 8
    for row in [*record["placed"], *record["fast"]]:
        assert row["mismatches"] == 0 and row["vectors"] > 10_000 and "mnist test (10000)" in row["dataset"]
    assert record["popcount_layer"]["mismatches"] == 0
    assert record["default_build_seconds"]["total"] < 90 and record["default_build_seconds"]["verify"] < 5


def test_estimates_are_close(record):
    """Logic cells of whole designs of 1,000 and more, estimated before synthesis: within 12 % of the placed ones."""
    large = [row for row in record["placed"] if row["logic_cells"] >= 1000]
    assert all(abs(row["estimated_logic_cells"] / row["logic_cells"] - 1) < 0.12 for row in large)


def test_networks_are_here():
    trained = json.loads((RESULTS / "payra_train.json").read_text())["runs"]
    for name, run in trained.items():
        if name != "baseline":
            assert load("mnist-bnn" if name == "mnist-bnn" else NETWORKS / f"{name}.lnn").digest() == run["digest"]
