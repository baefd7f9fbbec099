"""Networks of dense layers for the engines that reuse multipliers."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from logicnn.network import Activations, Argmax, IntDense, Interval, Layer, Network, Requantize

__all__ = ["dense_network", "ref_outputs"]

UNSIGNED = Interval(0, 7)


def dense_network(
    sizes: Sequence[int],
    given: Interval = UNSIGNED,
    weight_bits: int = 3,
    density: float = 1.0,
    multipliers: bool = False,
    between: Interval = UNSIGNED,
    last: bool = False,
    decides: bool = False,
    seed: int = 5,
) -> Network:
    """Random layers of these sizes, the input's first; `multipliers` other than 1, and an activation after the `last`
    and the class it `decides` on demand.
    """
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    interval = given
    most = 1 << weight_bits - 1
    for number, (inputs, neurons) in enumerate(pairwise(sizes)):
        weights = rng.integers(-most, most, (neurons, inputs)) * (rng.random((neurons, inputs)) < density)
        spread = max(1, int(np.sqrt(inputs * density) * most * max(-interval.low, interval.high) / between.high / 2))
        multiplier = rng.integers(1, 100, neurons) if multipliers else np.ones(neurons, int)
        shift = np.array([int(each * spread).bit_length() for each in multiplier]) - rng.integers(0, 2, neurons)
        activation = Requantize(multiplier, np.maximum(shift, 0), between.low, between.high)
        final = number == len(sizes) - 2
        layers.append(IntDense(weights, rng.integers(-9, 10, neurons), None if final and not last else activation))
        interval = between
    return Network(Activations((sizes[0],), given), [*layers, Argmax()] if decides else layers, "dense")


def ref_outputs(network: Network, x: np.ndarray) -> np.ndarray:
    """By products and sums of whole numbers, as `logicnn.network.layers.integer` describes them."""
    for layer in network.layers:
        if isinstance(layer, Argmax):
            return x.argmax(1)
        x = x @ layer.weights.T.astype(np.int64) + layer.bias
        if layer.activation is not None:
            held = x * layer.activation.multiplier + layer.activation.rounding
            x = np.clip(held >> layer.activation.shift, layer.activation.low, layer.activation.high)
    return x
