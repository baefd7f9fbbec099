"""Constant matrices for a delay: fewer cells where there is time, fewer additions behind each other where there is
none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from logicnn.arithmetic.adders import AdderGraph, AdderGraphError
from logicnn.arithmetic.retiming import period_ns
from logicnn.arithmetic.sharing import least_depth, optimise
from logicnn.arithmetic.slices import Datapath, Slices
from logicnn.network import Interval
from logicnn.resources import Device

__all__ = ["Point", "estimated_ns", "front", "within"]

SLICE_BITS = 2  # of a carry chain, whose bits may be there at different times


class Point(NamedTuple):
    """A graph, and its estimated delay in nanoseconds."""

    graph: AdderGraph
    delay_ns: float


def estimated_ns(graph: AdderGraph, device: Device) -> float:
    """The delay of a graph as logic on a device, routes included, between registers beside it: an estimate."""
    circuit = Slices(Datapath(((graph, None),)), SLICE_BITS).circuit(device)
    return period_ns(circuit, [0] * len(circuit.delays)) - circuit.latch_ns


def front(
    matrix: np.ndarray, inputs: Sequence[Interval], device: Device, *, tries: int | None = None, seed: int = 0
) -> tuple[Point, ...]:
    """Graphs of which none takes fewer carry bits than another that is as fast, the fastest first.

    `matrix` (outputs, inputs), `inputs`, `tries`, `seed` and errors are those of `optimise`, which is asked for every
    depth from the least to that which it has without a bound.
    """
    free = optimise(matrix, inputs, tries=tries, seed=seed)
    depths = range(least_depth(free.matrix), free.depth)
    graphs = [free, *(optimise(matrix, inputs, depth=depth, tries=tries, seed=seed) for depth in depths)]
    points: list[Point] = []
    for point in sorted((Point(graph, estimated_ns(graph, device)) for graph in graphs), key=_bits_then_delay):
        if not points or point.delay_ns < points[-1].delay_ns:
            points.append(point)
    return tuple(points[::-1])


def _bits_then_delay(point: Point) -> tuple[int, float]:
    return point.graph.bits, point.delay_ns


def within(
    matrix: np.ndarray,
    inputs: Sequence[Interval],
    device: Device,
    delay_ns: float,
    *,
    tries: int | None = None,
    seed: int = 0,
) -> AdderGraph:
    """The graph with the fewest carry bits of the `front` whose estimated delay is at most `delay_ns`.

    Raises `AdderGraphError` for a delay below that of the fastest, and as `front`.
    """
    points = front(matrix, inputs, device, tries=tries, seed=seed)
    for point in points[::-1]:
        if point.delay_ns <= delay_ns:
            return point.graph
    raise AdderGraphError(f"delay_ns must be at least {points[0].delay_ns:.2f} on {device.name}, not {delay_ns}")
