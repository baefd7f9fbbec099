"""How many tables a device has room for."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from logicnn.engines import Mapping
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Argmax, GroupSum, Interval, LutLayer, Network, Thermometer
from logicnn.resources import Device

__all__ = ["drawn", "within"]

WORDS = 4  # bits a class, from which on sums are compared as words of three bits and more


def within(
    cells: int,
    device: Device,
    inputs: int,
    classes: int,
    shares: Sequence[float] = (0.8, 0.2),
    k: int = 4,
    built: Callable[[Network], Mapping] = Mapping.unrolled,
) -> tuple[int, ...]:
    """The most tables of each layer, in these shares, whose whole board takes `cells` logic cells by the estimate, with
    the link, the input bits that are stored, the sums and the class, by the engines of which networks are `built`.
    Raises `LogicnnError` where there is no room for the least, a table a class.
    """

    def sizes(tables: int) -> tuple[int, ...]:
        return tuple(max(1, round(tables * share / sum(shares))) for share in shares)

    def needed(tables: int) -> int:
        return board_estimate(built(drawn(inputs, classes, sizes(tables), k)), device).logic_cells

    if not shares or not all(share > 0 and np.isfinite(share) for share in shares):
        raise LogicnnError(f"shares must be above 0, one a layer, not {tuple(shares)}")
    # With fewer bits a class the class of the greatest sum is found in another way, which many classes make larger
    starts = [math.ceil(each * classes * sum(shares) / shares[-1]) for each in (1, WORDS)]
    fitting = [start for start in starts if needed(start) <= cells]
    if not fitting:
        least = min(map(needed, starts))
        raise LogicnnError(
            f"a budget of {cells} logic cells has no room for tables: {classes} classes of {inputs} stored bits take "
            f"{least} with the link"
        )
    low, high = fitting[-1], fitting[-1] + cells
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle) <= cells else (low, middle)
    return sizes(low)


def drawn(inputs: int, classes: int, sizes: Sequence[int], k: int = 4) -> Network:
    """Any network of these sizes, which reads all its inputs."""
    rng, layers, width = np.random.default_rng(1), [], inputs
    for size in sizes:
        connections = np.resize(rng.permutation(width), (size, k))
        parity = np.array([row.bit_count() & 1 for row in range(1 << k)])  # which depends on all inputs
        layers.append(LutLayer(connections, np.tile(parity, (size, 1))))
        width = size
    groups = np.array([len(each) for each in np.array_split(np.arange(width), classes)])
    sums = GroupSum(groups, np.ones(width, np.int16), np.zeros(classes, np.int32))
    return Network(Activations((inputs,), Interval(0, 1)), [Thermometer(np.array([1])), *layers, sums, Argmax()])
