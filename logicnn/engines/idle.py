"""Weights that have no effect: of neurons that always give the same, and of those that nothing reads.

Pruning leaves both. Engines whose hardware is made for groups of weights cannot take a neuron out of a layer, since all
that come after it would change their groups; but they need not store, multiply or write what nobody misses.
"""

from dataclasses import replace

import numpy as np

from logicnn.network import Activations, Flatten, IntConv2d, IntDense, MaxPool2d, Network

__all__ = ["without_idle"]


def without_idle(network: Network) -> Network:
    """The same function, the layers of the same shapes, with weights of 0 where they have no effect.

    What a constant neuron gives becomes part of its readers' biases. Exact; convolutions with padding, which read zeros
    at the border, and layers that wrap at a width keep all their weights.
    """
    layers = list(network.layers)
    constant: dict[int, int] = {}  # channels of what the next layer reads, and their values
    for index, given in enumerate(network.activations[:-1]):
        layer = layers[index]
        if isinstance(layer, Flatten):
            size = given.size // _channels(given)
            constant = {channel * size + place: each for channel, each in constant.items() for place in range(size)}
        elif isinstance(layer, IntDense | IntConv2d):
            layers[index] = layer = _absorbed(layer, constant)
            constant = _constants(layer, given)
        elif not isinstance(layer, MaxPool2d):
            constant = {}
    read: np.ndarray | None = None  # channels of what a layer gives; None: all
    for index in reversed(range(len(layers))):
        given, layer = network.activations[index], layers[index]
        if isinstance(layer, Flatten):
            read = None if read is None else np.asarray(read.reshape(_channels(given), -1).any(1))
        elif isinstance(layer, IntDense | IntConv2d):
            if read is not None:
                weights = layer.weights.copy()
                weights[~read] = 0
                layers[index] = layer = replace(layer, weights=weights)
            read = np.asarray(layer.weights.astype(bool).any((0, *range(2, layer.weights.ndim))))
        elif not isinstance(layer, MaxPool2d):
            read = None
    return replace(network, layers=tuple(layers))


def _channels(given: Activations) -> int:
    """Of a class, which has no shape, one."""
    return given.shape[0] if given.shape else 1


def _absorbed(layer: IntDense | IntConv2d, constant: dict[int, int]) -> IntDense | IntConv2d:
    if not constant or layer.width is not None or (isinstance(layer, IntConv2d) and layer.padding):
        return layer
    weights, bias = layer.weights.copy(), layer.bias.copy()
    for channel, value in constant.items():
        bias += value * weights[:, channel].reshape(len(weights), -1).astype(np.int64).sum(1)
        weights[:, channel] = 0
    return replace(layer, weights=weights, bias=bias)


def _constants(layer: IntDense | IntConv2d, given: Activations) -> dict[int, int]:
    """Neurons whose output is the same at both ends of the range of their sums."""
    if layer.activation is None or layer.width is not None:
        return {}
    found = {}
    held = layer.held_intervals(given)
    ends = np.array([[each.low, each.high] for each in held], np.int64)  # (neurons, ends)
    for neuron, (least, most) in enumerate(layer.activation.levels(ends).tolist()):
        if least == most:
            found[neuron] = least
    return found
