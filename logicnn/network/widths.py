"""How wide sums need to be: widths of accumulators from what a data set makes of them (Xu et al. 2023, section III-A2,
Fig. 4).
"""

from dataclasses import replace

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network.layer import Neurons
from logicnn.network.layers.integer import IntegerLayer
from logicnn.network.network import Network
from logicnn.network.values import Batch, Integers

__all__ = ["trimmed"]


def trimmed(network: Network, x: np.ndarray, outliers: float = 0.0) -> Network:
    """The network with every neuron's held value as wide as samples `x` (n, *input.shape) need, and wrapping beyond.

    A neuron's width is the least that holds all but a share `outliers` of its values on `x` (the rule for outliers: the
    values farthest from zero are left out first). Widths that the exact range does not exceed change nothing. Raises
    `LogicnnError` for a share outside 0 ... 1, for no samples, and for networks without integer layers at the start.
    """
    if not 0 <= outliers < 1:
        raise LogicnnError(f"outliers must lie in 0 ... 1 (excluded), not {outliers}")
    if not len(x):
        raise LogicnnError("x must hold at least one sample, not none")
    layers = list(network.layers)
    values: Batch = Integers(network.encoded_words(x))
    for index, layer in enumerate(layers):
        given = network.activations[index]
        if layer.encodes or layer.decides or (given.is_bits and isinstance(layer, Neurons)):
            break
        if isinstance(layer, IntegerLayer):
            held = layer.held(given, values.integers).transpose(1, 0, 2).reshape(len(layer.weights), -1)
            layers[index] = replace(layer, width=_widths(held, outliers))
        values = layer.evaluate(given, values)
    if layers == list(network.layers):
        raise LogicnnError(f"network must begin with integer layers, not {type(network.layers[0]).__name__}")
    return replace(network, layers=tuple(layers))


def _widths(held: np.ndarray, outliers: float) -> np.ndarray:  # (neurons, values) -> (neurons,)
    """Two's complement bits for all but the share of values farthest from zero."""
    magnitude = np.where(held < 0, ~held, held)
    kept = np.sort(magnitude, axis=1)[:, : max(1, held.shape[1] - int(outliers * held.shape[1]))]
    return np.array([1 + int(each).bit_length() for each in kept[:, -1]])
