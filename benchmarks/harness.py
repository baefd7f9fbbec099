"""One layer by itself between registers, placed on a UP5K: what a circuit costs without a board design around it."""

from pathlib import Path

import numpy as np
from amaranth import *
from amaranth.back import rtlil

from logicnn import gateware
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import yosys_script
from logicnn.flow.timing import Placed
from logicnn.gateware.wires import KEEP
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, BinaryDense, Interval, Network, Threshold
from logicnn.verify.logic import LogicCheck, Probe
from logicnn.verify.vectors import Vectors, random_vectors

__all__ = ["place_layer"]


class _Registered(Elaboratable):
    """Inputs shifted in from one pin, a layer, its outputs registered: no LUT4 but the layer's."""

    def __init__(self, layer: BinaryDense):
        self.layer = layer
        self.i = Signal()
        self.o = Signal(len(layer.weights))

    def elaborate(self, platform):
        m = Module()
        m.submodules.layer = layer = gateware.BinaryDense(self.layer)
        held = Signal(len(layer.i), reset_less=True, attrs=KEEP)
        taken = Signal(len(layer.o), reset_less=True, attrs=KEEP)
        m.d.sync += [held.eq(Cat(held[1:], self.i)), taken.eq(layer.o)]
        m.d.comb += [layer.i.eq(held), self.o.eq(taken)]
        return m


def place_layer(inputs: int, neurons: int, seed: int, folder: Path) -> dict:
    """A dense layer of random -1 and +1 weights, thresholds in the middle: LUT4 a synapse and delay on a UP5K, netlist
    verified.

    The neurons read the same inputs, so that they share sum bits, which a sign only inverts.
    """
    weights = np.random.default_rng(seed).choice([-1, 1], (neurons, inputs))
    layer = BinaryDense(weights, Threshold(np.full(neurons, inputs // 2 + 1)))
    network = Network(Activations((inputs,), Interval(0, 1)), [layer], "layer")
    folder.mkdir(parents=True, exist_ok=True)
    design = _Registered(layer)
    (folder / "top.il").write_text(rtlil.convert(design, ports=[design.i, design.o], emit_src=False))
    (folder / "top.ys").write_text(
        f"read_rtlil top.il\n{yosys_script(Mapping.unrolled(network))}\nsynth_ice40 -top top\nwrite_json top.json\n"
    )
    tools.run(["yosys", "-q", "top.ys"], folder, "synthesis.log")
    tools.run(
        [
            "nextpnr-ice40",
            "--quiet",
            "--up5k",
            "--package",
            "sg48",
            "--json",
            "top.json",
            "--asc",
            "top.asc",
            "--report",
            "timing.json",
            "--detailed-timing-report",
            "--timing-allow-fail",
            "--seed",
            str(seed),
        ],
        folder,
        "place_route.log",
    )
    netlist, placed = Netlist(folder / "top.json"), Placed.read(folder / "timing.json")
    checked = LogicCheck(network, Probe("held", "taken")).verified(
        netlist, Vectors(random_vectors(network, 4096), np.zeros(0, int), "random")
    )
    lut4 = netlist.cells["SB_LUT4"]
    return {
        "device": "iCE40UP5K",
        "inputs": inputs,
        "neurons": neurons,
        "lut4": lut4,
        "lut4_per_synapse": lut4 / weights.size,
        "delay_ns": round(placed.delay_into(netlist.places_of_registers("taken")), 2),
        "vectors": checked.vectors,
        "mismatches": checked.mismatches,
    }
