"""Every shipped network as Verilog: its testbench in two simulators, and the text read again by synthesis for three
families.

    LOGICNN_DATA=../shared/data python -m benchmarks.verilog

Needs Icarus Verilog and Verilator on the PATH. Synthesis is told what builds tell it. LUT4 for iCE40 are compared
between the text and the component itself; the netlist of the text is compared with the network on test samples and
random inputs where it is combinational. A convolution engine, whose weights are in the text, is simulated and not
synthesised. A quarter of an hour on one core.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil

from benchmarks.common import RESULTS, extend_result, finished, new_row, parser_for, write_result
from logicnn import bits
from logicnn.commands.command import guarded
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow import tools
from logicnn.flow.design import yosys_script
from logicnn.flow.verilog import ExportError, component_of, exported, mapping_of
from logicnn.netlist.netlist import Netlist
from logicnn.network import Network, load, shipped
from logicnn.verify.logic import decode
from logicnn.verify.vectors import Vectors, vectors_for

__all__ = ["SIMULATORS", "cell_counts", "compiled", "own_lut4", "simulated", "text_netlist"]

SEED = 0  # nothing is random but the vectors, whose seed is fixed
SIMULATORS = ("iverilog", "verilator")
FORMS = ("combinational", "stream")
# What is told to synthesis, and the logic cells of each type of cell. A carry cell of ECP5 is two of its cells, one of
# Xilinx stands beside LUTs that are counted.
FAMILIES = {
    "xilinx": ("synth_xilinx -noiopad -flatten -top core", {f"LUT{inputs}": 1 for inputs in range(1, 7)}),
    "ecp5": ("synth_ecp5 -nowidelut -top core", {"LUT4": 1, "CCU2C": 2}),
}
PERIOD_NS = 10.0


def compiled(path: Path, simulator: str) -> list[str]:
    """Compiles the testbench beside a core; the command that runs it, in its folder. Raises `CheckFailed` with what the
    simulator says.
    """
    sources = [f"{path.stem}_tb.v", path.name]
    if simulator == "iverilog":
        command, run = ["iverilog", "-g2012", "-o", "sim", *sources], ["vvp", "-n", "sim"]
    else:
        # each vector is seen once: what the C++ compiler's optimisation costs, minutes, it would never give back
        flags = [word for stage in ("FAST", "SLOW", "GLOBAL") for word in ("-MAKEFLAGS", f"OPT_{stage}=-O0")]
        options = [
            "--binary",
            "--timing",
            "-Wno-fatal",
            "-Wno-lint",
            "-Wno-style",
            *flags,
            "-o",
            "sim",
            "--Mdir",
            "obj",
        ]
        command, run = ["verilator", *options, *sources], ["obj/sim"]
    made = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    if made.returncode:
        raise CheckFailed(f"{simulator} failed: {made.stderr[-2000:]}")
    return run


def simulated(path: Path, command: list[str]) -> subprocess.CompletedProcess:
    """Runs a compiled testbench."""
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


def text_netlist(mapping: Mapping, folder: Path, read: str = "read_verilog core.v") -> Netlist:
    """What synthesis for iCE40 makes of ``core.v`` in a folder, which a mapping was exported to."""
    (folder / "again.ys").write_text(f"{read}\n{yosys_script(mapping)}\nsynth_ice40 -top core\nwrite_json again.json\n")
    tools.run(["yosys", "-q", "again.ys"], folder, "again.log")
    return Netlist(folder / "again.json")


def own_lut4(mapping: Mapping, folder: Path, *, stream: bool) -> int:
    """LUT4 of the component that was exported."""
    (folder / "own.il").write_text(rtlil.convert(component_of(mapping, stream), name="core", emit_src=False))
    return text_netlist(mapping, folder, "read_rtlil own.il").cells["SB_LUT4"]


def cell_counts(mapping: Mapping, folder: Path, family: str) -> dict[str, int]:
    """Logic cells, by the type of what they hold, after synthesis of ``core.v`` in a folder for one of `FAMILIES`."""
    script, cells = FAMILIES[family]
    (folder / "other.ys").write_text(
        f"read_verilog core.v\n{yosys_script(mapping)}\n{script}\ntee -q -o stat.json stat -json\n"
    )
    tools.run(["yosys", "-q", "other.ys"], folder, "other.log")
    kinds = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return {kind: count * cells[kind] for kind, count in sorted(kinds.items()) if kind in cells}


def mismatches(netlist: Netlist, network: Network, vectors: Vectors) -> int:
    """Vectors on which a combinational netlist with ports i and o differs from the network."""
    given = dict(zip(netlist.nets("i"), bits.pack(network.encode(vectors.x)), strict=True))
    word = bits.unpack(netlist.evaluate(given, netlist.nets("o")), len(vectors.x))
    return int(np.count_nonzero(decode(network, word) != network.evaluate(vectors.x)))


def measured(model: str, form: str, data_dir: str | None) -> dict[str, Any]:
    """One network in one form, or why it has none."""
    network, stream = load(model), form == "stream"
    row: dict[str, Any] = {"model": model, "digest": network.digest(), "form": form}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            mapping = mapping_of(network, stream, PERIOD_NS)
        except ExportError as refusal:
            return row | {"exported": False, "refusal": str(refusal)}
        made = exported(mapping, "core", folder, stream=stream, data_dir=data_dir)
        path = folder / "out" / "core.v"
        path.parent.mkdir()
        made.write(path, force=False)
        row |= {"exported": True, "vectors": made.vectors, "latency_cycles": mapping.latency.most}
        for simulator in SIMULATORS:
            start = time.perf_counter()
            done = simulated(path, compiled(path, simulator))
            passed = done.returncode == 0 and f"PASS: {made.vectors} vectors" in done.stdout
            row |= {f"{simulator}_passed": passed, f"{simulator}_seconds": round(time.perf_counter() - start, 1)}
        if not mapping.feed_forward:
            return row
        again = text_netlist(mapping, path.parent)
        row |= {"lut4": again.cells["SB_LUT4"], "lut4_component": own_lut4(mapping, path.parent, stream=stream)}
        for family in FAMILIES:
            counts = cell_counts(mapping, path.parent, family)
            row |= {f"{family}_cells": sum(counts.values()), f"{family}_cells_by_type": counts}
        if not stream:
            vectors = vectors_for(network, "full", data_dir)
            row |= {
                "netlist_vectors": len(vectors.x),
                "netlist_dataset": vectors.source,
                "mismatches": mismatches(again, network, vectors),
            }
    return row


def _version(simulator: str) -> str:
    """Its name and version, by itself. Raises `LogicnnError` where it is not installed."""
    try:
        shown = subprocess.run(
            [simulator, "-V" if simulator == "iverilog" else "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        raise LogicnnError(f"{simulator} was not found; install it (Debian: {simulator})") from None
    return shown.stdout.splitlines()[0].strip()


def required(figures: dict[str, Any]) -> dict[str, bool]:
    rows = figures["exported"]
    synthesised = [row for row in rows if "lut4" in row]
    compared = [row for row in synthesised if row["form"] == "combinational"]
    return {
        "only convolutions are too large to be combinational": [
            (row["model"], row["form"]) for row in figures["refused"]
        ]
        == [("lenet5-ikr", "combinational"), ("mnist-bcnn", "combinational")],
        "every testbench passes in both simulators": all(
            row[f"{simulator}_passed"] for row in rows for simulator in SIMULATORS
        ),
        "text and component cost the same LUT4 within 2 %": all(
            abs(row["lut4"] / row["lut4_component"] - 1) <= 0.02 for row in synthesised
        ),
        "every combinational text is its network": all(
            row["mismatches"] == 0 and row["netlist_vectors"] > 4096 for row in compared
        ),
        "every text is synthesised for the other families": all(
            row[f"{family}_cells"] > 0 for row in synthesised for family in FAMILIES
        ),
    }


def main() -> None:
    parser = parser_for(__doc__, output="verilog", data=True)
    parser.add_argument(
        "--only", nargs="+", metavar="MODEL", choices=shipped(), help="measure these, beside the rows that are there"
    )
    given = parser.parse_args()
    versions = {simulator: _version(simulator) for simulator in SIMULATORS}
    rows = []
    for model in given.only or shipped():
        for form in FORMS:
            row = finished(given.output / f"{model}-{form}", measured, model, form, given.data_dir)
            rows.append(new_row("verilog", row, given) if given.only else row)
            print(json.dumps(rows[-1]), flush=True)
    if given.only:
        kept = json.loads((RESULTS / "verilog.json").read_text())
        rows += [row for row in [*kept["exported"], *kept["refused"]] if row["model"] not in given.only]
        rows.sort(key=lambda row: (row["model"], row["form"]))
    exported, refused = ([row for row in rows if row["exported"] == made] for made in (True, False))
    figures = {"exported": exported, "refused": refused}
    if given.only:
        extend_result("verilog", figures, required(figures), given=given)
    else:
        write_result("verilog", SEED, {"simulators": versions} | figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
