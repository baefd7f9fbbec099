"""Constant matrices in the forms that `benchmarks.adders` compares, each synthesised by the same flow and checked as a
netlist.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks.bench import PLATFORMS
from benchmarks.vectors import as_bits, check, random_words, widths_of
from logicnn.arithmetic.adders import AdderGraph
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.gateware.adders import ConstantMatrix, words
from logicnn.netlist.netlist import Netlist
from logicnn.network import Interval
from logicnn.resources import Family

__all__ = ["da4ml_form", "graph_form", "plain_form", "range_of"]

DEVICES_OF = {Family.ICE40: "iCE40UP5K", Family.ECP5: "LFE5U-85F"}  # whose platform stands for the family
# Adders become carry cells module by module before the modules are merged, which keeps synthesis from merging the
# adders themselves.
HIERARCHICAL = "hierarchy -top top; proc; opt_expr; opt_clean; wreduce; opt_clean; alumacc; opt; flatten"


class Plain(wiring.Component):
    """``sum(weight * x)`` for each output, as Amaranth's operators."""

    def __init__(self, graph: AdderGraph, matrix: np.ndarray):
        self._matrix = matrix
        outputs = [graph.interval(index) for index in range(len(graph.outputs))]
        super().__init__({"i": In(words("x", graph.inputs)), "o": Out(words("y", outputs))})

    def elaborate(self, platform):
        m = Module()
        values = [Value.cast(self.i[f"x{index}"]) for index in range(self._matrix.shape[1])]
        for index, row in enumerate(self._matrix.tolist()):
            total = sum((value * weight for value, weight in zip(values, row, strict=True) if weight), C(0, 1))
            m.d.comb += Value.cast(self.o[f"y{index}"]).eq(total)
        return m


def _synthesise(read: str, family: Family, options: str, folder: Path) -> Netlist:
    name = f"{family.value}{options.replace('-', '_').replace(' ', '')}"
    (folder / f"{name}.ys").write_text(f"{read}\nsynth_{family.value} {options} -top top\nwrite_json {name}.json\n")
    tools.run(["yosys", "-q", f"{name}.ys"], folder, f"{name}.log")
    return Netlist(folder / f"{name}.json")


def _check(
    netlist: Netlist, graph: AdderGraph, ports: tuple[str, str], outputs: Sequence[int], shifts: Sequence[int]
) -> None:
    """The netlist on random inputs. `outputs` are widths in the netlist, which may leave out so many low zeros
    (`shifts`).
    """
    x = random_words(graph.inputs, 0)
    expected = as_bits(graph.evaluate(x) >> np.array(shifts), outputs)
    check(netlist, netlist.nets(ports[0]), netlist.nets(ports[1]), as_bits(x, widths_of(graph.inputs)), expected)


def _component_cells(component: wiring.Component, graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells by family; of Amaranth's operators without DSP blocks, with and without wide LUTs, the fewer."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = {}
    for family, device in DEVICES_OF.items():
        text = rtlil.convert(
            component, ports=[Value.cast(component.i), Value.cast(component.o)], platform=PLATFORMS[device]()
        )
        (folder / f"{family.value}.il").write_text(text)
        widths = widths_of([graph.interval(index) for index in range(len(graph.outputs))])
        counts = []
        # Products would go into DSP blocks on ECP5, which are not logic cells.
        for options in (
            ("-nodsp", "-nodsp -nowidelut") if family is Family.ECP5 and isinstance(component, Plain) else ("",)
        ):
            netlist = _synthesise(f"read_rtlil {family.value}.il", family, options, folder)
            _check(netlist, graph, ("i", "o"), widths, [0] * len(widths))
            counts.append(netlist.logic_cells)
        cells[family.value] = min(counts)
    return cells


def graph_form(graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells of our own gateware by family; the netlist is checked against the graph."""
    return _component_cells(ConstantMatrix(graph), graph, folder)


def plain_form(graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells of Amaranth's ``*`` and ``+``."""
    return _component_cells(Plain(graph, graph.matrix), graph, folder)


def da4ml_form(graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells of da4ml's Verilog by family, the best of flat and hierarchical synthesis; and its adders.

    Traced by da4ml's own front end with its default hardware model, so that its widths and signs are as its users get
    them.
    """
    if find_spec("da4ml") is None:
        raise LogicnnError('da4ml is not installed (pip install -e ".[bench]")')
    from da4ml.codegen.rtl.verilog.comb import comb_logic_gen
    from da4ml.trace import FixedVariableArray, comb_trace
    from da4ml.types import minimal_kif

    folder.mkdir(parents=True, exist_ok=True)
    signed = np.array([each.low < 0 for each in graph.inputs])
    whole = np.array([each.width for each in graph.inputs]) - signed
    given = FixedVariableArray.from_kif(signed, whole, np.zeros(len(whole), int))
    solution = comb_trace(given, given @ graph.matrix.T.astype(np.float64), keep_dead_inputs=True)
    source = files("da4ml") / "codegen" / "rtl" / "verilog" / "source"
    parts = [
        comb_logic_gen(solution, "top"),
        *((source / name).read_text() for name in ("shift_adder.v", "negative.v")),
    ]
    (folder / "top.v").write_text("\n".join(parts))
    precisions = [tuple(map(int, minimal_kif(each))) for each in solution.out_qint]
    cells: dict[str, int] = {"adders": sum(operation.opcode in (0, 1) for operation in solution.ops)}
    for family in DEVICES_OF:
        counts = []
        for before in ("", HIERARCHICAL):
            for options in ("", "-nowidelut") if family is Family.ECP5 and not before else ("",):
                netlist = _synthesise(f"read_verilog top.v\n{before}", family, options, folder)
                widths, shifts = [sum(each) for each in precisions], [-each[2] for each in precisions]
                _check(netlist, graph, ("model_inp", "model_out"), widths, shifts)
                counts.append(netlist.logic_cells)
        cells[family.value] = min(counts)
    return cells


def range_of(width: int, signed: bool) -> Interval:
    return Interval(-(1 << width - 1), (1 << width - 1) - 1) if signed else Interval(0, (1 << width) - 1)
