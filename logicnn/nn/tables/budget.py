"""How many tables a device has room for."""

from collections.abc import Sequence

import numpy as np

from logicnn.engines import Mapping
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Argmax, GroupSum, Interval, LutLayer, Network, Thermometer
from logicnn.resources import Device

__all__ = ["within"]


def within(
    cells: int, device: Device, inputs: int, classes: int, shares: Sequence[float] = (0.8, 0.2), k: int = 4
) -> tuple[int, ...]:
    """The most tables of each layer, in these shares, whose whole board takes `cells` logic cells by the estimate, with
    the link, the input bits that are stored, the sums and the class. Raises `LogicnnError` where there is no room for
    the least, a table a class.
    """

    def sizes(tables: int) -> tuple[int, ...]:
        return tuple(max(1, round(tables * share / sum(shares))) for share in shares)

    def needed(tables: int) -> int:
        return board_estimate(Mapping.unrolled(_drawn(inputs, classes, sizes(tables), k)), device).logic_cells

    least = round(np.ceil(classes * sum(shares) / shares[-1]))
    low, high = least, least + max(0, cells)
    if (few := needed(least)) > cells:
        raise LogicnnError(
            f"a budget of {cells} logic cells has no room for tables: {classes} classes of {inputs} stored bits take "
            f"{few} with the link"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle) <= cells else (low, middle)
    return sizes(low)


def _drawn(inputs: int, classes: int, sizes: Sequence[int], k: int) -> Network:
    """Any network of these sizes, which reads all its inputs."""
    rng, layers, width = np.random.default_rng(1), [], inputs
    for size in sizes:
        connections = np.resize(rng.permutation(width), (size, k))
        layers.append(LutLayer(connections, rng.integers(2, size=(size, 1 << k))))
        width = size
    groups = np.array([len(each) for each in np.array_split(np.arange(width), classes)])
    sums = GroupSum(groups, np.ones(width, np.int16), np.zeros(classes, np.int32))
    return Network(Activations((inputs,), Interval(0, 1)), [Thermometer(np.array([1])), *layers, sums, Argmax()])
