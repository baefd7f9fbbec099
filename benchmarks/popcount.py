"""Popcounts with thresholds, single neurons and layers that share them: ``python -m benchmarks.popcount``.

Random -1 and +1 weights (seed 1), thresholds in the middle, between registers on an iCE40 HX8K; delays of neurons are
medians over three seeds, those of layers of one. Every netlist is checked on 640 random vectors. Takes about half an
hour; finished rows are kept in the output folder.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring

from benchmarks.bench import checked, delay_ns, own_luts, synthesise
from benchmarks.common import finished, parser_for, write_result
from benchmarks.vectors import random_words
from logicnn import gateware
from logicnn.arithmetic.popcounts import share_popcounts
from logicnn.commands.command import guarded
from logicnn.network import BIT, Activations, BinaryDense, Network, Threshold
from logicnn.resources import DEVICES, Device

SEED = 1
SEEDS = (1, 2, 3)
NEURONS = (8, 16, 32, 64, 128, 256, 512, 784)
LAYERS = tuple((32, inputs, density) for inputs in (64, 128, 256) for density in (1.0, 0.75, 0.5, 0.25))
DEVICE = DEVICES["iCE40HX8K"]
FULL = 0.9  # of the device, beyond which a form is not placed


def random_layer(neurons: int, inputs: int, density: float) -> BinaryDense:
    """Weights of -1 and +1, each kept with the probability `density`, thresholds in the middle."""
    rng = np.random.default_rng(SEED)
    weights = rng.choice([-1, 1], (neurons, inputs)) * (rng.random((neurons, inputs)) < density)
    return BinaryDense(weights, Threshold(np.count_nonzero(weights, axis=1) // 2 + 1))


def place_form(
    layer: BinaryDense, component: wiring.Component, device: Device, folder: Path, seeds: tuple[int, ...]
) -> dict[str, Any]:
    """LUT4, logic cells and placed delay (None: too large) of a form of a layer, its netlist checked against the
    network.
    """
    inputs = layer.weights.shape[1]
    netlist = synthesise(component, device, folder)
    x = random_words([BIT] * inputs, SEED)
    expected = Network(Activations((inputs,), BIT), [layer], "layer").evaluate(x).astype(bool)
    vectors = checked(netlist, x.astype(bool), expected)
    bench = own_luts(len(layer.weights))
    lut4 = netlist.cells["SB_LUT4"] - bench
    cells = netlist.logic_cells - bench
    delay = None
    if netlist.logic_cells + 2 * inputs < FULL * device.capacity.logic_cells:
        delay = round(delay_ns(netlist, device, folder, seeds, 1000 / 15), 2)
    synapses = int(np.count_nonzero(layer.weights))
    return {
        "lut4": lut4,
        "logic_cells": cells,
        "lut4_per_synapse": round(lut4 / synapses, 4),
        "logic_cells_per_synapse": round(cells / synapses, 4),
        "delay_ns": delay,
        "vectors": vectors,
    }


def measure(neurons: int, inputs: int, density: float, folder: Path) -> dict[str, Any]:
    """A layer with popcounts shared and with every neuron by itself."""
    layer = random_layer(neurons, inputs, density)
    shared = share_popcounts(list(layer.neurons(Activations((inputs,), BIT))), inputs, seed=SEED)
    seeds = SEEDS if neurons == 1 else SEEDS[:1]
    return {
        "device": DEVICE.name,
        "neurons": neurons,
        "inputs": inputs,
        "density": density,
        "synapses": int(np.count_nonzero(layer.weights)),
        "estimated_lut4": shared.lut4,
        "estimated_logic_cells": shared.logic_cells,
        "shared": place_form(layer, gateware.SharedThresholds(shared), DEVICE, folder / "shared", seeds),
        "separate": place_form(layer, gateware.BinaryDense(layer), DEVICE, folder / "separate", seeds),
    }


def kept(output: Path, neurons: int, inputs: int, density: float) -> dict[str, Any]:
    folder = output / f"{neurons}_{inputs}_{density}"
    return finished(folder, measure, neurons, inputs, density, folder)


def _near(measured: int, estimated: int) -> bool:
    return abs(measured - estimated) <= max(2, 0.08 * estimated)


def required(figures: dict[str, Any]) -> dict[str, bool]:
    rows = [*figures["neurons"], *figures["layers"]]
    return {
        "at most 0.8 LUT4 a synapse of a dense layer": figures["dense_layer_lut4_per_synapse"] <= 0.8,
        "at most 1.2 LUT4 a synapse of a layer that keeps half": figures["half_layer_lut4_per_synapse"] <= 1.2,
        "estimates within 8 %": all(
            _near(row["shared"][kind], row[f"estimated_{kind}"]) for row in rows for kind in ("lut4", "logic_cells")
        ),
        "every layer is smaller shared than separate": all(
            row["shared"]["logic_cells"] < row["separate"]["logic_cells"] for row in figures["layers"]
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="popcount").parse_args()
    single = [kept(given.output, 1, inputs, 1.0) for inputs in NEURONS]
    layers = [kept(given.output, *layer) for layer in LAYERS]

    def of(density: float) -> float:
        return next(
            row["shared"]["lut4_per_synapse"] for row in layers if row["inputs"] == 128 and row["density"] == density
        )

    figures = {
        "seeds": list(SEEDS),
        "neurons": single,
        "layers": layers,
        "neuron_lut4_per_synapse": max(
            min(row[form]["lut4_per_synapse"] for form in ("shared", "separate")) for row in single
        ),
        "dense_layer_lut4_per_synapse": of(1.0),
        "half_layer_lut4_per_synapse": of(0.5),
    }
    write_result("popcount", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
