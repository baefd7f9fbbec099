"""The netlist simulator against circuits of others: ``python -m benchmarks.circuits``.

    LOGICNN_CIRCUITS=../shared/circuits python -m benchmarks.circuits

Every circuit of a folder of ISCAS'85 and ISCAS'89 in the .bench format (`benchmarks.iscas`) becomes an Amaranth design,
is synthesised for iCE40 and ECP5, and its netlist is simulated clock by clock from reset (`logicnn.netlist.simulate`)
and, where it has no registers, settled (`logicnn.netlist.netlist`), beside the circuit's gates evaluated one by one:
all outputs in every cycle and lane, for random inputs. In every lane each input has a probability of its own to be 1,
so that lanes get to different states. The record says how much of a circuit that moves, which are outputs and
flip-flops that were both 0 and 1, and which files hold no circuit. Takes some minutes on one core.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil

from benchmarks.bench import opened_netlist
from benchmarks.common import finished, parser_for, write_result
from benchmarks.iscas import Design, GateCircuit, circuits_folder, evaluate, read_all
from logicnn.commands.command import guarded
from logicnn.flow import tools
from logicnn.netlist.netlist import Netlist
from logicnn.netlist.simulate import Simulation
from logicnn.resources import Family

__all__ = ["compared", "measure", "moving", "random_inputs", "simulated", "synthesised"]

SEED = 1
CYCLES = 256
LANES = 256
FEWEST = 30  # circuits of a record, in each family
FLIP_FLOPS = "SB_DFF", "TRELLIS_FF"  # how cells of registers begin; synthesis leaves out those that stay 0
FAMILIES = Family.ICE40, Family.ECP5


def random_inputs(
    circuit: GateCircuit, cycles: int = CYCLES, lanes: int = LANES, seed: int = SEED
) -> np.ndarray:  # (cycles, inputs, lanes) bool
    """Every input of every lane with a probability of its own to be 1, uniform over 0 ... 1."""
    rng = np.random.default_rng(seed)
    often = rng.random((len(circuit.inputs), lanes))
    return rng.random((cycles, len(circuit.inputs), lanes)) < often


def as_words(bits: np.ndarray) -> np.ndarray:  # (cycles, n, lanes) bool -> (cycles, n, lanes / 64) uint64
    return np.ascontiguousarray(np.packbits(bits, axis=2, bitorder="little")).view(np.uint64)


def as_lanes(words: np.ndarray) -> np.ndarray:  # (cycles, n, words) uint64 -> (cycles, n, 64 * words) bool
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=2, bitorder="little").astype(bool)


def moving(words: np.ndarray) -> int:  # (cycles, n, words) uint64
    """How many of `n` bits were both 0 and 1, in any cycles and lanes."""
    was_one = np.bitwise_or.reduce(words, axis=(0, 2)) != 0
    was_zero = np.bitwise_or.reduce(~words, axis=(0, 2)) != 0
    return int((was_one & was_zero).sum())


def synthesised(circuit: GateCircuit, family: Family, folder: Path) -> Netlist:
    """The circuit's netlist, ``top.json`` in the folder, by the default flow of a family."""
    folder.mkdir(parents=True, exist_ok=True)
    design = Design(circuit)
    (folder / "top.il").write_text(rtlil.convert(design, ports=design.ports, emit_src=False))
    (folder / "top.ys").write_text(f"read_rtlil top.il\nsynth_{family.value} -top top\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], folder, "synthesis.log")
    return opened_netlist(folder / "top.json", family)


def simulated(netlist: Netlist, given: np.ndarray) -> np.ndarray:  # (cycles, inputs, lanes) -> (cycles, outputs, lanes)
    """The netlist's outputs just before every edge, bool, clock by clock from reset."""
    simulation = Simulation(netlist.path, lanes=given.shape[2])
    seen = []
    for bits in given:
        if len(bits):
            simulation.set("i", np.ascontiguousarray(bits.T))
        seen.append(simulation.bits("o").T)
        simulation.step()
    return np.array(seen)


def compared(circuit: GateCircuit, netlist: Netlist, given: np.ndarray) -> dict[str, Any]:
    """How the netlist's outputs differ from the circuit's, and how much of the circuit the inputs move."""
    words = as_words(given)
    outputs, states = evaluate(circuit, words)
    expected = as_lanes(outputs)
    row = {
        "cycles": len(given),
        "lanes": given.shape[2],
        "outputs_compared": expected.size,
        "mismatches": int((simulated(netlist, given) != expected).sum()),
        "outputs_moving": moving(outputs),
        "flip_flops_moving": moving(states),
    }
    if not circuit.registers:
        values = netlist.evaluate(
            dict(zip(netlist.nets("i"), words.swapaxes(0, 1).reshape(len(circuit.inputs), -1), strict=True)),
            netlist.nets("o"),
        )
        row["mismatches_settled"] = int(
            np.bitwise_count(values ^ outputs.swapaxes(0, 1).reshape(len(circuit.outputs), -1)).sum()
        )
    return row


def measure(circuit: GateCircuit, folder: Path) -> list[dict[str, Any]]:
    """Rows of one circuit, by family."""
    given = random_inputs(circuit)
    rows = []
    for family in FAMILIES:
        netlist = synthesised(circuit, family, folder / family.value)
        rows.append(
            {
                "circuit": circuit.name,
                "family": family.value,
                "inputs": len(circuit.inputs),
                "outputs": len(circuit.outputs),
                "gates": len(circuit.gates),
                "flip_flops": len(circuit.registers),
                "cells": netlist.logic_cells,
                "flip_flops_left": sum(netlist.cells[kind] for kind in netlist.cells if kind.startswith(FLIP_FLOPS)),
            }
            | compared(circuit, netlist, given)
        )
    return rows


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """No difference anywhere, and enough circuits that the record says something."""
    rows = figures["rows"]
    return {
        "no output differs": not any(row["mismatches"] + row.get("mismatches_settled", 0) for row in rows),
        f"at least {FEWEST} circuits in each family": all(
            sum(row["family"] == family.value for row in rows) >= FEWEST for family in FAMILIES
        ),
    }


def main() -> None:
    parser = parser_for(__doc__, output="circuits")
    parser.add_argument("--circuits", help="folder of *.bench (default: LOGICNN_CIRCUITS)")
    given = parser.parse_args()
    circuits, refused = read_all(circuits_folder(given.circuits))
    rows = []
    for circuit in circuits:
        folder = given.output / circuit.name
        rows += finished(folder, measure, circuit, folder)
    figures = {
        "families": [family.value for family in FAMILIES],
        "rows": rows,
        "outputs_compared": sum(row["outputs_compared"] for row in rows),
        "mismatches": sum(row["mismatches"] for row in rows),
        "refused": refused,
    }
    write_result("circuits", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
