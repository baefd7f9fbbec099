"""The retimer against sequential circuits of others: ``python -m benchmarks.circuits_retimed``.

    LOGICNN_CIRCUITS=../shared/circuits python -m benchmarks.circuits_retimed

The circuits with flip-flops of a folder of ISCAS'89 (`benchmarks.iscas`), with a delay of 1 for every gate, inverters
and buffers too, and none for inputs and outputs, which stay where they are (a latency of 0). For each the period and
the registers as drawn, the fewest registers at that period, the least period, and the fewest registers at that.
Registers are counted as the retimer shares them: those behind one net are one shift register, and those that lead
nowhere are none, so that there may be fewer than flip-flops in the file.

What is held against the retimer:

* The least period by another way. No retiming gets below a period at which a loop takes longer than that many periods
  as it has registers; a path from an input to an output is such a loop, with a register more. With delays of 1, a
  period at which no loop does can be reached (Leiserson & Saxe, "Retiming synchronous circuitry", 1991): the longest
  way to a gate, in periods and rounded up, is its stage. So it is a search for negative cycles, without stages.
* The retimed circuit beside the circuit, gate by gate, for random inputs. The circuit starts with random registers; its
  nets' values over the first cycles are what the retimed circuit's registers hold when it starts later. From then on
  every output must be the same in every cycle, and every gate what it was as many cycles ago as its stage says. This
  shows that the retiming is legal from any state that has such a history; it does not say which first state a retimed
  circuit would need to be equal from reset on, and there may be none.
* Periods that papers on retiming give for these circuits with delays of 1: none were found whose figures could be read,
  so that every row has none.
"""

import sys
from collections.abc import Sequence
from time import process_time
from typing import Any

import numpy as np

from benchmarks.common import finished, parser_for, write_result
from benchmarks.iscas import BenchError, Gate, GateCircuit, checked, circuits_folder, read_all, run
from logicnn.arithmetic.retiming import as_placed, least_period, retime
from logicnn.arithmetic.synchronous import Circuit, Net
from logicnn.commands.command import guarded

__all__ = ["compared", "graph_of", "least_period_by_loops", "measure", "retimed"]

SEED = 1
CYCLES = 64  # that are compared
WORDS = 4  # of 64 lanes
FEWEST = 20  # circuits of a record


def origin(circuit: GateCircuit, net: str) -> tuple[str, int]:
    """The input or gate that a net comes from, and through how many registers. Raises `BenchError` for registers in a
    ring without a gate.
    """
    registers = 0
    while net in circuit.registers:
        net, registers = circuit.registers[net], registers + 1
        if registers > len(circuit.registers):
            raise BenchError(f"{circuit.name}: register {net!r} reads itself, through registers only")
    return net, registers


def vertices_of(circuit: GateCircuit) -> dict[str, int]:
    """The vertex of each input and gate; outputs come after them."""
    return {net: vertex for vertex, net in enumerate([*circuit.inputs, *circuit.gates])}


def graph_of(circuit: GateCircuit) -> Circuit:
    """The circuit for the retimer: a vertex for every input, gate and output, in this order."""
    vertices = vertices_of(circuit)
    readers: dict[str, set[tuple[int, int]]] = {net: set() for net in vertices}
    for net, gate in circuit.gates.items():
        for operand in gate.operands:
            source, registers = origin(circuit, operand)
            readers[source].add((vertices[net], registers))
    for place, net in enumerate(circuit.outputs):
        source, registers = origin(circuit, net)
        readers[source].add((len(vertices) + place, registers))
    nets = []
    for net, found in readers.items():
        if found:
            who, taps = zip(*sorted(found), strict=True)
            nets.append(Net(vertices[net], 1, who, taps))
    return Circuit(
        delays=(*[0.0] * len(circuit.inputs), *[1.0] * len(circuit.gates), *[0.0] * len(circuit.outputs)),
        nets=tuple(nets),
        inputs=tuple(range(len(circuit.inputs))),
        outputs=tuple(range(len(vertices), len(vertices) + len(circuit.outputs))),
        latch_ns=0.0,
    )


def least_period_by_loops(graph: Circuit) -> int:
    """The least integer period at a latency of 0, of delays that are 0 or 1."""
    host = len(graph.delays)  # through which outputs lead back to inputs, with a register
    edges = (
        graph.edges.tolist() + [(each, host, 1) for each in graph.outputs] + [(host, each, 0) for each in graph.inputs]
    )
    source, reader, registers = np.array(sorted(edges, key=lambda edge: edge[1]), np.int64).T
    delays = np.array([*graph.delays, 0.0])[reader]
    readers, starts = np.unique(reader, return_index=True)
    low, high = 1, host
    while low < high:
        period = (low + high) // 2
        lengths, distances = period * registers - delays, np.zeros(host + 1)
        for _ in range(host + 2):
            before = distances[readers]
            distances[readers] = np.minimum(before, np.minimum.reduceat(distances[source] + lengths, starts))
            if (distances[readers] == before).all():
                high = period
                break
        else:  # still shorter after as many steps as a path has edges: a negative cycle
            low = period + 1
    return low


def tap(net: str, registers: int) -> str:
    """The name of a net behind so many registers; no file has such a name, since it has no spaces."""
    return f"{net} {registers}" if registers else net


def retimed(circuit: GateCircuit, stages: Sequence[int]) -> GateCircuit:
    """The circuit with its registers where the stages of its `graph_of` put them."""
    vertices, longest = vertices_of(circuit), dict[str, int]()

    def behind(operand: str, stage: int) -> str:
        source, registers = origin(circuit, operand)
        registers += stage - stages[vertices[source]]
        longest[source] = max(longest.get(source, 0), registers)
        return tap(source, registers)

    gates = {
        net: Gate(gate.kind, tuple(behind(each, stages[vertices[net]]) for each in gate.operands))
        for net, gate in circuit.gates.items()
    }
    outputs = tuple(behind(net, stages[len(vertices) + place]) for place, net in enumerate(circuit.outputs))
    registers = {tap(net, each): tap(net, each - 1) for net, count in longest.items() for each in range(1, count + 1)}
    return checked(GateCircuit(f"{circuit.name} retimed", circuit.inputs, outputs, gates, registers))


def compared(circuit: GateCircuit, stages: Sequence[int], other: GateCircuit) -> dict[str, int]:
    """The circuit beside `other`, which is said to be the circuit with gates in these stages: how many values differ.

    Net `n` of stage `s` behind `k` registers is, in cycle `t`, what the circuit's `n` was in cycle ``t - k - s``.
    """
    vertices = vertices_of(circuit)
    stage = {net: stages[vertex] for net, vertex in vertices.items()}
    held = {name: (net, int(registers)) for name in other.registers for net, registers in [name.split(" ")]}
    start = max([0, *stage.values(), *(registers + stage[net] for net, registers in held.values())])
    rng = np.random.default_rng(SEED)
    cycles = start + CYCLES + max(0, -min(stage.values()))
    given = rng.integers(0, 1 << 64, (cycles, len(circuit.inputs), WORDS), np.uint64)
    first = {net: rng.integers(0, 1 << 64, WORDS, np.uint64) for net in circuit.registers}
    seen = list(run(circuit, given, first))
    filled = {name: seen[start - registers - stage[net]][net] for name, (net, registers) in held.items()}
    wrong_outputs = wrong_gates = 0
    for cycle, values in enumerate(run(other, given[start : start + CYCLES], filled), start):
        for net, same in zip(other.outputs, circuit.outputs, strict=True):
            wrong_outputs += int(np.bitwise_count(values[net] ^ seen[cycle][same]).sum())
        for net in circuit.gates:
            wrong_gates += int(np.bitwise_count(values[net] ^ seen[cycle - stage[net]][net]).sum())
    return {
        "warm_up_cycles": start,
        "cycles": CYCLES,
        "lanes": 64 * WORDS,
        "outputs_compared": CYCLES * 64 * WORDS * len(circuit.outputs),
        "mismatches": wrong_outputs,
        "gates_compared": CYCLES * 64 * WORDS * len(circuit.gates),
        "gate_mismatches": wrong_gates,
    }


def measure(circuit: GateCircuit) -> dict[str, Any]:
    """The row of one circuit."""
    graph = graph_of(circuit)
    drawn = as_placed(graph, [0] * len(graph.delays))
    begun = process_time()
    least = least_period(graph, 0)
    period_s = process_time() - begun
    same = retime(graph, latency=0, period=drawn.period_ns)
    best = retime(graph, latency=0, period=least)
    return {
        "circuit": circuit.name,
        "gates": len(circuit.gates),
        "flip_flops": len(circuit.registers),
        "period": drawn.period_ns,
        "registers": drawn.register_bits,
        "fewest_registers": same.register_bits,  # at the period as drawn
        "least_period": best.period_ns,
        "registers_at_least_period": best.register_bits,
        "least_period_by_loops": least_period_by_loops(graph),
        "published_period": None,
        "published_source": None,
        "stages": [min(best.stages), max(best.stages)],
        "period_s": round(period_s, 2),
        "retime_s": round(process_time() - begun, 2),
        **compared(circuit, best.stages, retimed(circuit, best.stages)),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """The retimer agrees with both other ways, and never makes a circuit worse."""
    rows = figures["rows"]
    return {
        "no output or gate differs": not any(row["mismatches"] + row["gate_mismatches"] for row in rows),
        "the least period is that by loops": all(row["least_period"] == row["least_period_by_loops"] for row in rows),
        "no period is longer, and at the same one no circuit has more registers": all(
            row["least_period"] <= row["period"] and row["fewest_registers"] <= row["registers"] for row in rows
        ),
        f"at least {FEWEST} circuits": len(rows) >= FEWEST,
    }


def main() -> None:
    parser = parser_for(__doc__, output="circuits_retimed")
    parser.add_argument("--circuits", help="folder of *.bench (default: LOGICNN_CIRCUITS)")
    given = parser.parse_args()
    circuits, refused = read_all(circuits_folder(given.circuits))
    rows = [finished(given.output / circuit.name, measure, circuit) for circuit in circuits if circuit.registers]
    figures = {
        "delays": "1 for a gate, 0 for inputs, outputs, clock to output and setup",
        "rows": rows,
        "faster": sum(row["least_period"] < row["period"] for row in rows),
        "fewer_registers": sum(row["fewest_registers"] < row["registers"] for row in rows),
        "refused": refused,
    }
    write_result("circuits_retimed", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
