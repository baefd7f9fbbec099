"""Networks as Verilog: read again by Yosys for three families, and by simulators with the testbench that comes
along.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verilog import cell_counts, compiled, mismatches, own_lut4, simulated, text_netlist
from logicnn import load
from logicnn.commands import cli
from logicnn.engines.differences import Differences
from logicnn.flow.verilog import ExportError, export, mapping_of
from logicnn.network.files import save
from logicnn.verify.vectors import Vectors, random_vectors
from sim_tests.helpers import dense_network, int_network
from sim_tests.sparse_helpers import network

pytestmark = pytest.mark.usefixtures("short_search")


def exported(folder: Path, model: str, *form: str, name: str = "core") -> Path:
    path = folder / f"{name}.v"
    assert cli.main(["export", model, "--verilog", str(path), *form]) == 0
    return path


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Exports a model in a form once, and copies it to a folder after that."""
    made: dict[tuple[str, str], Path] = {}

    def get(folder: Path, model: str, form: str) -> Path:
        if (model, form) not in made:
            made[model, form] = exported(tmp_path_factory.mktemp("export"), model, form)
        shutil.copytree(made[model, form].parent, folder, dirs_exist_ok=True)
        return folder / "core.v"

    return get


def need(simulator: str) -> None:
    if shutil.which(simulator) is None:
        pytest.skip(f"{simulator} not found")


@pytest.mark.parametrize(
    ("model", "form", "simulator"),
    [
        *((model, form, "iverilog") for model in ("digits-bnn", "nid-a") for form in ("--combinational", "--stream")),
        *((model, "--stream", "verilator") for model in ("digits-bnn", "nid-a")),
    ],
)
def test_testbench(once, tmp_path, model, form, simulator):
    """Passes, and fails with the vector and both values where one expected class is changed."""
    need(simulator)
    path = once(tmp_path, model, form)
    command = compiled(path, simulator)
    done = simulated(path, command)
    assert done.returncode == 0 and "PASS: 200 vectors" in done.stdout
    expected = tmp_path / "core_expected.hex"
    lines = expected.read_text().splitlines()
    lines[7] = f"{int(lines[7], 16) ^ 1:x}"
    expected.write_text("\n".join(lines) + "\n")
    done = simulated(path, command)
    assert done.returncode != 0
    assert re.search(rf"FAIL: vector +7 should give +0*{lines[7]} but gives +0*{int(lines[7], 16) ^ 1:x}", done.stdout)


def test_what_no_device_has(monkeypatch):
    """Refused as logic in one line, and on an engine as a stream."""
    monkeypatch.setattr("logicnn.flow.verilog.MOST_CELLS", 5000)
    monkeypatch.setattr("logicnn.engines.embedded.SEARCHED", 0)
    with pytest.raises(ExportError, match=r"try --stream: .* takes about \d+ logic cells; texts have 5000 at most"):
        mapping_of(load("mnist-bcnn"), False, 10.0)
    assert [type(each) for each in mapping_of(load("mnist-bcnn"), True, 10.0).engines] == [Differences]


def test_engine_testbench(tmp_path, monkeypatch):
    """A convolution engine, words one by one, its weights in the text."""
    need("iverilog")
    monkeypatch.setattr("logicnn.engines.embedded.SEARCHED", 0)  # as if it were too large for logic
    made = export(network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=()), "core", tmp_path, stream=True)
    path = tmp_path / "engine" / "core.v"
    path.parent.mkdir()
    assert len(made.write(path, force=False)) == 4
    assert "// i__payload: one of 36 words of an input a transfer, in C order of (1, 6, 6)\n" in made.verilog
    done = simulated(path, compiled(path, "iverilog"))
    assert done.returncode == 0 and "PASS: 3 vectors" in done.stdout


SMALL = replace(dense_network(np.random.default_rng(24), 12, 7, 5), name="small")


@pytest.mark.parametrize("network", [SMALL, load("nid-a")], ids=lambda network: network.name)
def test_again_for_ice40(tmp_path, network):
    """The text costs the LUTs of the component itself, within 2 %, and is the network."""
    save(network, tmp_path / "network.lnn")
    exported(tmp_path, str(tmp_path / "network.lnn"), "--combinational")
    mapping = mapping_of(network, stream=False, period_ns=10)
    again = text_netlist(mapping, tmp_path)
    assert again.cells["SB_LUT4"] == pytest.approx(own_lut4(mapping, tmp_path, stream=False), rel=0.02)
    x = random_vectors(network, 512)
    assert mismatches(again, network, Vectors(x, np.zeros(0, np.int64), "random")) == 0


@pytest.mark.parametrize(("family", "widest"), [("xilinx", 6), ("ecp5", 4)])
def test_for_other_families(tmp_path, family, widest):
    """Synthesis succeeds, and logic cells are counted: LUTs of as many inputs as the family's have."""
    save(SMALL, tmp_path / "small.lnn")
    exported(tmp_path, str(tmp_path / "small.lnn"), "--combinational")
    mapping = mapping_of(SMALL, stream=False, period_ns=10)
    counts = cell_counts(mapping, tmp_path, family)
    assert f"LUT{widest}" in counts and set(counts) <= {f"LUT{inputs}" for inputs in range(1, widest + 1)}
    assert 7 + 5 < sum(counts.values()) <= 2 * own_lut4(mapping, tmp_path, stream=False)


def test_carries_are_cells(tmp_path):
    """A sum of integers on ECP5 lies in carry cells, of two logic cells each."""
    network = int_network(np.random.default_rng(3), 5, 4, 3)
    save(network, tmp_path / "small.lnn")
    exported(tmp_path, str(tmp_path / "small.lnn"), "--combinational")
    counts = cell_counts(mapping_of(network, stream=False, period_ns=10), tmp_path, "ecp5")
    assert counts["CCU2C"] % 2 == 0 and counts["CCU2C"] > counts["LUT4"] / 4


def test_header(tmp_path):
    """What a user has to know, with the ports as they are."""
    text = exported(tmp_path, "digits-bnn", "--stream").read_text()
    head = text[: text.index("module")]
    assert f"// network {load('digits-bnn').digest()}\n" in head
    assert "// latency 5 cycles from a transfer on i to o__valid, interval 1 cycles\n" in head
    for port in re.findall(
        r"^  (?:input|output) [^;]*;", text[text.index("module core(") :].split("endmodule")[0], flags=re.M
    ):
        assert f"// {port.strip()}\n" in head


def test_same_text(tmp_path):
    first, second = (
        exported(tmp_path / name, "digits-bnn") for name in ("a", "b") if (tmp_path / name).mkdir() is None
    )
    assert first.read_text() == second.read_text()
