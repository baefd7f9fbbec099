"""Constant matrices in the forms that `benchmarks.adders` compares, each synthesised by the same flow and checked as a netlist."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from logicnn import tools
from logicnn.adders import AdderGraph
from logicnn.bits import pack, unpack
from logicnn.errors import CheckFailed
from logicnn.gateware.adders import ConstantMatrix, words
from logicnn.netlist import Netlist
from logicnn.network import Interval
from logicnn.resources import Family

__all__ = ["as_bits", "da4ml_form", "graph_form", "plain_form", "range_of"]

PLATFORMS = {Family.ICE40: ICEBreakerPlatform, Family.ECP5: ULX3S_85F_Platform}
# Adders become carry cells module by module before the modules are merged, which keeps synthesis from merging the adders themselves.
HIERARCHICAL = "hierarchy -top top; proc; opt_expr; opt_clean; wreduce; opt_clean; alumacc; opt; flatten"
VECTORS = 320


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


def _samples(graph: AdderGraph) -> np.ndarray:  # (VECTORS, inputs)
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(each.low, each.high + 1, VECTORS) for each in graph.inputs], axis=1)


def as_bits(x: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """Words side by side as bits, the first word lowest."""
    return np.concatenate([(x[:, index, None] >> np.arange(width) & 1).astype(bool) for index, width in enumerate(widths)], axis=1)


def _check(netlist: Netlist, graph: AdderGraph, ports: tuple[str, str], outputs: Sequence[int], shifts: Sequence[int]) -> None:
    """The netlist on random inputs and all zeros; raises `CheckFailed` with the first difference. `outputs` are widths in the netlist."""
    x = _samples(graph)
    given = netlist.nets(ports[0])
    packed = pack(as_bits(x, [max(1, each.width) for each in graph.inputs]))
    actual = unpack(netlist.evaluate(dict(zip(given, packed, strict=True)), netlist.nets(ports[1])), len(x))
    expected = as_bits(graph.evaluate(x) >> np.array(shifts), outputs)
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        sample, bit = wrong[0]
        raise CheckFailed(f"vector {x[sample].tolist()}: output bit {bit} is {actual[sample, bit]:d}, expected {expected[sample, bit]:d}")


def _component_cells(component: wiring.Component, graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells by family; of Amaranth's operators without DSP blocks, with and without wide LUTs, the fewer."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = {}
    for family, platform in PLATFORMS.items():
        text = rtlil.convert(component, ports=[Value.cast(component.i), Value.cast(component.o)], platform=platform())
        (folder / f"{family.value}.il").write_text(text)
        widths = [max(1, graph.interval(index).width) for index in range(len(graph.outputs))]
        counts = []
        # Products would go into DSP blocks on ECP5, which are not logic cells.
        for options in ("-nodsp", "-nodsp -nowidelut") if family is Family.ECP5 and isinstance(component, Plain) else ("",):
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

    Traced by da4ml's own front end with its default hardware model, so that its widths and signs are as its users get them.
    """
    from da4ml.codegen.rtl.verilog.comb import comb_logic_gen
    from da4ml.trace import FixedVariableArray, comb_trace
    from da4ml.types import minimal_kif

    folder.mkdir(parents=True, exist_ok=True)
    signed = np.array([each.low < 0 for each in graph.inputs])
    whole = np.array([each.width for each in graph.inputs]) - signed
    given = FixedVariableArray.from_kif(signed, whole, np.zeros(len(whole), int))
    solution = comb_trace(given, given @ graph.matrix.T.astype(np.float64), keep_dead_inputs=True)
    source = files("da4ml") / "codegen" / "rtl" / "verilog" / "source"
    parts = [comb_logic_gen(solution, "top"), *((source / name).read_text() for name in ("shift_adder.v", "negative.v"))]
    (folder / "top.v").write_text("\n".join(parts))
    precisions = [tuple(map(int, minimal_kif(each))) for each in solution.out_qint]
    cells: dict[str, int] = {"adders": sum(operation.opcode in (0, 1) for operation in solution.ops)}
    for family in PLATFORMS:
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
