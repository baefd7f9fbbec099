"""Netlists of gate-level circuits, simulated and evaluated: ours, and with LOGICNN_CIRCUITS some that nobody here drew.

That sample is the smallest of either kind, and a circuit of each that takes a second or two to synthesise;
`benchmarks.circuits` does them all.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.circuits import compared, moving, random_inputs, required, synthesised
from benchmarks.iscas import Gate, GateCircuit, read
from logicnn.resources import Family
from sim_tests.test_iscas import COUNTER, LFSR, written

CYCLES, LANES = 64, 64


def compared_to(circuit: GateCircuit, other: GateCircuit, folder: Path, family: Family = Family.ICE40) -> dict:
    """A circuit's netlist beside another one's gates."""
    return compared(other, synthesised(circuit, family, folder), random_inputs(circuit, CYCLES, LANES))


@pytest.mark.parametrize(
    ("text", "family"),
    [(COUNTER, Family.ICE40), (COUNTER, Family.ECP5), (LFSR, Family.ICE40)],
    ids=["counter_ice40", "counter_ecp5", "lfsr_ice40"],
)
def test_agrees(tmp_path, text, family):
    circuit = read(written(tmp_path, text))
    row = compared_to(circuit, circuit, tmp_path / "made", family)
    assert row["mismatches"] == 0 and row["outputs_compared"] == CYCLES * LANES * 2
    assert (row["outputs_moving"], row["flip_flops_moving"]) == (2, len(circuit.registers))
    assert "mismatches_settled" not in row


def test_without_registers(tmp_path):
    """No clock; compared settled as well. One gate that is another is found both ways."""
    text = "INPUT(a)\nINPUT(b)\nINPUT(c)\nOUTPUT(o)\nOUTPUT(n)\no = NAND(a, b, n)\nn = NOR(c, a)\n"
    circuit = read(written(tmp_path, text))
    netlist, given = synthesised(circuit, Family.ICE40, tmp_path / "made"), random_inputs(circuit, CYCLES, LANES)
    row = compared(circuit, netlist, given)
    assert row["mismatches"] == row["mismatches_settled"] == 0 and row["outputs_compared"] == CYCLES * LANES * 2
    row = compared(replace(circuit, gates=circuit.gates | {"n": Gate("NOR", ("c", "b"))}), netlist, given)
    assert row["mismatches"] == row["mismatches_settled"] > 0


def test_another_circuit_is_found(tmp_path):
    """A comparison that could not fail would say nothing: one gate is another, one register reads another net."""
    circuit = read(written(tmp_path, COUNTER))
    netlist, given = synthesised(circuit, Family.ICE40, tmp_path / "made"), random_inputs(circuit, CYCLES, LANES)
    for other in (
        replace(circuit, gates=circuit.gates | {"c2": Gate("OR", ("c1", "1"))}),
        replace(circuit, registers=circuit.registers | {"2": "s2"}),
    ):
        assert compared(other, netlist, given)["mismatches"] > 0


def test_required():
    both = {"family": "ice40", "mismatches": 0}, {"family": "ecp5", "mismatches": 0}
    assert all(required({"rows": [*both] * 30}).values())
    assert not all(required({"rows": [*both] * 29}).values())
    for wrong in ("mismatches", "mismatches_settled"):
        assert not required({"rows": [*both, {"family": "ice40", "mismatches": 0} | {wrong: 1}]})["no output differs"]


def test_moving():
    """A bit that is 1 in one lane of one cycle moves; one that is 1 everywhere does not."""
    words = np.zeros((3, 3, 2), np.uint64)
    words[2, 0, 1] = 1 << 63
    words[:, 1] = ~np.uint64(0)
    assert moving(words) == 1


@pytest.mark.parametrize(
    ("name", "family"),
    [("c17", Family.ICE40), ("c432", Family.ECP5), ("s27", Family.ECP5), ("s386", Family.ICE40)],
    ids=["c17", "c432", "s27", "s386"],
)
def test_circuits_of_others(bench_file, tmp_path, name, family):
    circuit = read(bench_file(name))
    row = compared_to(circuit, circuit, tmp_path, family)
    assert row["mismatches"] == row.get("mismatches_settled", 0) == 0
    assert row["outputs_moving"] == len(circuit.outputs)
    assert row["flip_flops_moving"] == len(circuit.registers)
