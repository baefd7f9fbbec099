"""Layers of learned tables with less in them, exactly: no constant tables, none twice, none that nothing reads."""

from collections.abc import Sequence

import numpy as np

from logicnn.network.layer import Layer
from logicnn.network.layers.tables import MOST_WEIGHT, GroupSum, LutLayer

__all__ = ["without_idle_tables"]


def without_idle_tables(layers: Sequence[Layer]) -> list[Layer]:
    """The same function: what is constant or there twice goes into its readers, and then what nothing reads goes."""
    made = list(layers)
    for index, layer in enumerate(made):
        if isinstance(layer, LutLayer):
            made[index] = layer = _apart(layer)
            match made[index + 1 : index + 2]:
                case [LutLayer() as reader]:
                    made[index + 1] = _informed(reader, layer)
                case [GroupSum() as sums]:
                    made[index : index + 2] = _counted(layer, sums)
    for index in reversed(range(len(made) - 1)):
        match made[index], made[index + 1]:
            case LutLayer() as layer, LutLayer() as reader:
                made[index : index + 2] = _without_unread(layer, reader)
    return made


def _slot(tables: np.ndarray, k: int, slot: int) -> np.ndarray:
    """A view of tables (out, 2 ** k) with the rows' bit of a slot as the middle axis: (out, above, 2, below)."""
    return tables.reshape(len(tables), 1 << (k - 1 - slot), 2, 1 << slot)


def _apart(layer: LutLayer) -> LutLayer:
    """Of two slots that read one bit only the first matters."""
    connections, tables = layer.connections, layer.tables.copy()
    k = connections.shape[1]
    rows = np.arange(1 << k)
    for second in range(1, k):
        for first in range(second):
            same = connections[:, first] == connections[:, second]
            agreeing = rows & ~(1 << second) | (rows >> first & 1) << second
            tables[same] = tables[same][:, agreeing]
    return LutLayer(connections, tables)


def _known(layer: LutLayer) -> tuple[np.ndarray, np.ndarray]:  # (out,) int64, (out,) int64
    """Of each table, -1 or the bit that it always gives; and the first table that gives the same as it."""
    constant = np.where(layer.tables.all(1), 1, np.where(layer.tables.any(1), -1, 0))
    depends = layer.depends
    first: dict[bytes, int] = {}
    same = np.arange(len(constant))
    for index in np.flatnonzero(constant < 0).tolist():
        slots = np.flatnonzero(depends[index])
        slots = slots[np.argsort(layer.connections[index, slots], kind="stable")]
        rows = (np.arange(1 << len(slots))[:, None] >> np.arange(len(slots)) & 1) @ (1 << slots)
        key = layer.connections[index, slots].tobytes() + b"|" + layer.tables[index, rows].tobytes()
        same[index] = first.setdefault(key, index)
    return constant, same


def _informed(reader: LutLayer, layer: LutLayer) -> LutLayer:
    """A reader of tables that knows which of them are constant or the same."""
    constant, same = _known(layer)
    connections, tables = same[reader.connections], reader.tables.copy()
    k = connections.shape[1]
    for slot in range(k):
        for bit in (0, 1):
            fixed = constant[connections[:, slot]] == bit
            halves = _slot(tables[fixed], k, slot)
            tables[fixed] = np.repeat(halves[:, :, [bit]], 2, axis=2).reshape(-1, 1 << k)
    return _apart(LutLayer(connections, tables))


def _without_unread(layer: LutLayer, reader: LutLayer) -> tuple[LutLayer, LutLayer]:
    """Without tables on which no table depends; a last one stays, for a layer must not be empty. Slots that do not
    matter read the first one that is left.
    """
    depends = reader.depends
    read = np.zeros(len(layer.tables), bool)
    read[reader.connections[depends]] = True
    read[0] |= not read.any()
    place = np.where(read, np.cumsum(read) - 1, 0)
    connections = np.where(depends, place[reader.connections], 0)
    return LutLayer(layer.connections[read], layer.tables[read]), _apart(LutLayer(connections, reader.tables))


def _counted(layer: LutLayer, sums: GroupSum) -> tuple[LutLayer, GroupSum]:
    """Constant bits as offsets, and those that are the same in a class as one of their weight together."""
    constant, same = _known(layer)
    weights, offsets = sums.weights.astype(np.int64), sums.offsets.astype(np.int64)
    for index, group in enumerate(sums.groups):
        first: dict[int, int] = {}
        for place in range(group.start, group.stop):
            there = first.setdefault(int(same[place]), place)
            if constant[place] >= 0:
                if (offset := offsets[index] + weights[place] * constant[place]) <= np.iinfo(np.int32).max:
                    offsets[index], weights[place] = offset, 0
            elif there != place and weights[there] + weights[place] <= MOST_WEIGHT:
                weights[there] += weights[place]
                weights[place] = 0
    counts = weights > 0
    if not counts.any():  # a layer must not be empty
        counts[0] = True
        weights[0] = 1
        offsets[np.flatnonzero(sums.sizes)[0]] -= constant[0]
    sizes = np.array([np.count_nonzero(counts[group]) for group in sums.groups])
    return LutLayer(layer.connections[counts], layer.tables[counts]), GroupSum(sizes, weights[counts], offsets)
