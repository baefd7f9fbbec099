"""The reader of .bench files and the evaluation of their gates, on circuits written here."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.circuits import as_lanes, as_words
from benchmarks.iscas import KINDS, BenchError, Gate, circuits_folder, evaluate, read, read_all, settled

# Three bits that count where `up`, and are cleared where `clear` is 1; `full` is their AND. Names that are numbers,
# small letters, spaces, and readers before what they read are all the format's.
COUNTER = """# a counter
INPUT(up)
input( clear )
OUTPUT(full)
OUTPUT(2)
full = AND(0, 1, 2)
0 = DFF(n0)
1 = DFF(n1)
2 = dff(n2)
n0 = NOR(clear, s0)   # 0 after clear
s0 = XNOR(0, up)
n1 = AND(keep, s1)
s1 = XOR(1, c1)
c1 = AND(0, up)
n2 = AND(keep, s2)
s2 = XOR(2, c2)
c2 = AND(c1, 1)
keep = NOT(clear)
"""
# x^4 + x + 1, kept going by `seed`; an output that is an input, and one that is a register
LFSR = """INPUT(seed)
OUTPUT(seed)
OUTPUT(q3)
q0 = DFF(feed)
q1 = DFF(q0)
q2 = DFF(q1)
q3 = DFF(last)
last = BUFF(q2)
feed = XOR(q3, q0, seed)
"""


def written(folder: Path, text: str, name: str = "x") -> Path:
    path = folder / f"{name}.bench"
    path.write_text(text)
    return path


def test_counter(tmp_path):
    """As a Python integer counts, with random inputs."""
    circuit = read(written(tmp_path, COUNTER, "counter"))
    assert (circuit.name, circuit.inputs, circuit.outputs) == ("counter", ("up", "clear"), ("full", "2"))
    assert list(circuit.registers) == ["0", "1", "2"] and len(circuit.gates) == 10
    bits = np.random.default_rng(1).random((60, 2, 64)) < np.array([[0.7], [0.1]])
    outputs, states = evaluate(circuit, as_words(bits))
    count = np.zeros(64, int)
    for given, shown, state in zip(bits, as_lanes(outputs), as_lanes(states), strict=True):
        assert (count == state.T @ [1, 2, 4]).all()
        assert (shown[0] == (count == 7)).all() and (shown[1] == count // 4).all()
        count = np.where(given[1], 0, (count + given[0]) % 8)
    assert (count > 0).any()


def test_lfsr(tmp_path):
    """All 15 states of a maximal sequence after one 1."""
    circuit = read(written(tmp_path, LFSR))
    bits = np.zeros((32, 1, 64), bool)
    bits[0] = True
    outputs, states = evaluate(circuit, as_words(bits))
    words = (as_lanes(states).transpose(0, 2, 1) @ [1, 2, 4, 8])[:, 5]
    assert words[0] == 0 and sorted(words[1:16]) == list(range(1, 16)) and (words[1:17] == words[16:32]).all()
    assert (outputs[:, 0] == as_words(bits)[:, 0]).all() and (outputs[:, 1] == states[:, 3]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gates(tmp_path, kind):
    """Every word of one to three operands, against what the name says of how many are 1."""
    says = {
        "AND": lambda ones, count: ones == count,
        "OR": lambda ones, count: ones > 0,
        "XOR": lambda ones, count: ones % 2 == 1,
        "BUFF": lambda ones, count: ones == 1,
        "NAND": lambda ones, count: ones < count,
        "NOR": lambda ones, count: ones == 0,
        "XNOR": lambda ones, count: ones % 2 == 0,
        "NOT": lambda ones, count: ones == 0,
    }
    for count in {"BUFF": [1], "NOT": [1], "XOR": [2, 3], "XNOR": [2, 3]}.get(kind, [1, 2, 3]):
        names = "abc"[:count]
        text = "".join(f"INPUT({name})\n" for name in names) + f"OUTPUT(o)\no = {kind}({', '.join(names)})\n"
        circuit = read(written(tmp_path, text))
        assert circuit.gates == {"o": Gate(kind, tuple(names))}
        for bits in itertools.product((0, 1), repeat=count):
            values = settled(circuit, dict(zip(names, bits, strict=True)))
            assert values["o"] & 1 == says[kind](sum(bits), count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html>404 Not Found</html>", r"line 1: '<html>404 Not Found</html>' is no INPUT\(n\), OUTPUT\(n\) or n = .*"),
        ("OUTPUT(a)\n\na = MAJ(b, b, b)", r"line 3: gate 'MAJ' is none of AND, NAND, .*, NOT, DFF"),
        ("OUTPUT(a)\na = AND(b,)", r"line 2: the operands of 'a' must be nets, with commas between, not 'b,'"),
        ("OUTPUT(a)\na = AND(b c)", r"line 2: the operands of 'a' must be nets, with commas between, not 'b c'"),
        ("OUTPUT(a)\na = AND()", r"line 2: AND takes at least 1, not 0"),
        ("OUTPUT(a)\na = XOR(b)", r"line 2: XOR takes at least 2, not 1"),
        ("OUTPUT(a)\na = NOT(b, c)", r"line 2: NOT takes one operand, not 2"),
        ("OUTPUT(a)\na = DFF(b, c)", r"line 2: DFF takes one operand, not 2"),
        ("INPUT(a)\na = NOT(b)\nOUTPUT(a)", r"line 2: net 'a' is driven twice"),
        ("INPUT(a)\nOUTPUT(b)\nb = NOT(a)\nb = BUFF(a)", r"line 4: net 'b' is driven twice"),
        ("OUTPUT(a)\na = NOT(b)", r"net 'b', which gate 'a' reads, is driven by nothing"),
        ("OUTPUT(a)\na = DFF(b)", r"net 'b', which register 'a' reads, is driven by nothing"),
        ("INPUT(a)\nOUTPUT(b)", r"net 'b', which OUTPUT reads, is driven by nothing"),
        ("INPUT(a)", r"there is no OUTPUT\(n\)"),
        ("INPUT(a)\nOUTPUT(b)\nb = AND(a, c)\nc = NOT(b)", r"net '[bc]' depends on itself, through 2 gates"),
    ],
)
def test_no_circuit(tmp_path, text, message):
    with pytest.raises(BenchError, match=rf"^x(\.bench, |: ){message}$"):
        read(written(tmp_path, text))


def test_not_text(tmp_path):
    (tmp_path / "x.bench").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchError, match=r"^x\.bench cannot be read: "):
        read(tmp_path / "x.bench")
    with pytest.raises(BenchError, match=r"^y\.bench cannot be read: "):
        read(tmp_path / "y.bench")


def test_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("LOGICNN_CIRCUITS", raising=False)
    with pytest.raises(BenchError, match=r"^no folder of circuits; set LOGICNN_CIRCUITS or --circuits to the folder "):
        circuits_folder()
    monkeypatch.setenv("LOGICNN_CIRCUITS", str(tmp_path / "missing"))
    with pytest.raises(BenchError, match=r"^LOGICNN_CIRCUITS is .*missing, which is no folder$"):
        circuits_folder()
    with pytest.raises(BenchError, match=r"^--circuits is nowhere, which is no folder$"):
        circuits_folder("nowhere")
    assert circuits_folder(tmp_path) == tmp_path


def test_read_all(tmp_path):
    """What holds no circuit is named, and does not keep the others."""
    with pytest.raises(BenchError, match=r"^folder .* holds no circuit in any \*\.bench$"):
        read_all(tmp_path)
    written(tmp_path, "INPUT(a)", "a")
    with pytest.raises(BenchError, match=r"^folder .* holds no circuit: a: there is no OUTPUT\(n\)$"):
        read_all(tmp_path)
    written(tmp_path, LFSR, "b")
    circuits, refused = read_all(tmp_path)
    assert [circuit.name for circuit in circuits] == ["b"]
    assert refused == [{"file": "a.bench", "why": "a: there is no OUTPUT(n)"}]
