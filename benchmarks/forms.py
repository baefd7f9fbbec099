"""Constant matrices in the forms that `benchmarks.adders` compares, each synthesised by the same flow, checked as a
netlist, and placed between registers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks.bench import PLATFORMS, delay_ns, opened_netlist, synthesise
from benchmarks.vectors import as_bits, check, random_words, widths_of
from logicnn.arithmetic.adders import AdderGraph
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.gateware.adders import ConstantMatrix, words
from logicnn.netlist.netlist import Netlist
from logicnn.network import Interval
from logicnn.resources import DEVICES, Family

__all__ = ["Solution", "da4ml_form", "da4ml_solution", "graph_delay_ns", "graph_form", "plain_form", "range_of"]

SEEDS = (1, 2, 3)  # of placement
PLACED_ON = DEVICES["LFE5U-25F"]  # which has room for all of them
MEGAHERTZ = 100.0  # asked of nextpnr
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


class Foreign(wiring.Component):
    """A combinational module of other text, ``core``, with one input and one output."""

    def __init__(self, given: tuple[str, int], made: tuple[str, int]):
        self._given, self._made = given[0], made[0]
        super().__init__({"i": In(given[1]), "o": Out(made[1])})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = Instance("core", ("i", self._given, self.i), ("o", self._made, self.o))
        return m


def _placed_ns(component: wiring.Component, folder: Path, before: str = "") -> float:
    """From registers through the component to registers, the median over the seeds."""
    netlist = synthesise(component, PLACED_ON, folder, before=before)
    return round(delay_ns(netlist, PLACED_ON, folder, SEEDS, MEGAHERTZ), 2)


def _synthesise(read: str, family: Family, options: str, folder: Path) -> Netlist:
    name = f"{family.value}{options.replace('-', '_').replace(' ', '')}"
    (folder / f"{name}.ys").write_text(f"{read}\nsynth_{family.value} {options} -top top\nwrite_json {name}.json\n")
    tools.run(["yosys", "-q", f"{name}.ys"], folder, f"{name}.log")
    return opened_netlist(folder / f"{name}.json", family)


def _check(
    netlist: Netlist, graph: AdderGraph, ports: tuple[str, str], outputs: Sequence[int], shifts: Sequence[int]
) -> None:
    """The netlist on random inputs. `outputs` are widths in the netlist, which may leave out so many low zeros
    (`shifts`).
    """
    x = random_words(graph.inputs, 0)
    expected = as_bits(graph.evaluate(x) >> np.array(shifts), outputs)
    check(netlist, netlist.nets(ports[0]), netlist.nets(ports[1]), as_bits(x, widths_of(graph.inputs)), expected)


def _component_cells(
    component: wiring.Component, graph: AdderGraph, folder: Path, families: Collection[Family]
) -> dict[str, int]:
    """Logic cells by family; of Amaranth's operators without DSP blocks, with and without wide LUTs, the fewer."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = {}
    for family in families:
        text = rtlil.convert(
            component,
            ports=[Value.cast(component.i), Value.cast(component.o)],
            platform=PLATFORMS[DEVICES_OF[family]](),
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


def graph_form(graph: AdderGraph, folder: Path, families: Collection[Family] = tuple(DEVICES_OF)) -> dict[str, int]:
    """Logic cells of our own gateware by family; the netlist is checked against the graph."""
    return _component_cells(ConstantMatrix(graph), graph, folder, families)


def graph_delay_ns(graph: AdderGraph, folder: Path) -> float:
    """Placed delay of our own gateware."""
    return _placed_ns(ConstantMatrix(graph), folder / "placed")


def plain_form(graph: AdderGraph, folder: Path) -> dict[str, int]:
    """Logic cells of Amaranth's ``*`` and ``+``."""
    return _component_cells(Plain(graph, graph.matrix), graph, folder, tuple(DEVICES_OF))


@dataclass(frozen=True)
class Solution:
    """What da4ml makes of a matrix: its program, its own count of adder bits, additions one after the other, and the
    seconds that it took.
    """

    program: Any
    adders: int
    bits: int
    depth: int
    seconds: float


def da4ml_solution(graph: AdderGraph, beyond: int = -1) -> Solution:
    """Traced by da4ml's own front end with its default hardware model, so that widths and signs are as its users get
    them; with at most so many additions `beyond` the least depth on a path (its `hard_dc`), -1 without a bound.
    """
    if find_spec("da4ml") is None:
        raise LogicnnError('da4ml is not installed (pip install -e ".[bench]")')
    from da4ml.trace import FixedVariableArray, comb_trace

    signed = np.array([each.low < 0 for each in graph.inputs])
    whole = np.array([each.width for each in graph.inputs]) - signed
    given = FixedVariableArray.from_kif(signed, whole, np.zeros(len(whole), int), solver_options={"hard_dc": beyond})
    start = process_time()
    solution = comb_trace(given, given @ graph.matrix.T.astype(np.float64), keep_dead_inputs=True)
    seconds = process_time() - start
    additions = [operation for operation in solution.ops if operation.opcode in (0, 1)]
    depth = round(max((operation.latency for operation in additions), default=0))
    return Solution(solution, len(additions), round(solution.cost), depth, seconds)


def da4ml_form(
    graph: AdderGraph,
    folder: Path,
    families: Collection[Family] = tuple(DEVICES_OF),
    beyond: int = -1,
    placed: bool = True,
) -> dict[str, Any]:
    """Logic cells of da4ml's Verilog by family, the best of flat and hierarchical synthesis; its adders, additions one
    after the other, placed delay where synthesis is flat, and seconds to compile.
    """
    made = da4ml_solution(graph, beyond)
    from da4ml.codegen.rtl.verilog.comb import comb_logic_gen
    from da4ml.types import minimal_kif

    folder.mkdir(parents=True, exist_ok=True)
    source = files("da4ml") / "codegen" / "rtl" / "verilog" / "source"
    parts = [(source / name).read_text() for name in ("shift_adder.v", "negative.v")]
    for name in ("top", "core"):
        (folder / f"{name}.v").write_text("\n".join([comb_logic_gen(made.program, name), *parts]))
    precisions = [tuple(map(int, minimal_kif(each))) for each in made.program.out_qint]
    cells: dict[str, Any] = {
        "adders": made.adders,
        "carry_bits": made.bits,
        "depth": made.depth,
        "compile_s": round(made.seconds, 4),
    }
    for family in families:
        counts = []
        for before in ("", HIERARCHICAL):
            for options in ("", "-nowidelut") if family is Family.ECP5 and not before else ("",):
                netlist = _synthesise(f"read_verilog top.v\n{before}", family, options, folder)
                widths, shifts = [sum(each) for each in precisions], [-each[2] for each in precisions]
                _check(netlist, graph, ("model_inp", "model_out"), widths, shifts)
                counts.append(netlist.logic_cells)
        cells[family.value] = min(counts)
    if not placed:
        return cells
    ports = ("model_inp", sum(widths_of(graph.inputs))), ("model_out", sum(map(sum, precisions)))
    return cells | {"delay_ns": _placed_ns(Foreign(*ports), folder / "placed", "read_verilog ../core.v")}


def range_of(width: int, signed: bool) -> Interval:
    return Interval(-(1 << width - 1), (1 << width - 1) - 1) if signed else Interval(0, (1 << width) - 1)
