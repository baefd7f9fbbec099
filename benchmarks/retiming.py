"""Registers moved into the logic, against registers at the ends of layers: ``python -m benchmarks.retiming``.

The nine network shapes of Xu et al., Table I, with random 8-bit weights of a stated density (seed 1; the weights are
not trained, NID reads bits and the others signed bytes), between registers on an ECP5 and, the smallest, on an HX8K:
placed clock with registers at layer ends only; retimed in as many pipeline stages; retimed in as many as are predicted
to double the clock; and in at least so many stages with the registers left at layer ends, with Yosys' ``-retime`` on
those, and with every operation as soon as the same period lets it. Medians over three seeds, stages and register bits
beside every clock. Takes two hours; finished rows are kept in the output folder, and `--only` does some of them.
"""

import sys
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks.bench import checked, place, synthesise
from benchmarks.common import RESULTS, finished, parser_for, write_result
from benchmarks.forms import range_of
from benchmarks.plots import pyplot, save
from benchmarks.vectors import as_bits, random_words, widths_of
from logicnn.arithmetic.retiming import Pipeline, as_placed, least_latency, retime, soonest
from logicnn.arithmetic.sharing import optimise
from logicnn.arithmetic.slices import Datapath, Rectifier, Slices, layer_end_stages
from logicnn.commands.command import guarded
from logicnn.flow.tools import ToolFailed
from logicnn.gateware.embedded import PipelinedDatapath
from logicnn.resources import DEVICES, Device

SEED = 1
SEEDS = (1, 2, 3)
SLICE_BITS = 2
# name: (words in each layer, density of the weights, bits of an input)
NETWORKS = {
    "OFC-A": ((21, 40, 25), 0.1, 8),
    "OFC-B": ((21, 50, 25), 0.1, 8),
    "OFC-C": ((21, 50, 50), 0.08, 8),
    "JSC-A": ((16, 64, 16, 16, 8), 0.12, 8),
    "JSC-B": ((16, 64, 32, 32, 32), 0.08, 8),
    "JSC-C": ((16, 64, 48, 48, 32), 0.05, 8),
    "NID-A": ((593, 20), 0.05, 1),
    "NID-B": ((593, 20, 20), 0.05, 1),
    "NID-C": ((593, 25, 25), 0.04, 1),
}
# As many pipeline stages as predict a clock this much faster than with registers at layer ends: neither what is placed
# then nor what is asked of it changes their number.
FASTER = 2.0
MUST = 1.68  # how much faster it must be placed
HELD_OUT = "OFC-B", "JSC-A", "NID-B"  # with other weights, that no figure of `logicnn.resources` was fitted to
CURVE = "OFC-A", (1, 2, 3, 4, 6, 8, 12, 20)  # pipeline stages of the curve, placed with the first seed


def random_datapath(name: str, seed: int = SEED) -> Datapath:
    """Layers of random weights; sums are rectified to 8-bit words but for the last layer's."""
    shape, density, bits = NETWORKS[name]
    rng = np.random.default_rng(seed)
    layers = []
    given = [range_of(bits, bits > 1)] * shape[0]
    for index, (inputs, outputs) in enumerate(pairwise(shape)):
        weights = rng.integers(-128, 128, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
        graph = optimise(weights, given, tries=8)
        top = max(graph.interval(each).width for each in range(outputs))
        rectifier = Rectifier(max(0, top - 10), 8) if index < len(shape) - 2 else None
        layers.append((graph, (rectifier,) * outputs if rectifier else None))
        given = [rectifier.interval] * outputs if rectifier else []
    return Datapath(tuple(layers))


def placed(
    slices: Slices, pipeline: Pipeline, device: Device, folder: Path, seeds: tuple[int, ...], options: str = ""
) -> dict[str, Any]:
    """Median placed clock of a pipeline, its size, and the predicted clock.

    The netlist is checked first, but for `options`: ``-retime`` may move the registers between which the check looks.
    """
    netlist = synthesise(PipelinedDatapath(slices, pipeline.stages), device, folder, options)
    vectors = 0
    if not options:
        datapath = slices.datapath
        x = random_words(datapath.inputs, SEED)
        given, expected = (
            as_bits(x, widths_of(datapath.inputs)),
            as_bits(datapath.evaluate(x), widths_of(datapath.outputs)),
        )
        vectors = checked(netlist, given, expected)
    clocks = [place(device, folder, seed, 1000 / pipeline.period_ns).clock()[0] for seed in seeds]
    return {
        "pipeline_stages": pipeline.latency,
        "register_bits": pipeline.register_bits,
        "predicted_mhz": round(1000 / pipeline.period_ns, 2),
        "fmax_mhz": round(median(clocks), 2),
        "fmax_mhz_by_seed": [round(each, 2) for each in clocks],
        "logic_cells": netlist.logic_cells,
        "vectors": vectors,
    }


def tool_retimed(slices: Slices, left: Pipeline, row: dict[str, Any], device: Device, folder: Path) -> dict[str, Any]:
    """What Yosys' ``-retime`` makes of registers left at layer ends: nothing else, where it writes the very netlist of
    `row`.
    """
    try:
        synthesise(PipelinedDatapath(slices, left.stages), device, folder / "tool", "-retime")
        same = (folder / "tool" / "top.json").read_bytes() == (folder / "left_at_ends" / "top.json").read_bytes()
        return (row if same else placed(slices, left, device, folder / "tool", SEEDS, "-retime")) | {
            "netlist_unchanged": same
        }
    except ToolFailed as failure:
        return {"failed": str(failure).splitlines()[0], "fmax_mhz": None, "register_bits": left.register_bits}


def measure(name: str, device: Device, folder: Path) -> dict[str, Any]:
    """A network in every form."""
    datapath = random_datapath(name)
    slices = Slices(datapath, SLICE_BITS)
    circuit = slices.circuit(device)
    ends = as_placed(circuit, layer_end_stages(slices))
    stages = max(ends.latency, least_latency(circuit, max(ends.period_ns / FASTER, circuit.least_period_ns)))
    ours = retime(circuit, latency=stages)
    at_ends = -(
        -(ours.latency + 1) // len(datapath.layers)
    )  # as many registers at each layer's end as make at least those
    left = as_placed(circuit, layer_end_stages(slices, at_ends))
    at_once = soonest(circuit, ours.period_ns)
    pipelines = {
        "layer_ends": ends,
        "equal_stages": retime(circuit, latency=ends.latency),
        "left_at_ends": left,
        "soonest": at_once,
        "retimed": ours,
    }
    rows = {form: placed(slices, each, device, folder / form, SEEDS) for form, each in pipelines.items()}
    rows["tool_retime"] = tool_retimed(slices, left, rows["left_at_ends"], device, folder)
    shape, density, bits = NETWORKS[name]
    figures = {
        "name": name,
        "device": device.name,
        "shape": list(shape),
        "density": density,
        "input_bits": bits,
        "vertices": len(slices.vertices),
        "fmax_layer_ends": rows["layer_ends"]["fmax_mhz"],
        "fmax_tool_retime": rows["tool_retime"]["fmax_mhz"],
        "fmax_retimed": rows["retimed"]["fmax_mhz"],
    }
    for gain, form in (("gain", "retimed"), ("gain_at_equal_stages", "equal_stages")):
        figures[gain] = round(rows[form]["fmax_mhz"] / rows["layer_ends"]["fmax_mhz"] - 1, 4)
    return figures | {f"register_bits_{form}": row["register_bits"] for form, row in rows.items()} | {"forms": rows}


def curve(folder: Path) -> list[dict[str, Any]]:
    """The clock against pipeline stages, as in Xu et al., Fig. 8."""
    name, stages = CURVE
    device = DEVICES["LFE5U-85F"]
    slices = Slices(random_datapath(name), SLICE_BITS)
    circuit = slices.circuit(device)
    return [
        placed(slices, retime(circuit, latency=each), device, folder / f"curve{each}", SEEDS[:1]) for each in stages
    ]


def held_out(name: str, folder: Path) -> list[dict[str, Any]]:
    """A network with weights of another seed at layer ends, and retimed: predictions where nothing was fitted."""
    device = DEVICES["LFE5U-85F"]
    slices = Slices(random_datapath(name, SEED + 1), SLICE_BITS)
    circuit = slices.circuit(device)
    ends = as_placed(circuit, layer_end_stages(slices))
    ours = retime(circuit, period=max(ends.period_ns / FASTER, circuit.least_period_ns))
    forms = {"layer_ends": ends, "retimed": ours}
    return [
        {"name": name, "form": form} | placed(slices, each, device, folder / form, SEEDS[:1])
        for form, each in forms.items()
    ]


def within(rows: list[dict[str, Any]]) -> float:
    """The share of rows that are placed within 15 % of the predicted clock."""
    return round(mean(abs(row["fmax_mhz"] / row["predicted_mhz"] - 1) <= 0.15 for row in rows), 4)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = pyplot().subplots(figsize=(7, 4.5))
    stages = [row["pipeline_stages"] for row in rows]
    axes.plot(stages, [row["fmax_mhz"] for row in rows], marker="o", label="placed")
    axes.plot(stages, [row["predicted_mhz"] for row in rows], linestyle="--", label="predicted")
    axes.set(
        xlabel="pipeline stages inside the network",
        ylabel="clock, MHz",
        title=f"{CURVE[0]}, random weights, ECP5 speed 6",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, path)


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """For every network; predictions are those of a fit but where they are held out."""
    networks = figures["networks"]
    return {
        f"at least {MUST} times the clock of registers at layer ends": all(
            row["fmax_retimed"] >= MUST * row["fmax_layer_ends"] for row in networks
        ),
        "fewer register bits than as soon as possible, in as many stages": all(
            row["register_bits_retimed"] < row["register_bits_soonest"]
            and row["forms"]["retimed"]["pipeline_stages"] == row["forms"]["soonest"]["pipeline_stages"]
            for row in networks
        ),
        "at least 90 % of fitted clocks within 15 %": figures["predicted_within_15_percent"] >= 0.9,
        "at least 80 % of held-out clocks within 15 %": figures["held_out_within_15_percent"] >= 0.8,
    }


def main() -> None:
    parser = parser_for(__doc__, output="retiming")
    parser.add_argument(
        "--only", nargs="+", help="measure these networks (or `curve`, `held_out`) and stop: NAME or NAME@DEVICE"
    )
    given = parser.parse_args()
    cases = [(name, "LFE5U-85F") for name in NETWORKS] + [("OFC-A", "iCE40HX8K")]
    names = {"curve", "held_out", *NETWORKS, *(f"{name}@{device}" for name, device in cases)}
    wrong = sorted(set(given.only or ()) - names)
    if wrong:
        parser.error(f"--only must name networks of {sorted(names)}, not {wrong[0]}")
    wanted = [
        (name, device)
        for name, device in cases
        if not given.only or name in given.only or f"{name}@{device}" in given.only
    ]
    networks = []
    for name, device in wanted:
        folder = given.output / f"{name}_{device}"
        networks.append(finished(folder, measure, name, DEVICES[device], folder))
    points = (
        []
        if given.only and "curve" not in given.only
        else finished(given.output / "curve", curve, given.output / "curve")
    )
    others = []
    for name in HELD_OUT if not given.only or "held_out" in given.only else ():
        folder = given.output / f"{name}_held_out"
        others += finished(folder, held_out, name, folder)
    if given.only:
        return
    forms = [
        row for network in networks for row in (network["forms"]["layer_ends"], network["forms"]["retimed"])
    ] + points
    figures = {
        "seeds": list(SEEDS),
        "weights": "random, not trained",
        "networks": networks,
        "curve": points,
        "mean_gain": round(mean(network["gain"] for network in networks), 4),
        "mean_gain_at_equal_stages": round(mean(network["gain_at_equal_stages"] for network in networks), 4),
        "predicted_within_15_percent": within(forms),  # the model was fitted to these networks
        "held_out": others,
        "held_out_within_15_percent": within(others),
    }
    write_result("retiming", SEED, figures, required(figures), given=given)
    plot(points, RESULTS / "retiming")


if __name__ == "__main__":
    sys.exit(guarded(main))
