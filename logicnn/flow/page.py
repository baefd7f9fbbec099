"""A build as one page to look at, `report.html`: no script, nothing from the network, light and dark."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image

from logicnn.engines import Mapping as EngineRow
from logicnn.flow.floorplan import Cell, Floorplan, Parts
from logicnn.flow.report import Report
from logicnn.flow.templates import rendered
from logicnn.network import Interval, Network
from logicnn.verify.layers import layer_names
from logicnn.verify.vectors import Vectors

__all__ = ["Decisions", "Hop", "Mistake", "hops_of", "page", "picture_of"]

MOST_CLASSES = 20  # whose matrix can still be read
MISTAKES = 24  # that are shown
MOST = 12  # parts of whose switching the shares are shown
VALUES = 12  # of a sample that is no picture
COLOURS = (  # of parts: Okabe and Ito's, for every kind of colour vision, and two more
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#b8a800",
    "#8c6bb1",
    "#7f7f7f",
)
TILE = 4, 2  # slots beside and above each other


@dataclass(frozen=True)
class Mistake:
    """A sample that was decided wrong: its place among the labelled ones, a picture of it as a data address where it is
    one, else its first values.
    """

    sample: int
    label: str
    decided: str
    picture: str | None
    values: tuple[int, ...]


@dataclass(frozen=True)
class Hop:
    """A stretch of the slowest path in one part of the design: cells, and the nanoseconds in them and on the way."""

    part: str
    cells: int
    logic_ns: float
    routing_ns: float


def hops_of(steps: Sequence[dict[str, Any]], parts: Parts) -> tuple[Hop, ...]:
    """A path of nextpnr's report by the parts that it goes through; routing counts to the part that it leads to."""
    found = []
    for part, group in groupby(steps, key=lambda step: parts.of_cell(step["to"]["cell"])):
        through = list(group)
        routing = sum(step["delay"] for step in through if step["type"] == "routing")
        logic = sum(step["delay"] for step in through if step["type"] != "routing")
        found.append(Hop(part, len({step["to"]["cell"] for step in through}), logic, routing))
    return tuple(found)


@dataclass(frozen=True)
class Decisions:
    """What becomes of the labelled samples: how often each class (row) is taken for which (column), the first mistakes,
    and the mean latency in cycles, None where it is always the same.
    """

    labels: tuple[str, ...]
    counts: np.ndarray  # (classes, classes)
    mistakes: tuple[Mistake, ...]
    mean_cycles: float | None

    @classmethod
    def of(cls, mapping: EngineRow, vectors: Vectors | None) -> "Decisions | None":
        """By the network, which the netlist equals; None where no class is decided, or samples have none of its
        classes.
        """
        network = mapping.network
        if vectors is None or not len(vectors.labels) or not network.decides:
            return None
        labels = tuple(network.labels) or tuple(map(str, range(network.output.interval.high + 1)))
        if vectors.labels.min() < 0 or vectors.labels.max() >= len(labels):
            return None
        x = vectors.x[: len(vectors.labels)]
        decided = network.evaluate(x)
        counts = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(counts, (vectors.labels, decided), 1)
        mistakes = tuple(
            Mistake(
                int(each),
                labels[vectors.labels[each]],
                labels[decided[each]],
                picture_of(x[each], network.input.interval),
                tuple(x[each].ravel()[:VALUES].tolist()),
            )
            for each in np.flatnonzero(decided != vectors.labels)[:MISTAKES]
        )
        varies = mapping.latency.least != mapping.latency.most
        mean = float(mapping.cycles(network.encoded_words(x)).mean()) if varies else None
        return cls(labels, counts, mistakes, mean)

    @property
    def right(self) -> int:
        return int(np.trace(self.counts))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def is_readable(self) -> bool:
        """Whether the matrix is small enough to be looked at."""
        return len(self.labels) <= MOST_CLASSES


def picture_of(sample: np.ndarray, values: Interval) -> str | None:  # (channels, height, width)
    """A sample as a PNG in a data address, the lowest of its values black; None for one that is no picture of one or
    three channels.
    """
    if sample.ndim != 3 or sample.shape[0] not in (1, 3) or min(sample.shape[1:]) < 4:
        return None
    scale = 255 / max(1, values.high - values.low)
    pixels = np.rint((sample.astype(float).transpose(1, 2, 0) - values.low) * scale).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@dataclass(frozen=True)
class _Part:
    """A part in the floorplan: its colour, and an SVG path of its slots, a unit square each."""

    name: str
    colour: str
    cells: int
    path: str


def _parts(plan: Floorplan) -> list[_Part]:
    names = list(plan.counts)
    colours = dict(zip(names, COLOURS, strict=False))
    by_part = groupby(sorted(plan.cells, key=lambda cell: cell.part), key=lambda cell: cell.part)
    drawn = {name: "".join(map(_square, cells)) for name, cells in ((name, list(group)) for name, group in by_part)}
    names += [name for name in drawn if name not in plan.counts]  # blocks alone
    return [_Part(name, colours.get(name, COLOURS[-1]), plan.counts.get(name, 0), drawn[name]) for name in names]


def _square(cell: Cell) -> str:
    wide, high = TILE
    x, y = cell.x * wide, cell.y * high
    if cell.slot is None:
        return f"M{x} {y}h{wide}v{high}h-{wide}z"
    return f"M{x + cell.slot % wide} {y + cell.slot // wide}h.9v.9h-.9z"


def page(
    report: Report,
    plan: Floorplan,
    hops: Sequence[Hop],
    decisions: Decisions | None,
    changes: Mapping[str, float],
    network: Network,
    command: str,
) -> str:
    """The page of a build: its slowest path in `hops`, `changes` of nets by layer or part, and the command that repeats
    it, where it is known.
    """
    used, room, estimate = report.resources, report.capacity, report.estimate
    rows: list[tuple[str, int, int, int]] = [
        (name, getattr(used, key), getattr(estimate, key), getattr(room, key))
        for name, key in (("logic cells", "logic_cells"), ("block RAM", "bram"), ("DSP", "dsp"), ("SPRAM", "spram"))
        if getattr(room, key)
    ]
    return rendered(
        "page.html",
        report=report,
        rows=rows,
        parts=_parts(plan),
        width=plan.width * TILE[0],
        height=plan.height * TILE[1],
        hops=hops,
        decisions=decisions,
        layers=_layers(network),
        activity=_shares(changes),
        facts=report.rows(),
        command=command,
    )


def _layers(network: Network) -> list[tuple[str, str]]:
    """Every layer and what it gives."""
    names = layer_names(network)
    given = [("input", network.input)]
    given += [
        (names.get(index, type(layer).__name__), gives)
        for index, (layer, gives) in enumerate(zip(network.layers, network.activations[1:], strict=True))
    ]
    return [
        (name, f"{'x'.join(map(str, gives.shape)) or 'a value'}, {gives.interval.low} ... {gives.interval.high}")
        for name, gives in given
    ]


def _shares(changes: Mapping[str, float]) -> list[tuple[str, float]]:
    """The greatest ones, as shares of all."""
    total = sum(changes.values())
    return [(name, count / total) for name, count in sorted(changes.items(), key=lambda each: -each[1])[:MOST] if count]
