"""LogicNets against ours on the same jets, with the same budget of training: accuracy against logic cells.

The baseline is a short implementation of our own of LogicNets (Umuroglu et al., FPL 2020): a neuron reads few words of
few bits through a fixed random mask, is trained with batch norm and straight-through quantisation, and becomes a truth
table of its inputs. Networks of up to eight bits a neuron only: larger tables do not synthesise here in reasonable
time. Ours are networks of integers with words, weights and densities as small. Both read inputs quantised to as many
bits as the case says, and neither counts that quantiser or the argmax. Cells are those of the combinational network on
an iCE40, by one flow for both, checked on test jets. `jsc-pythia` are simulated jets: no accuracy here compares with
one on the real ones. Takes half an hour.
"""

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from amaranth import *
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.bench import checked, synthesise
from benchmarks.common import RESULTS, finished, parser_for, write_result
from benchmarks.plots import pyplot, save
from benchmarks.vectors import as_bits, widths_of
from logicnn.arithmetic.slices import Slices
from logicnn.arithmetic.weight_costs import selected
from logicnn.bits import from_words
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset
from logicnn.engines.embedded import datapath_of
from logicnn.gateware.embedded import PipelinedDatapath
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, Interval
from logicnn.network.widths import trimmed
from logicnn.nn import integer
from logicnn.resources import DEVICES

SEED = 1
DATASET = "jsc-pythia"
DEVICE = DEVICES["iCE40HX8K"]
EPOCHS = 60  # of the baseline; ours train as long in three parts
RATE = 3e-3
CHECKED = 8192


@dataclass(frozen=True)
class Tables:
    """A LogicNets network: neurons in each hidden layer, bits of every word, words that a neuron reads."""

    hidden: tuple[int, ...]
    bits: int
    fan_in: int


@dataclass(frozen=True)
class Words:
    """One of ours: bits of an input, a weight and an activation, and the share of weights that is kept."""

    hidden: tuple[int, ...]
    input_bits: int
    weight_bits: int
    activation_bits: int
    density: float
    weights: int | None = None  # how many selected constants (None: all of `weight_bits`)


TABLES = [
    Tables((64, 32, 32, 32), 2, 3),  # JSC-S of the paper
    Tables((32, 16), 2, 3),
    Tables((64, 32), 2, 4),
    Tables((64, 32, 32, 32), 2, 4),
    Tables((128, 64), 2, 4),
]
WORDS = [
    Words((8,), 3, 2, 2, 0.2),
    Words((8,), 4, 2, 3, 0.3),
    Words((12,), 4, 3, 3, 0.3, 7),
    Words((16,), 4, 3, 3, 0.3, 7),
    Words((16, 8), 4, 3, 3, 0.3, 7),
    Words((24, 12), 5, 4, 4, 0.25, 9),
    Words((32, 16), 5, 4, 4, 0.25, 9),
]


def coarse(x: np.ndarray, bits: int) -> np.ndarray:
    """Standardised features as signed words of so many bits, four standard deviations each way: the sender's
    quantiser.
    """
    half = 1 << (bits - 1)
    return np.clip(np.floor(x * (half / 2.5)), -half, half - 1).astype(np.int8)


class TableNeurons(nn.Module):
    """Neurons that read `fan_in` words each through a fixed random mask: words of `bits` bits in, and out where they
    activate.
    """

    def __init__(self, inputs: int, outputs: int, case: Tables, signed_input: bool, activates: bool):
        super().__init__()
        self.case, self.signed_input, self.activates = case, signed_input, activates
        self.reads = torch.stack([torch.randperm(inputs)[: case.fan_in] for _ in range(outputs)])
        self.weight = nn.Parameter(torch.randn(outputs, case.fan_in) / case.fan_in**0.5)
        self.norm = nn.BatchNorm1d(outputs)

    def quantised(self, value: Tensor) -> Tensor:
        """Words of the normalised sums: unsigned with a step of 2 / 2 ** bits... of a hidden layer, signed ones of
        scores.
        """
        if self.activates:
            most = (1 << self.case.bits) - 1
            scaled = value * most / 2
            low, high = 0, most
        else:
            scaled, low, high = value * 2, -8, 7
        clipped = scaled.clamp(low, high)
        return clipped + (torch.floor(scaled + 0.5).clamp(low, high) - clipped).detach()

    def forward(self, x: Tensor) -> Tensor:  # (n, inputs) words -> (n, outputs) words
        return self.quantised(self.norm((x[:, self.reads] * self.weight).sum(2)))

    @torch.no_grad()
    def tables(self) -> np.ndarray:  # (outputs, 2 ** (fan_in * bits)) words
        """What every neuron gives for all that it can read, the first word in the lowest bits."""
        bits, fan_in = self.case.bits, self.case.fan_in
        index = torch.arange(1 << bits * fan_in)
        words = torch.stack([index >> bits * place & ((1 << bits) - 1) for place in range(fan_in)], dim=1)
        if self.signed_input:
            words = torch.where(words >= 1 << (bits - 1), words - (1 << bits), words)
        each = words.float()[:, None, :] * self.weight
        return self.quantised(self.norm(each.sum(2))).numpy().astype(np.int64).T


class TableNet(Elaboratable):
    """The tables as logic: `i` words of the input, `o` signed words of four bits, a score each."""

    def __init__(self, layers: list[TableNeurons]):
        bits = layers[0].case.bits
        self._layers = [(layer.reads.numpy(), layer.tables(), bits if layer.activates else 4) for layer in layers]
        self._bits = bits
        self.i = Signal(bits * 16)
        self.o = Signal(4 * len(self._layers[-1][1]))

    def elaborate(self, platform):
        m = Module()
        value: Value = self.i
        for number, (reads, tables, width) in enumerate(self._layers):
            words = []
            for neuron, (read, table) in enumerate(zip(reads, tables, strict=True)):
                index = Cat(value.word_select(int(place), self._bits) for place in read)
                word = Signal(width, name=f"n{number}_{neuron}")
                for place in range(width):
                    ones = sum(int(entry >> place & 1) << position for position, entry in enumerate(table.tolist()))
                    m.d.comb += word[place].eq(C(ones, len(table)).bit_select(index, 1))
                words.append(word)
            value = Signal(width * len(words), name=f"layer{number}")
            m.d.comb += value.eq(Cat(words))
        m.d.comb += self.o.eq(value)
        return m


def table_network(case: Tables, data: Dataset, folder: Path) -> dict[str, Any]:
    """A LogicNets network trained, made into tables, synthesised and checked."""
    torch.manual_seed(SEED)
    assert data.train.real is not None and data.test.real is not None
    sizes = [16, *case.hidden, len(data.classes)]
    layers = [
        TableNeurons(a, b, case, index == 0, index < len(case.hidden)) for index, (a, b) in enumerate(pairwise(sizes))
    ]
    net = nn.Sequential(*layers)
    x = coarse(data.train.real, case.bits)

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(scores / 2, labels)

    integer.fit(net, x, data.train.y, loss, integer.Recipe(EPOCHS, RATE * 3, SEED), f"tables {case.hidden}")
    test = coarse(data.test.real, case.bits)
    netlist = synthesise(TableNet(layers), DEVICE, folder)
    with torch.no_grad():
        scores = net(torch.from_numpy(test[:CHECKED]).float()).numpy().astype(np.int64)
    vectors = checked(netlist, from_words(test[:CHECKED].astype(np.int64), case.bits), from_words(scores, 4))
    accuracy = float(np.mean(integer.decide(net, test) == data.test.y))
    return {"hidden": list(case.hidden), "bits": case.bits, "fan_in": case.fan_in} | _row(netlist, accuracy, vectors)


def _row(netlist: Netlist, accuracy: float, vectors: int) -> dict[str, Any]:
    return {
        "accuracy": round(accuracy, 5),
        "lut4": netlist.cells["SB_LUT4"],
        "cells": netlist.logic_cells,
        "vectors": vectors,
    }


def word_network(case: Words, data: Dataset, folder: Path) -> dict[str, Any]:
    """One of ours trained, embedded, synthesised and checked."""
    torch.manual_seed(SEED)
    assert data.train.real is not None and data.test.real is not None
    exponent = case.input_bits - 3  # four standard deviations in half a word... a unit of about one
    x, test = coarse(data.train.real, case.input_bits), coarse(data.test.real, case.input_bits)
    layers: list[nn.Module] = []
    for a, b in pairwise([16, *case.hidden]):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(case.hidden[-1], len(data.classes)))
    integer.fit(
        net,
        (x * 2.0**-exponent).astype(np.float32),
        data.train.y,
        integer.class_loss,
        integer.Recipe(EPOCHS // 4, RATE, SEED),
        f"words {case.hidden}",
    )
    half = 1 << (case.input_bits - 1)
    given = Activations((16,), Interval(-half, half - 1))
    words = integer.quantise(
        net,
        given,
        exponent,
        integer.Scheme(case.weight_bits, case.activation_bits, clipped=0.01),
        torch.from_numpy(x[:8192]),
    )
    density = [case.density] * len(case.hidden) + [1.0]
    integer.fit(
        words, x, data.train.y, integer.class_loss, integer.Recipe(EPOCHS // 2, RATE, SEED, density=density), "pruned"
    )
    if case.weights:
        integer.choose(words, selected(case.weights, case.weight_bits))
    integer.fit(
        words,
        x,
        data.train.y,
        integer.class_loss,
        integer.Recipe(EPOCHS // 4, RATE / 3, SEED, cost=integer.Cost(0.02)),
        "cheap weights",
    )
    network = trimmed(integer.export(words), x, 1e-4)
    datapath = datapath_of(network, 0)
    slices = Slices(datapath, 64)
    netlist = synthesise(PipelinedDatapath(slices, [0] * len(slices.vertices)), DEVICE, folder)
    some = test[:CHECKED].astype(np.int64)
    vectors = checked(
        netlist,
        as_bits(some, widths_of(datapath.inputs)),
        as_bits(datapath.evaluate(some), widths_of(datapath.outputs)),
    )
    accuracy = float(np.mean(network.evaluate(test) == data.test.y))
    names = ("input_bits", "weight_bits", "activation_bits", "density", "weights")
    return (
        {"hidden": list(case.hidden)} | {name: getattr(case, name) for name in names} | _row(netlist, accuracy, vectors)
    )


def plot(baseline: list[dict[str, Any]], ours: list[dict[str, Any]], path: Path) -> None:
    figure, axes = pyplot().subplots(figsize=(7, 4.5))
    for rows, label, marker in ((baseline, "LogicNets (our implementation)", "s"), (ours, "logicnn", "o")):
        axes.scatter(
            [row["cells"] for row in rows], [100 * row["accuracy"] for row in rows], label=label, marker=marker
        )
    axes.set(xscale="log", xlabel="iCE40 logic cells", ylabel="test accuracy, % (simulated jets, jsc-pythia)")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    save(figure, path)


def main() -> None:
    given = parser_for(__doc__, output="logicnets", data=True).parse_args()
    torch.set_num_threads(1)
    data = datasets.load(DATASET, given.data_dir)
    baseline, ours = [], []
    for index, case in enumerate(WORDS):
        folder = given.output / f"words{index}"
        ours.append(finished(folder, word_network, case, data, folder))
    for index, case in enumerate(TABLES):
        folder = given.output / f"tables{index}"
        baseline.append(finished(folder, table_network, case, data, folder))
    ahead = [
        any(each["accuracy"] >= row["accuracy"] and each["cells"] <= row["cells"] for each in ours) for row in baseline
    ]
    figures = {"dataset": DATASET, "logicnets": baseline, "ours": ours, "ahead": ahead, "ahead_at_all": all(ahead)}
    required = {
        "a network of ours is as accurate and no larger, wherever truth tables get to": all(ahead),
        "every netlist is compared on 1,000 jets": all(row["vectors"] > 1000 for row in [*baseline, *ours]),
    }
    write_result("logicnets", SEED, figures, required, given=given)
    plot(baseline, ours, RESULTS / "logicnets")


if __name__ == "__main__":
    sys.exit(guarded(main))
