"""Xu et al. 2023, Table I: its nine networks, trained on stand-ins for its data, as logic on an ECP5; and its Figs. 8,
9 and 10.

Reads the networks that `benchmarks.logic_design_train` wrote: 8 bits and pruned (forms `embedded`, `shared`), with
weights that are cheap by themselves as in the paper (`constants`), and with weights that are cheap in the shared graph
(`selected`, `retimed`). Every netlist is checked against its shared additions, these against the network's matrices,
and the network against additions without sharing; the last two on all test samples, the others on 16,384. Cells are
logic cells of the whole synthesised bench. `plain` (weights are inputs, as in the paper's baseline) is an estimate: one
synthesised neuron of eight inputs, scaled to the weights that the quantised network keeps, without its wider sums and
requantisers. Toggles are changes of cell outputs from one test sample to the next, without glitches; transistors are
Yosys' estimate for static CMOS. Takes three hours; finished forms are kept in the output folder.
"""

import json
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks.bench import checked, place, synthesise, toggles
from benchmarks.common import NETWORKS, RESULTS, finished, parser_for, write_result
from benchmarks.gates import transistors
from benchmarks.plots import pyplot, save
from benchmarks.vectors import as_bits, widths_of
from logicnn.arithmetic.retiming import Pipeline
from logicnn.arithmetic.sharing import optimise, without_sharing
from logicnn.arithmetic.slices import Datapath, Slices
from logicnn.commands.command import guarded
from logicnn.data import datasets, fibre
from logicnn.engines.embedded import Optimiser, computes, datapath_of, layer_ends, pipelined
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.gateware.adders import words
from logicnn.gateware.embedded import PipelinedDatapath
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, IntDense, Integers, Interval, Network, load, shipped
from logicnn.resources import DEVICES

SEED = 1
DEVICE = DEVICES["LFE5U-85F"]
FASTER = 2.0  # the clock that retiming is asked for, over that with registers at layer ends
CHECKED = 16_384  # test samples of netlists that are only compared by size; the proposed ones take all
ACTIVE = 4096  # test samples whose toggles are counted
BLOCK = 65_536  # samples evaluated at once
INPUTS = 8  # of the neuron whose weights are inputs
DRAWS = 16  # of kept weights for it, over which toggles are averaged
SWEPT = dict.fromkeys(("ofc-a", "jsc-a", "nid-a"), (10, 40, 160))
# Table I: float, pruned and proposed (accuracy, of OFC bit error rate), MHz before and after retiming, mW before and
# after, weights
PUBLISHED = {
    "ofc-a": (4.34e-4, 5.43e-4, 5.87e-4, 338, 568, 543, 88, 70),
    "ofc-b": (3.26e-4, 3.91e-4, 4.13e-4, 322, 510, 622, 102, 80),
    "ofc-c": (2.39e-4, 2.61e-4, 3.26e-4, 306, 463, 986, 122, 80),
    "jsc-a": (0.7394, 0.7369, 0.7365, 364, 564, 763, 181, 80),
    "jsc-b": (0.7442, 0.7420, 0.7411, 336, 442, 1270, 299, 100),
    "jsc-c": (0.7477, 0.7450, 0.7444, 305, 422, 1783, 432, 110),
    "nid-a": (0.9089, 0.9063, 0.9034, 458, 538, 349, 120, 100),
    "nid-b": (0.9192, 0.9185, 0.9169, 360, 495, 412, 139, 100),
    "nid-c": (0.9207, 0.9189, 0.9176, 352, 481, 496, 164, 120),
}
TEST_SAMPLES = {"jsc-pythia": 46_889, "nid-82332": 16_067, "ofc-sim": 524_288}
COLUMNS = (
    "float",
    "quantised",
    "proposed",
    "fmax_layer_ends",
    "fmax_retimed",
    "power_baseline_mw",
    "power_proposed_mw",
    "selected_weights",
)


class PlainNeuron(wiring.Component):
    """``sum(w * x)`` with the weights as inputs: what it takes when they are not embedded."""

    def __init__(self, given: Interval):
        self._values, self._weights = [given] * INPUTS, [Interval(-128, 127)] * INPUTS
        high = 128 * max(abs(given.low), given.high) * INPUTS
        self._sum = Interval(-high, high)
        super().__init__({"i": In(words("x", self._values + self._weights)), "o": Out(words("y", [self._sum]))})

    def elaborate(self, platform):
        m = Module()
        products = [Value.cast(self.i[f"x{index}"]) for index in range(2 * INPUTS)]
        shaped = [
            value.as_signed() if interval.low < 0 else value
            for value, interval in zip(products, self._values + self._weights, strict=True)
        ]
        m.d.comb += Value.cast(self.o.y0).eq(
            sum((x * w for x, w in zip(shaped[:INPUTS], shaped[INPUTS:], strict=True)), C(0, 1))
        )
        return m

    def evaluate(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:  # (n, INPUTS), (INPUTS,) -> (n, bits) bool
        return as_bits((x @ weights)[:, None], widths_of([self._sum]))

    def given(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:  # -> (n, bits) bool
        return as_bits(
            np.concatenate([x, np.broadcast_to(weights, x.shape)], axis=1), widths_of(self._values + self._weights)
        )


def layer_inputs(network: Network, x: np.ndarray) -> list[tuple[IntDense, Activations, np.ndarray]]:
    """Every dense layer with what it reads for samples x."""
    value, found = network.encoded_words(x), []
    for layer, given in zip(network.layers, network.activations, strict=False):
        if isinstance(layer, IntDense):
            found.append((layer, given, value))
            value = layer.evaluate(given, Integers(value)).integers
    return found


def plain(network: Network, x: np.ndarray, folder: Path) -> dict[str, int]:
    """Estimates with weights as inputs: cells, toggles a sample and transistors, from one neuron for every kind of
    input.
    """
    totals = {"cells": 0.0, "toggles": 0.0, "transistors": 0.0}
    rng = np.random.default_rng(SEED)
    for index, (layer, given, value) in enumerate(layer_inputs(network, x[:ACTIVE])):
        neuron = PlainNeuron(given.interval)
        netlist = synthesise(neuron, DEVICE, folder / f"plain{index}", "-nodsp")
        kept = np.argwhere(layer.weights)
        toggled = 0.0
        for _ in range(DRAWS):
            rows, columns = kept[rng.choice(len(kept), INPUTS)].T
            weights, seen = layer.weights[rows, columns].astype(np.int64), value[:, columns]
            given_bits = neuron.given(seen, weights)
            checked(netlist, given_bits, neuron.evaluate(seen, weights))
            toggled += toggles(netlist, given_bits) / DRAWS
        gates = transistors({"neuron": PlainNeuron(given.interval)}, folder / f"plain{index}" / "gates")["neuron"]
        each = np.count_nonzero(layer.weights) / INPUTS
        totals["cells"] += each * netlist.logic_cells
        totals["toggles"] += each * toggled
        totals["transistors"] += each * gates
    return {name: round(value) for name, value in totals.items()}


def compared(netlist: Netlist, datapath: Datapath, samples: np.ndarray) -> int:
    """The netlist against the datapath, block by block; returns how many vectors, raises `CheckFailed` at the first
    difference.
    """
    total = 0
    for start in range(0, len(samples), BLOCK):
        part = samples[start : start + BLOCK]
        expected = as_bits(datapath.evaluate(part), widths_of(datapath.outputs))
        total += checked(netlist, as_bits(part, widths_of(datapath.inputs)), expected)
    return total


def form(made: tuple[Slices, Pipeline], samples: np.ndarray, folder: Path, places: bool = False) -> dict[str, Any]:
    """A pipeline synthesised and checked, and placed where asked: its cells, toggles a sample, transistors of its
    logic.
    """
    slices, pipeline = made
    datapath = slices.datapath
    netlist = synthesise(PipelinedDatapath(slices, pipeline.stages), DEVICE, folder)
    vectors = compared(netlist, datapath, samples)
    active = as_bits(samples[:ACTIVE], widths_of(datapath.inputs))
    logic = PipelinedDatapath(slices, [0] * len(slices.vertices))
    row = {
        "cells": netlist.logic_cells,
        "toggles": round(toggles(netlist, active)),
        "transistors": transistors({"logic": logic}, folder / "gates")["logic"],
        "register_bits": pipeline.register_bits,
        "pipeline_stages": pipeline.latency,
        "predicted_mhz": round(1000 / pipeline.period_ns, 2),
        "vectors": vectors,
    }
    if places:
        row["fmax_mhz"] = round(place(DEVICE, folder, SEED, 1000 / pipeline.period_ns).clock()[0], 2)
    return row


def same_network(network: Network, samples: np.ndarray) -> None:
    """The additions of a network, nothing shared, against the network itself."""
    datapath, body = datapath_of(network, 0, without_sharing), Network(network.input, network.layers[:-1])
    for start in range(0, len(samples), BLOCK):
        part = samples[start : start + BLOCK]
        if not np.array_equal(datapath.evaluate(network.encoded_words(part)), body.evaluate(part)):
            raise CheckFailed(f"the data path of {network.name} differs from its network")


def measure(name: str, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A network in every form. The data path ends in scores; the decision on them is not part of it, nor of the paper's
    figures.

    Finished forms stay in the folder, by the digest of their network.
    """
    quantised, constants = (load(NETWORKS / f"{name}-{stage}.lnn") for stage in ("quantised", "constants"))
    proposed = load(name if name in shipped() else NETWORKS / f"{name}.lnn")
    data = datasets.load(proposed.dataset, data_dir)
    x = proposed.encoded_words(data.test.x)
    for network, count in ((quantised, CHECKED), (constants, CHECKED), (proposed, len(x))):
        same_network(network, data.test.x[:count])

    @cache
    def ends(network: Network, optimiser: Optimiser) -> tuple[Slices, Pipeline]:
        datapath = datapath_of(network, 0, optimiser)
        if not computes(datapath, network, 0):
            raise CheckFailed(f"the additions of {network.name} are not its matrices")
        return layer_ends(datapath, DEVICE)

    def retimed() -> tuple[Slices, Pipeline]:
        slices, pipeline = ends(proposed, optimise)
        return pipelined(slices.datapath, DEVICE, period_ns=pipeline.period_ns / FASTER)

    def kept(part: str, network: Network, made: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        of = folder / f"{part}-{network.digest()[:12]}"
        return finished(of, made, of)

    some = x[:CHECKED]
    base = kept("plain", quantised, lambda of: plain(quantised, data.test.x, of))
    rows = {
        "embedded": kept("embedded", quantised, lambda of: form(ends(quantised, without_sharing), some, of)),
        "shared": kept("shared", quantised, lambda of: form(ends(quantised, optimise), some, of)),
        "constants": kept("constants", constants, lambda of: form(ends(constants, optimise), some, of)),
        "selected": kept("selected", proposed, lambda of: form(ends(proposed, optimise), x, of, places=True)),
        "retimed": kept("retimed", proposed, lambda of: form(retimed(), x, of, places=True)),
    }
    values = np.concatenate([layer.weights.ravel() for layer in proposed.layers if isinstance(layer, IntDense)])
    distinct = len(np.unique(values))  # those of the shared graph are not bound to the selected ones
    figures: dict[str, Any] = {
        "name": name,
        "dataset": proposed.dataset,
        "device": DEVICE.name,
        "distinct_weights": distinct,
    }
    figures |= {f"cells_{key}": row["cells"] for key, row in (("plain", base), *rows.items())}
    figures |= {f"toggles_{key}": row["toggles"] for key, row in (("plain", base), *rows.items())}
    figures |= {f"transistors_{key}": row["transistors"] for key, row in (("plain", base), *rows.items())}
    figures |= {"fmax_layer_ends": rows["selected"]["fmax_mhz"], "fmax_retimed": rows["retimed"]["fmax_mhz"]}
    return figures | {"vectors": rows["retimed"]["vectors"], "forms": rows}


def swept(name: str, count: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """Fig. 10: error and cells with so many selected weights."""
    network = load(NETWORKS / f"{name}-{count}.lnn")
    data = datasets.load(network.dataset, data_dir)

    same_network(network, data.test.x[:CHECKED])

    def measured(of: Path) -> dict[str, Any]:
        made = layer_ends(datapath_of(network, 0), DEVICE)
        netlist = synthesise(PipelinedDatapath(made[0], made[1].stages), DEVICE, of)
        vectors = compared(netlist, made[0].datapath, network.encoded_words(data.test.x[:CHECKED]))
        return {"cells": netlist.logic_cells, "vectors": vectors}

    of = folder / f"{name}-{count}-{network.digest()[:12]}"
    decided = network.evaluate(data.test.x)
    error = (
        fibre.bit_errors(decided, data.test.y)
        if network.dataset == "ofc-sim"
        else float(np.mean(decided != data.test.y))
    )
    return {"name": name, "selected_weights": count, "error": error} | finished(of, measured, of)


def plots(networks: list[dict[str, Any]], sweep: list[dict[str, Any]]) -> None:
    """Figs. 8, 9 and 10 of the paper from our measurements."""
    plt = pyplot()
    names, at = [row["name"] for row in networks], np.arange(len(networks))

    figure, axes = plt.subplots(figsize=(8, 4.5))
    axes.bar(at - 0.2, [row["fmax_layer_ends"] for row in networks], 0.4, label="registers at layer ends")
    axes.bar(at + 0.2, [row["fmax_retimed"] for row in networks], 0.4, label="retimed")
    axes.set(ylabel="placed clock, MHz (ECP5 speed 6)", xticks=at, xticklabels=names)
    lines = axes.twinx()
    lines.plot(
        at,
        [row["forms"]["retimed"]["register_bits"] for row in networks],
        color="black",
        marker="o",
        label="register bits",
    )
    lines.set(ylabel="register bits of the retimed form")
    axes.legend(loc="upper left")
    save(figure, RESULTS / "logic_design_fig8")

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.5))
    forms = ("plain", "embedded", "shared", "constants", "selected")
    for panel, (key, label) in zip(panels, (("toggles", "toggles a sample"), ("cells", "logic cells")), strict=True):
        for index, each in enumerate(forms):
            what = "plain (estimate)" if each == "plain" else each
            panel.bar(at + 0.16 * (index - 2), [row[f"{key}_{each}"] for row in networks], 0.16, label=what)
        panel.set(yscale="log", ylabel=label, xticks=at)
        panel.set_xticklabels(names, rotation=60)
    panels[1].legend(loc="upper right")
    save(figure, RESULTS / "logic_design_fig9")

    figure, panels = plt.subplots(1, len(SWEPT), figsize=(12, 4))
    for panel, name in zip(panels, SWEPT, strict=True):
        rows = [row for row in sweep if row["name"] == name]
        counts = [row["selected_weights"] for row in rows]
        panel.plot(counts, [row["error"] for row in rows], marker="o", color="tab:blue")
        panel.set(
            title=name, xlabel="selected weights", ylabel="bit error rate" if name.startswith("ofc") else "test error"
        )
        panel.yaxis.label.set_color("tab:blue")
        cells = panel.twinx()
        cells.plot(counts, [row["cells"] for row in rows], marker="s", color="tab:red")
        cells.set_ylabel("logic cells", color="tab:red")
    save(figure, RESULTS / "logic_design_fig10")


def summary(networks: list[dict[str, Any]]) -> dict[str, float]:
    """Means of what the nine networks save, fractions."""
    return {
        "saved_by_constants": round(mean(1 - row["cells_constants"] / row["cells_shared"] for row in networks), 4),
        "saved_by_selection": round(mean(1 - row["cells_selected"] / row["cells_shared"] for row in networks), 4),
        "least_saved_by_selection": round(min(1 - row["cells_selected"] / row["cells_shared"] for row in networks), 4),
        "saved_by_embedding_and_sharing": round(
            mean(1 - row["cells_shared"] / row["cells_plain"] for row in networks), 4
        ),
        "toggles_saved": round(mean(1 - row["toggles_selected"] / row["toggles_plain"] for row in networks), 4),
        "toggles_saved_by_selection": round(
            mean(1 - row["toggles_selected"] / row["toggles_embedded"] for row in networks), 4
        ),
        "mean_fmax_gain": round(mean(row["fmax_retimed"] / row["fmax_layer_ends"] - 1 for row in networks), 4),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """What embedding, sharing and the choice of weights have to save in each network, and the clock that retiming has
    to gain in the mean.
    """
    networks = figures["networks"]
    order = [f"cells_{form}" for form in ("embedded", "shared", "constants", "selected")]
    return {
        "every selected form is compared on all test samples": all(
            row["vectors"] == TEST_SAMPLES[row["dataset"]] for row in networks
        ),
        "at least a quarter fewer cells by selected weights": all(
            row["cells_selected"] <= 0.75 * row["cells_shared"] for row in networks
        ),
        "at least 60 % fewer cells by embedding and sharing": all(
            row["cells_shared"] <= 0.4 * row["cells_plain"] for row in networks
        ),
        "every step saves cells": all(row[a] > row[b] for row in networks for a, b in pairwise(order)),
        "at least 44 % more clock by retiming": figures["mean_fmax_gain"] >= 0.44,
    }


def main() -> None:
    parser = parser_for(__doc__, output="logic_design", data=True)
    parser.add_argument("--only", nargs="+", help="measure these networks (or `sweep`) and stop")
    given = parser.parse_args()
    wrong = sorted(set(given.only or ()) - {"sweep", *PUBLISHED})
    if wrong:
        parser.error(f"--only must name networks of {sorted(PUBLISHED)} or sweep, not {wrong[0]}")
    trained_path = RESULTS / "logic_design_train.json"
    if not given.only and not trained_path.is_file():
        raise LogicnnError(f"no {trained_path.name}: run python -m benchmarks.logic_design_train first")
    networks = []
    for name in PUBLISHED:
        if not given.only or name in given.only:
            networks.append(measure(name, given.output / name, given.data_dir))
    sweep = []
    for name, counts in SWEPT.items():
        for count in counts if not given.only or "sweep" in given.only else ():
            sweep.append(swept(name, count, given.output, given.data_dir))
    if given.only:
        return
    trained = {row["name"]: row for row in json.loads(trained_path.read_text())["networks"]}
    for row in networks:
        of = trained[row["name"]]
        rate = row["dataset"] == "ofc-sim"
        row["measure"] = "bit error rate" if rate else "accuracy"
        for stage in ("float", "quantised", "constants", "proposed"):
            row[stage] = of[f"{stage}_error"] if rate else round(1 - of[f"{stage}_error"], 6)
        row["untrimmed"] = of["untrimmed_error"] if rate else round(1 - of["untrimmed_error"], 6)
        row |= {"selected_weights": of["selected_weights"], "density": of["density_proposed"]}
        row["published"] = dict(zip(COLUMNS, PUBLISHED[row["name"]], strict=True))
    datasets_used = (
        "stand-ins: simulated jets (jsc-pythia), one file of UNSW-NB15 with our encoding and split "
        "(nid-82332), a simulated link (ofc-sim)"
    )
    figures = {"datasets": datasets_used, "networks": networks, "sweep": sweep} | summary(networks)
    write_result("logic_design", SEED, figures, required(figures), given=given)
    plots(networks, sweep)


if __name__ == "__main__":
    sys.exit(guarded(main))
