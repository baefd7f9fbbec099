"""The kept results are about the networks and the engine that are here, and are only written where they show what they
must.
"""

import itertools
import json
import os
from pathlib import Path

import pytest

from benchmarks import common
from benchmarks.boards import BOARDS
from benchmarks.common import NETWORKS, RESULTS, extend_result, finished, new_row, parser_for, write_result
from logicnn import load
from logicnn.board import flash
from logicnn.commands.command import guarded
from logicnn.engines import Sparse
from logicnn.network import shipped
from logicnn.resources import DEVICES

PLOTS = {
    "adders": ("adders_front",),
    "constants": ("constants",),
    "ikr": ("ikr_fig2", "ikr_fig3"),
    "logic_design": ("logic_design_fig8", "logic_design_fig9", "logic_design_fig10"),
    "luts": ("luts",),
    "payra": ("payra",),
    "retiming": ("retiming",),
    "spe": ("spe_fig5",),
}


def result(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def network_file(name: str) -> str | Path:
    """A network by the name that records give it: shipped, or of the benchmarks."""
    return name if name in shipped() else NETWORKS / f"{name}.lnn"


@pytest.mark.parametrize("name", sorted(path.stem for path in RESULTS.glob("*.json")))
def test_how_it_was_made(name):
    kept = result(name)
    assert kept["command"] == f"python -m benchmarks.{name}" and (RESULTS.parent / f"{name}.py").is_file()
    assert {"seed", "date", "versions", "python"} <= set(kept)


def test_every_plot_has_a_record():
    plots = {path.stem for suffix in ("svg", "png") for path in RESULTS.glob(f"*.{suffix}")}
    assert plots == set(itertools.chain(*PLOTS.values()))
    for name, figures in PLOTS.items():
        assert (RESULTS / f"{name}.json").is_file()
        assert all((RESULTS / f"{figure}.{suffix}").is_file() for figure in figures for suffix in ("svg", "png"))


def test_trained_networks_are_here():
    for name, run in result("payra_train")["runs"].items():
        if name != "baseline":
            assert load(network_file(name)).digest() == run["digest"]
    for training in ("luts_train", "luts_data_train"):
        for name, run in result(training)["runs"].items():
            assert load(network_file(name)).digest() == run["digest"]
    for row in result("logic_design_train")["networks"]:
        files = {"proposed": row["name"], **{stage: f"{row['name']}-{stage}" for stage in ("quantised", "constants")}}
        for stage, name in files.items():
            assert load(network_file(name)).digest() == row[f"digest_{stage}"]
    assert load("lenet5-ikr").digest() == result("ikr")["lenet5"]["digest"]


def test_measured_networks_are_here():
    """Records have rows of the networks of this checkout, and no others."""
    assert {row["network"] for row in result("payra")["placed"]} == {
        "mnist-bnn",
        *(path.stem for path in NETWORKS.glob("payra-[0-9]*.lnn")),
    }
    placed = {row["digest"] for name in ("luts", "luts_fast") for row in result(name)["rows"]}
    assert placed == {run["digest"] for run in result("luts_train")["runs"].values()}
    placed = {row["digest"] for row in result("luts_data")["rows"]}
    assert placed == {run["digest"] for run in result("luts_data_train")["runs"].values()}
    trained = {row["name"] for row in result("logic_design_train")["networks"]}
    assert {row["name"] for row in result("logic_design")["networks"]} == trained
    swept = {f"{row['name']}-{row['selected_weights']}" for row in result("logic_design")["sweep"]}
    assert all((NETWORKS / f"{name}.lnn").is_file() for name in swept) and len(swept) == 9


def test_boards():
    """Every shipped network on every shipped board: placed, or refused."""
    kept = result("boards")
    rows = [*kept["placed"], *kept["refused"]]
    assert sorted((row["model"], row["board"]) for row in rows) == sorted(itertools.product(shipped(), BOARDS))
    assert all(row["digest"] == load(row["model"]).digest() for row in rows)


def test_verilog():
    """Every shipped network in both forms: exported, or refused."""
    kept = result("verilog")
    rows = [*kept["exported"], *kept["refused"]]
    forms = itertools.product(shipped(), ("combinational", "stream"))
    assert sorted((row["model"], row["form"]) for row in rows) == sorted(forms)
    assert all(row["digest"] == load(row["model"]).digest() for row in rows)


def test_lenet5_icebreaker():
    """The engine that was measured is the one that is built today."""
    kept, network = result("lenet5_icebreaker"), load("lenet5-ikr")
    assert kept["digest"] == network.digest()
    for row in (kept, kept["ulx3s"]):
        device = DEVICES[row["device"]]
        engine = Sparse.of(network, device)
        image = engine.image(device)
        assert (row["predicted_cycles"], row["interval_cycles"]) == (engine.latency.most, engine.interval)
        assert (row["products"], row["multipliers"]) == (engine.plan.products, engine.plan.tile.multipliers)
        assert row["flash_bytes"] == (0 if image is None else image.size + flash.CRC_BYTES)


def test_reuse():
    """The networks that left-out samples speak for are those here, and the engines those that were measured."""
    pytest.importorskip("torch")
    from benchmarks.reuse import board_of, engine_of, network_of
    from benchmarks.reuse_train import DIGITS, best
    from benchmarks.reuse_train_cifar10 import PICTURES

    for case, training, measured in (
        (DIGITS, "reuse_train", "reuse"),
        (PICTURES, "reuse_train_cifar10", "reuse_cifar10"),
    ):
        chosen = best(result(training)["networks"])
        rows = result(measured)["rows"] if (RESULTS / f"{measured}.json").exists() else []
        for whole, when in ((True, "before"), (False, "after")):
            network = network_of(case, whole)
            assert network.digest() == chosen[f"digest_{when}"]
            for row in rows:
                if row["network"] == network.name:
                    engine, plain = engine_of(network), engine_of(network, reuse=False)
                    assert (row["cycles_mean"], row["cycles_plain"]) == (engine.latency.most, plain.latency.most)
                    assert row["placed"] == board_of(network)


def write(folder: Path, *options: str, **required: bool) -> int:
    given = parser_for("A benchmark.").parse_args(options)
    return guarded(lambda: write_result("x", 7, {"figure": 3}, required, given=given, folder=folder))


def test_write_result(tmp_path):
    assert write(tmp_path, fast=True, small=True) == 0
    record = json.loads((tmp_path / "x.json").read_text())
    assert len(record["commit"]) == 40 and record["dirty"] in (True, False) and 0 <= record["seconds"] < 60
    assert record["machine"]["cores"] >= 1 and len(record["code"]) == 64
    assert (record["command"], record["seed"], record["figure"]) == ("python -m benchmarks.x", 7, 3)
    assert "missed" not in record


def test_write_result_refuses(tmp_path, capsys):
    """What misses is named, and a record that is there is left as it is."""
    assert write(tmp_path, fast=True, small=False, exact=False) == 1 and not list(tmp_path.iterdir())
    error = capsys.readouterr().err
    assert error == "error: x.json is not written, since it misses: small; exact. --force writes it anyway\n"
    (tmp_path / "x.json").write_text("kept")
    assert write(tmp_path, small=False) == 1 and (tmp_path / "x.json").read_text() == "kept"


def test_write_result_by_force(tmp_path):
    assert write(tmp_path, "--force", fast=True, small=False) == 0
    assert json.loads((tmp_path / "x.json").read_text())["missed"] == ["small"]


def test_extend_result(tmp_path, monkeypatch):
    """The record stays of its commit and code; what is new in it says its own."""
    given = parser_for("A benchmark.", output="x").parse_args([])
    write_result("x", 7, {"rows": [1]}, {}, given=given, folder=tmp_path)
    before = json.loads((tmp_path / "x.json").read_text())
    monkeypatch.setattr(common, "code_digest", lambda _name: "another")
    given.commit = "other"
    row = new_row("x", {"figure": 3}, given)
    extend_result(
        "x", {"rows": [1, row]}, {"small": False}, given=parser_for("").parse_args(["--force"]), folder=tmp_path
    )
    after = json.loads((tmp_path / "x.json").read_text())
    assert after == before | {"rows": [1, row], "missed": ["small"]}
    assert (row["commit"], row["code"], row["figure"]) == ("other", "another", 3)
    extend_result("x", {"rows": [1]}, {}, given=given, folder=tmp_path)
    assert json.loads((tmp_path / "x.json").read_text()) == before


def test_finished_rows_are_kept(tmp_path, monkeypatch):
    """Measured once, and again where the code is another; what was kept counts in the seconds of the record."""
    calls = []
    code = ["one"]
    monkeypatch.setattr(common, "code_digest", lambda _name: code[0])

    def measure(number: int) -> dict:
        calls.append(number)
        return {"figure": (number, 2)}

    assert finished(tmp_path / "a", measure, 1) == finished(tmp_path / "a", measure, 1) == {"figure": [1, 2]}
    assert calls == [1]
    code[0] = "two"
    assert finished(tmp_path / "a", measure, 3) == {"figure": [3, 2]} and calls == [1, 3]
    kept = json.loads((tmp_path / "a" / common.ROW).read_text())
    (tmp_path / "a" / common.ROW).write_text(json.dumps(kept | {"seconds": 1000.0}))
    os.utime(tmp_path / "a" / common.ROW, (1, 1))
    given = parser_for("A benchmark.", output="x").parse_args(["--output", str(tmp_path)])
    write_result("x", 7, {}, {}, given=given, folder=tmp_path)
    assert 1000 <= json.loads((tmp_path / "x.json").read_text())["seconds"] < 1060
