"""Rows of tables that no sample reads, taken to be whatever lets a table read fewer bits: a change of the network, to
be judged by samples of which none was looked at.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import LutLayer, Network, simplify

__all__ = ["without_unseen"]


def without_unseen(network: Network, x: np.ndarray, least: int = 1) -> Network:
    """The network whose tables read as few bits as they can while they give the same in every row that `least` of the
    samples x (n, ...) read or more, layer by layer; without tables that nothing needs then. With `least` 1 every one of
    these samples keeps its class.
    """
    if least < 1:
        raise LogicnnError(f"least must be 1 sample at least, not {least}")
    if x.shape[1:] != network.input.shape or not len(x):
        raise LogicnnError(f"x must be samples of shape {network.input.shape}, not an array of shape {x.shape}")
    layers = list(network.layers)
    for index, layer in enumerate(layers):
        if isinstance(layer, LutLayer):
            given = Network(network.input, layers[:index]).evaluate(x) if index else x
            bits = given.reshape(len(x), -1).astype(np.uint8)
            layers[index] = _narrowed(layer, bits, least)
    return simplify(replace(network, layers=layers))


def _narrowed(layer: LutLayer, bits: np.ndarray, least: int) -> LutLayer:  # (n, in) 0 or 1
    count, k = layer.connections.shape
    made = np.empty_like(layer.tables)
    for table in range(count):
        rows = bits[:, layer.connections[table]].astype(np.int64) @ (1 << np.arange(k))
        made[table] = _narrowest(layer.tables[table], np.bincount(rows, minlength=1 << k) >= least, k)
    return LutLayer(layer.connections, made)


def _narrowest(table: np.ndarray, seen: np.ndarray, k: int) -> np.ndarray:  # (2 ** k,) each
    """A table of as few bits as give its value in all `seen` rows."""
    rows = np.arange(1 << k)
    for size in range(k + 1):
        for kept in combinations(range(k), size):
            key = rows & sum(1 << place for place in kept)
            ones = np.bincount(key, (table == 1) & seen, 1 << k) > 0
            zeros = np.bincount(key, (table == 0) & seen, 1 << k) > 0
            if not (ones & zeros).any():
                return np.where(ones[key] | zeros[key], ones[key], table[key]).astype(table.dtype)
    raise AssertionError  # a table of all its bits gives its value
