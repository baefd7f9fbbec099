"""Learned tables as logic (`logicnn.nn.tables`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import Labelled, OwnData
from logicnn.engines import Mapping
from logicnn.engines.room import STORED
from logicnn.network import Network, Preparation, Quantiles
from logicnn.nn import tables
from logicnn.nn.choices import Choice, Chosen, Number, Option
from logicnn.nn.loop import batch_of
from logicnn.nn.search import Way
from logicnn.nn.tables import Variety, drawn, table_net, within
from logicnn.resources import Device

__all__ = ["WAY", "Lookups", "Tables"]

LEVELS = 7  # of a column of numbers
RARE = 0.05  # of pictures: darker or brighter ones say nothing of the others
GREYS = (64, 128, 192)  # of 256 from black to white, where bits of a pixel begin; of large pictures the middle one
FEW = 400  # bits that may be read; of fewer inputs every level is
ROUTED, ROUTED_DEEP = 0.9, 0.77  # of a device's logic cells: for more tables of two layers iCE40 has no routes
CELLS_A_BIT = 8  # of a design, at least: each bit that is read is stored, too
WIDEST = 10_000  # logic cells of a design: larger ones take long to train, and say nothing new
LEAST_RATE, MOST_RATE = 0.01, 0.1  # of learning: it falls with the root of the steps
CHOICE_RATE = 2.0  # of connections, times that of tables
MOVED, TURNED, STRETCHED = 0.05, 8.0, 0.08  # of pictures: by such a fraction of their height, so many degrees, so much
VARIETY, RATE = 0.7, 2.0  # times that, and times the rate of learning, where they are searched for: of train.mnist_luts
LEAST_SHARE = 0.2  # of a device's logic cells, where a budget is searched for
PARTS = 2, 4  # of that, with which a search begins, too
SHARES = {1: (1.0,), 2: (0.8, 0.2)}  # of the tables, by the number of layers


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
    rate: float = 1.0  # of learning, times what suits so many steps


class Tables(Way[Lookups]):
    """Learned tables within a device's logic cells, built by an engine that is named as `engines.choose.kinds` does; of
    those cells a share `routed` has routes.
    """

    def __init__(self, engine: str, built: Callable[[Network], Mapping], routed: float):
        self._engine, self._built, self._routed = engine, built, routed

    @property
    def engine(self) -> str:
        return self._engine

    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        return own.picture or Quantiles.of(train.x, own.columns, LEVELS)

    def candidates(self, data: Dataset, device: Device) -> Sequence[Lookups]:
        every = _levels(data)
        levels = _few_levels(data)
        room = min(int(self._routed * device.capacity.logic_cells), WIDEST)
        inputs = min(FEW, _size(data) * len(levels), room // CELLS_A_BIT)
        first = Lookups((1.0,), levels, inputs, _varied(data, 1.0), room, device)
        deep = min(int(min(self._routed, ROUTED_DEEP) * device.capacity.logic_cells), WIDEST)
        return [
            first,
            replace(first, cells=room - 2 * (room - STORED.logic_cells - inputs) // 3),
            replace(first, shares=SHARES[2], cells=deep),
            *([replace(first, variety=Variety())] if _pictures(data) else []),
            *([replace(first, thresholds=every)] if levels != every else []),
        ]

    def choices(self, data: Dataset, device: Device) -> dict[str, Choice]:
        first = self.candidates(data, device)[0]
        most = first.cells
        least = min(most, max(int(LEAST_SHARE * device.capacity.logic_cells), 2 * STORED.logic_cells))
        every = len(_levels(data))
        bits = max(first.inputs, min(_size(data) * every, most // CELLS_A_BIT))
        return {
            "logic_cells": Number(least, most, most, log=True, also=tuple(max(least, most // part) for part in PARTS)),
            "layers": Option(tuple(SHARES), 1),
            "levels": Option(tuple(sorted({len(first.thresholds), every, max(1, every // 2)})), len(first.thresholds)),
            "inputs": Number(min(first.inputs, max(1, bits // CELLS_A_BIT)), bits, first.inputs, log=True),
            "learning_rate": Number(0.5, 4.0, RATE, log=True),
            **({"variety": Number(0.0, 2.0, VARIETY)} if _pictures(data) else {}),
        }

    def candidate(self, chosen: Chosen, data: Dataset, device: Device) -> Lookups:
        every, count = _levels(data), int(chosen["levels"])
        levels = tuple(every[(2 * place + 1) * len(every) // (2 * count)] for place in range(count))
        cells = int(chosen["logic_cells"])
        inputs = min(int(chosen["inputs"]), _size(data) * count, max(1, cells // CELLS_A_BIT))
        varied = _varied(data, chosen.get("variety", 0.0))
        return Lookups(SHARES[int(chosen["layers"])], levels, inputs, varied, cells, device, chosen["learning_rate"])

    def sketch(self, candidate: Lookups, data: Dataset) -> Network:
        return drawn(candidate.inputs, len(data.classes), self._sizes(candidate, data))

    def _sizes(self, candidate: Lookups, data: Dataset) -> tuple[int, ...]:
        classes, shares = len(data.classes), candidate.shares
        return within(candidate.cells, candidate.device, candidate.inputs, classes, shares, built=self._built)

    def trained(self, candidate: Lookups, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        sizes = self._sizes(candidate, data)
        part = replace(data, train=train)
        net = table_net(part, candidate.thresholds, sizes, seed=seed, inputs=candidate.inputs)
        batch = batch_of(len(train.x), 256)
        rate = min(MOST_RATE, max(LEAST_RATE, (epochs * max(1, len(train.x) // batch)) ** -0.5))
        recipe = tables.Recipe(epochs, rate * candidate.rate, seed, batch, candidate.variety, choice_rate=CHOICE_RATE)
        tables.fit(net, train, recipe, f"{'-'.join(map(str, sizes))} tables, {candidate.cells} logic cells")
        return replace(tables.export(net, data.name, "", data.classes), preparation=data.preparation)

    def mapping(self, network: Network, device: Device) -> Mapping:
        return self._built(network)

    def smaller(self, candidate: Lookups, cells: int) -> Lookups | None:
        return replace(candidate, cells=candidate.cells - cells) if candidate.cells > cells else None


def _pictures(data: Dataset) -> bool:
    return data.train.x.ndim == 4


def _size(data: Dataset) -> int:
    return int(np.prod(data.train.x.shape[1:]))


def _levels(data: Dataset) -> tuple[int, ...]:
    """From where on bits are 1, all that there are: of pictures between the darkest and the brightest pixel, as the
    middle one of them has these, since many use a part of what a pixel can be.
    """
    if not _pictures(data):
        return tuple(range(1, LEVELS + 1))
    pixels = data.train.x.reshape(len(data.train.x), -1)
    low, high = int(np.median(pixels.min(axis=1))), int(np.median(pixels.max(axis=1)))
    if low == high:  # the middle one is of one colour: between those of nearly all
        low, high = int(np.quantile(pixels.min(axis=1), RARE)), int(np.quantile(pixels.max(axis=1), 1 - RARE))
    levels = {max(low + 1, low + each * (high - low + 1) // 256) for each in GREYS}
    return tuple(sorted({min(each, data.highest) for each in levels}))


def _few_levels(data: Dataset) -> tuple[int, ...]:
    """Those of them that a search begins with."""
    every = _levels(data)
    return every[len(every) // 2 :][:1] if _pictures(data) and _size(data) > FEW else every


def _varied(data: Dataset, times: float) -> Variety:
    if not _pictures(data):
        return Variety()
    return Variety(times * MOVED * data.train.x.shape[2], times * TURNED, times * STRETCHED)


WAY = Tables("logic", Mapping.unrolled, ROUTED)
