"""Gate-level circuits for the retimer, what their retimed forms compute, and their least period by another way."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.circuits_retimed import (
    compared,
    graph_of,
    least_period_by_loops,
    measure,
    origin,
    required,
    retimed,
)
from benchmarks.iscas import BenchError, Gate, GateCircuit, checked, evaluate, read
from logicnn.arithmetic.retiming import as_placed, least_period, retime
from logicnn.arithmetic.synchronous import Circuit, Net
from sim_tests.test_iscas import COUNTER, LFSR, written

# A register behind each input, four gates one behind the other, and a register: two of it pay for a move forwards.
CHAIN = """INPUT(a)
INPUT(b)
OUTPUT(o)
p = DFF(a)
q = DFF(b)
w = AND(p, q)
x = NOT(w)
y = XOR(x, q)
z = NOT(y)
o = DFF(z)
"""


def random_circuit(seed: int, gates: int = 40, registers: int = 8) -> GateCircuit:
    """Gates of one to three operands, of which every fourth or so is a register; loops go through those."""
    rng = np.random.default_rng(seed)
    nets, made = ["i0", "i1"], {}
    names = [f"r{place}" for place in range(registers)]
    for place in range(gates):
        kind = ("AND", "NOR", "XOR", "NOT")[rng.integers(4)]
        count = 1 if kind == "NOT" else int(rng.integers(2, 4))
        chosen = [names if rng.random() < 0.3 else nets[-9:] for _ in range(count)]
        made[f"g{place}"] = Gate(kind, tuple(str(rng.choice(each)) for each in chosen))
        nets.append(f"g{place}")
    befores = {name: str(rng.choice([*nets, *names[:place]])) for place, name in enumerate(names)}
    return checked(GateCircuit(f"random {seed}", ("i0", "i1"), (nets[-1], nets[-2], names[0]), made, befores))


def test_graph(tmp_path):
    circuit = read(written(tmp_path, CHAIN))
    assert graph_of(circuit) == Circuit(
        (0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0),
        (
            Net(0, 1, (2,), (1,)),
            Net(1, 1, (2, 4), (1, 1)),
            Net(2, 1, (3,), (0,)),
            Net(3, 1, (4,), (0,)),
            Net(4, 1, (5,), (0,)),
            Net(5, 1, (6,), (1,)),
        ),
        (0, 1),
        (6,),
        0.0,
    )


def test_registers_in_a_row(tmp_path):
    """A chain of registers is taps of one net; those that nothing reads, and equal ones, are not counted."""
    text = "INPUT(a)\nOUTPUT(r)\nOUTPUT(o)\no = AND(same, q)\nno = DFF(o)\n"
    text += "p = DFF(a)\nq = DFF(p)\nr = DFF(q)\nsame = DFF(a)\n"
    circuit = read(written(tmp_path, text))
    assert origin(circuit, "r") == ("a", 3)
    assert graph_of(circuit).nets == (Net(0, 1, (1, 1, 2), (1, 2, 3)), Net(1, 1, (3,), (0,)))
    assert as_placed(graph_of(circuit), [0] * 4).register_bits == 3 and len(circuit.registers) == 5


def test_registers_in_a_ring(tmp_path):
    circuit = read(written(tmp_path, "OUTPUT(a)\na = DFF(b)\nb = DFF(c)\nc = DFF(b)\n"))
    with pytest.raises(BenchError, match=r"^x: register '[bc]' reads itself, through registers only$"):
        graph_of(circuit)


def test_retimed_by_hand(tmp_path):
    """One gate in stage -1: the registers in front of it are one behind it, but for the one that another gate reads."""
    circuit = read(written(tmp_path, CHAIN))
    other = retimed(circuit, (0, 0, -1, 0, 0, 0, 0))
    assert other.gates["w"] == Gate("AND", ("a", "b")) and other.gates["x"] == Gate("NOT", ("w 1",))
    assert other.gates["y"] == Gate("XOR", ("x", "b 1")) and other.outputs == ("z 1",)
    assert other.registers == {"w 1": "w", "b 1": "b", "z 1": "z"}
    assert compared(circuit, (0, 0, -1, 0, 0, 0, 0), other)["mismatches"] == 0


@pytest.mark.parametrize("text", [CHAIN, COUNTER, LFSR], ids=["chain", "counter", "lfsr"])
def test_stages_of_0(tmp_path, text):
    """Nothing moves: the same outputs from reset on."""
    circuit = read(written(tmp_path, text))
    given = np.random.default_rng(2).integers(0, 1 << 64, (30, len(circuit.inputs), 1), np.uint64)
    other = retimed(circuit, [0] * len(graph_of(circuit).delays))
    assert np.array_equal(evaluate(circuit, given)[0], evaluate(other, given)[0])


@pytest.mark.parametrize("seed", range(12))
def test_random_circuits(seed):
    circuit = random_circuit(seed)
    row = measure(circuit)
    assert row["least_period"] == row["least_period_by_loops"] <= row["period"]
    assert row["fewest_registers"] <= row["registers"] <= row["flip_flops"]
    assert row["mismatches"] == row["gate_mismatches"] == 0
    assert row["outputs_compared"] == 64 * 256 * 3 and row["gates_compared"] == 64 * 256 * 40


def test_something_moves():
    """Those circuits say something: registers move both ways in them, and periods fall."""
    rows = [measure(random_circuit(seed)) for seed in range(12)]
    assert min(row["stages"][0] for row in rows) < 0 < max(row["stages"][1] for row in rows)
    assert sum(row["least_period"] < row["period"] for row in rows) > 3


def test_illegal_is_found(tmp_path):
    """A register too many or too few is seen, at the outputs or at the gate that it is in front of."""
    circuit = read(written(tmp_path, CHAIN))
    graph = graph_of(circuit)
    best = retime(graph, latency=0)
    assert best.period_ns == 2.0 and as_placed(graph, [0] * 7).period_ns == 4.0
    other = retimed(circuit, best.stages)
    assert compared(circuit, best.stages, other)["mismatches"] == 0
    wrong = replace(other, registers=other.registers | {next(iter(other.registers)): "x"})
    assert compared(circuit, best.stages, wrong)["gate_mismatches"] > 0
    wrong = replace(other, outputs=("z",))
    assert compared(circuit, best.stages, wrong)["mismatches"] > 0
    wrong = retimed(circuit, (0, 0, -1, 0, 0, 0, 0))
    assert compared(circuit, (0, 0, 0, 0, 0, 0, 0), wrong)["gate_mismatches"] > 0


@pytest.mark.parametrize("registers", [1, 2, 3])
def test_least_period_by_loops(registers):
    """Seven gates in a ring, in front of the output three more, which a register more would cut."""
    nets = [Net(place, 1, (place + 1,)) for place in range(10) if place != 6]
    ring = Net(6, 1, (0, 7), (registers, 0))
    graph = Circuit((*[1.0] * 10, 0.0), (*nets, ring), (), (10,), 0.0)
    assert least_period_by_loops(graph) == -(-7 // registers) == least_period(graph, 0)


def test_required():
    row = {"mismatches": 0, "gate_mismatches": 0, "least_period": 3.0, "least_period_by_loops": 3, "period": 4.0}
    row |= {"fewest_registers": 5, "registers": 5}
    assert all(required({"rows": [row] * 20}).values()) and not all(required({"rows": [row] * 19}).values())
    for change in (
        {"mismatches": 1},
        {"gate_mismatches": 1},
        {"least_period_by_loops": 2},
        {"period": 2.0},
        {"registers": 4},
    ):
        assert sum(not shown for shown in required({"rows": [row] * 20 + [row | change]}).values()) == 1


@pytest.mark.parametrize("name", ["s27", "s344", "s526", "s1488"])
def test_circuits_of_others(bench_file, name):
    row = measure(read(bench_file(name)))
    assert row["least_period"] == row["least_period_by_loops"] <= row["period"]
    assert row["mismatches"] == row["gate_mismatches"] == 0
