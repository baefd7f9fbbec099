"""The kinds of networks that `logicnn.nn.search` knows: learned tables as logic, and words of eight bits on few
multipliers.
"""

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
from logicnn.engines.room import STORED
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Network, Preparation, Quantiles, Standardised
from logicnn.nn import integer, tables
from logicnn.nn.search import Way
from logicnn.nn.tables import Variety, table_net, within
from logicnn.resources import Device

__all__ = ["WAYS", "Lookups", "Tables", "Words", "Wordy"]

LEVELS = 7  # of a column of numbers
GREYS = (64, 128, 192)  # from where on the bits of a pixel are 1; of large pictures the middle one
FEW = 400  # bits that may be read; of fewer inputs every level is
ROUTED, ROUTED_DEEP = 0.9, 0.77  # of a device's logic cells: for more tables of two layers iCE40 has no routes
CELLS_A_BIT = 8  # of a design, at least: each bit that is read is stored, too
WIDEST = 10_000  # logic cells of a design: larger ones take long to train, and say nothing new
LEAST_RATE, MOST_RATE = 0.01, 0.1  # of learning: it falls with the root of the steps
CHOICE_RATE = 2.0  # of connections, times that of tables
VARIETY = 0.05, 8.0, 0.08  # of pictures: moved by such a fraction of their height, turned by so many degrees, stretched


@dataclass(frozen=True)
class Lookups:
    """A network of learned tables: the shares of its layers, from where on bits are 1, how many of those bits it may
    read, what else pictures may look like, and the logic cells that its design may take on a device.
    """

    shares: tuple[float, ...]
    thresholds: tuple[int, ...]
    inputs: int
    variety: Variety
    cells: int
    device: Device


class Tables(Way[Lookups]):
    """Learned tables as combinational logic, within a device's logic cells."""

    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        return own.picture or Quantiles.of(train.x, own.columns, LEVELS)

    def candidates(self, data: Dataset, device: Device) -> Sequence[Lookups]:
        size = int(np.prod(data.train.x.shape[1:]))
        picture = data.train.x.ndim == 4
        every = GREYS if picture else tuple(range(1, LEVELS + 1))
        levels = every if size <= FEW or not picture else GREYS[1:2]
        moved, turned, stretched = VARIETY
        varied = Variety(moved * data.train.x.shape[2], turned, stretched) if picture else Variety()
        room = min(int(ROUTED * device.capacity.logic_cells), WIDEST)
        inputs = min(FEW, size * len(levels), room // CELLS_A_BIT)
        first = Lookups((1.0,), levels, inputs, varied, room, device)
        deep = min(int(ROUTED_DEEP * device.capacity.logic_cells), WIDEST)
        return [
            first,
            replace(first, cells=room - 2 * (room - STORED.logic_cells - inputs) // 3),
            replace(first, shares=(0.8, 0.2), cells=deep),
            *([replace(first, variety=Variety())] if picture else []),
            *([replace(first, thresholds=every)] if levels != every else []),
        ]

    def trained(self, candidate: Lookups, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        sizes = within(candidate.cells, candidate.device, candidate.inputs, len(data.classes), candidate.shares)
        part = replace(data, train=train)
        net = table_net(part, candidate.thresholds, sizes, seed=seed, inputs=candidate.inputs)
        batch = _batch(len(train.x), 256)
        rate = min(MOST_RATE, max(LEAST_RATE, (epochs * max(1, len(train.x) // batch)) ** -0.5))
        recipe = tables.Recipe(epochs, rate, seed, batch, candidate.variety, choice_rate=CHOICE_RATE)
        tables.fit(net, train, recipe, f"{'-'.join(map(str, sizes))} tables, {candidate.cells} logic cells")
        return replace(tables.export(net, data.name, "", data.classes), preparation=data.preparation)

    def mapping(self, network: Network, device: Device) -> Mapping:
        return Mapping.unrolled(network)

    def smaller(self, candidate: Lookups, cells: int) -> Lookups | None:
        return replace(candidate, cells=candidate.cells - cells) if candidate.cells > cells else None


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
        recipe = integer.Recipe(floats, candidate.learning_rate, seed, batch=_batch(len(train.x), 500))
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


def _batch(samples: int, most: int) -> int:
    """Twenty steps an epoch at least."""
    return max(8, min(most, samples // 20))


WAYS: dict[str, Way] = {"logic": Tables(), "reuse": Words()}
