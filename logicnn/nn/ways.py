"""The kinds of networks that `logicnn.nn.search` knows: binarized ones as logic, and words of eight bits on few
multipliers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import Labelled, OwnData
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.engines.room import STORED, board_estimate
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Network, Preparation, Quantiles, Standardised
from logicnn.nn import integer
from logicnn.nn.binary import (
    BinaryNet,
    FanIn,
    Recipe,
    Room,
    Total,
    class_dependence,
    dense_net,
    export,
    fit,
)
from logicnn.nn.search import FULL, Way
from logicnn.resources import Device

__all__ = ["WAYS", "Binary", "Logic", "Words", "Wordy"]

LEVELS = 7  # of a column of numbers
GREYS = (64, 128, 192)  # from where on the bits of a pixel are 1; of large pictures the middle one
FEW = 400  # inputs whose every level is read
CELLS_A_NEURON = 3  # six synapses
FAN_IN = 6
WIDEST, NEURONS_A_BIT = 2000, 8  # hidden layers before pruning: wider ones take long to train, and say nothing new
SMALLEST = 100  # LUT4 of a network's core
INPUT_FLOOR = 0.04  # of what the best pixel's bit says of the class: what says less is not stored
DRIFT = 0.01  # of a device's cells, by which a network grows after the last synapse has been pruned


@dataclass(frozen=True)
class Binary:
    """A binarized network: hidden neurons before pruning, from where on bits are 1, the LUT4 that pruning starts from,
    and the logic cells that its design may take on a device in the end.
    """

    hidden: tuple[int, ...]
    learning_rate: float
    thresholds: tuple[int, ...]
    budget: int
    cells: int
    device: Device


class Logic(Way[Binary]):
    """Pruned binarized networks as combinational logic (`logicnn.engines.unrolled`), within a device's LUT4."""

    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        return own.picture or Quantiles.of(train.x, own.columns, LEVELS)

    def candidates(self, data: Dataset, device: Device) -> Sequence[Binary]:
        size = int(np.prod(data.train.x.shape[1:]))
        picture = len(data.train.x.shape) == 4
        every = GREYS if picture else tuple(range(1, LEVELS + 1))
        levels = every if size <= FEW or not picture else GREYS[1:2]
        link = STORED.logic_cells + min(size * len(levels), FEW)
        budget = max(SMALLEST, int((FULL - DRIFT) * device.capacity.logic_cells) - link)
        wide = max(20, min(budget * 2 // 3 // CELLS_A_NEURON, WIDEST, NEURONS_A_BIT * size * len(levels)))
        narrow = max(20, wide // 5), max(10, wide // 10)
        found = [
            Binary(hidden, rate, levels, core, core + link, device)
            for hidden, rate, core in (
                ((wide, wide // 2), 0.01, budget),
                ((wide // 2, wide // 4), 0.02, budget),
                (narrow, 0.02, budget // 3),
                (narrow, 0.02, budget),
            )
        ]
        return [*found, replace(found[1], thresholds=every)] if levels != every else found

    def trained(self, candidate: Binary, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        def exported(net: BinaryNet) -> Network:
            return replace(export(net, data.name, "", data.classes), preparation=data.preparation)

        def cells(net: BinaryNet) -> int:
            return board_estimate(self.mapping(exported(net), device), device).logic_cells

        device = candidate.device
        # Of few inputs the room would be filled by wider neurons, whose shared sums the estimate does not know
        most = FAN_IN if math.prod(train.x.shape[1:]) * len(candidate.thresholds) <= FEW else None
        net = dense_net(data, candidate.thresholds, candidate.hidden, seed)
        recipe = Recipe(
            epochs,
            candidate.learning_rate,
            seed,
            batch=_batch(len(train.x)),
            budget=candidate.budget,
            rules=[*(FanIn(FAN_IN, most) for _ in candidate.hidden), Total(power=0.4)],
            input_floor=_floor(net, train),
            room=Room(candidate.cells, cells),
        )
        fit(net, train, recipe, f"{'-'.join(map(str, candidate.hidden))}, {candidate.cells} logic cells")
        return exported(net)

    def mapping(self, network: Network, device: Device) -> Mapping:
        return Mapping.unrolled(network)

    def smaller(self, candidate: Binary, cells: int) -> Binary | None:
        left = candidate.budget - cells
        return replace(candidate, budget=left, cells=candidate.cells - cells) if left > 0 else None


@dataclass(frozen=True)
class Wordy:
    """A network of words of eight bits: its hidden neurons."""

    hidden: tuple[int, ...]
    learning_rate: float


class Words(Way[Wordy]):
    """Dense layers of eight bits on as many multipliers as the device has (`logicnn.engines.reused`)."""

    STEP, EXPONENT = 32, 5  # integers of a deviation of a column, 2 ** EXPONENT
    FLOAT = 0.6  # of the epochs

    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        return own.picture or Standardised.of(train.x, own.columns, self.STEP, -128, 127)

    def candidates(self, data: Dataset, device: Device) -> Sequence[Wordy]:
        if not device.multipliers:
            raise LogicnnError(f"--engine reuse needs multipliers, which the {device.name} has none of")
        return [Wordy(hidden, rate) for hidden in ((64, 32), (32, 16), (128, 64), (96,)) for rate in (3e-3,)]

    def trained(self, candidate: Wordy, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        torch.manual_seed(seed)
        shape = train.x.shape[1:]
        sizes = [int(np.prod(shape)), *candidate.hidden]
        layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Linear(sizes[-1], len(data.classes)))
        exponent = self.EXPONENT if data.lowest < 0 else 8
        floats = max(1, round(epochs * self.FLOAT))
        recipe = integer.Recipe(floats, candidate.learning_rate, seed, batch=_batch(len(train.x)))
        real = train.x.astype(np.float32) * 2.0**-exponent
        title = "-".join(map(str, candidate.hidden))
        integer.fit(net, real, train.y, integer.class_loss, recipe, f"{title}, float")
        given = Activations(shape, Interval(data.lowest, data.highest))
        scheme = integer.Scheme(activation_bits=7 if data.lowest < 0 else 8)
        made = integer.quantise(net, given, exponent, scheme, torch.from_numpy(train.x[:8192]))
        recipe = replace(recipe, epochs=max(1, epochs - floats), learning_rate=candidate.learning_rate / 3)
        integer.fit(made, train.x, train.y, integer.class_loss, recipe, f"{title}, 8 bits")
        return replace(integer.export(made, data.name, "", data.classes), preparation=data.preparation)

    def mapping(self, network: Network, device: Device) -> Mapping:
        return Mapping([Reused.of(network, 0, len(network.layers), device)])

    def smaller(self, candidate: Wordy, cells: int) -> Wordy | None:
        return None


def _floor(net: BinaryNet, train: Split) -> float:
    """Bits that an input must say of the class; of columns all are read."""
    if train.x.ndim < 4:
        return 0.0
    said = class_dependence(net.encode(torch.tensor(train.x)).flatten(1).numpy() > 0, train.y)
    return INPUT_FLOOR * float(said.max())


def _batch(samples: int) -> int:
    """Twenty steps an epoch at least, of 500 samples at most."""
    return max(8, min(500, samples // 20))


WAYS: dict[str, Way] = {"logic": Logic(), "reuse": Words()}
