"""Binarized networks for the engine that evaluates kernels as differences."""

from collections.abc import Sequence

import numpy as np

from logicnn.network import (
    BIT,
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Layer,
    MaxPool2d,
    Network,
    Offset,
    Threshold,
)

__all__ = ["binary_network"]


def binary_network(
    given: tuple[int, ...],
    convs: Sequence[tuple[int, int, int, bool]],
    dense: Sequence[int],
    density: float = 1.0,
    seed: int = 1,
    copies: bool = False,
) -> Network:
    """Random convolutions, of each its kernels, their side, the padding and whether it is pooled, then dense layers of
    so many neurons and the class. With `copies` some kernels are others once more, or their opposites.
    """
    rng = np.random.default_rng(seed)
    activations = Activations(given, BIT)
    layers: list[Layer] = []

    def weights(shape: tuple[int, ...]) -> np.ndarray:
        found = (rng.choice([-1, 1], shape) * (rng.random(shape) < density)).astype(np.int8)
        if copies:
            found[1::4], found[3::4] = found[::4][: len(found[1::4])], -found[::4][: len(found[3::4])]
        return found

    def level(found: np.ndarray, pooled: bool = False) -> np.ndarray:
        """About half of the bits are 1, of pooled ones, too."""
        fan_in = np.count_nonzero(found.reshape(len(found), -1), axis=1)
        return ((fan_in + pooled * np.sqrt(fan_in)) / 2).astype(int) + rng.integers(0, 2, len(found))

    for kernels, side, padding, pooled in convs:
        made = weights((kernels, activations.shape[0], side, side))
        layers.append(BinaryConv2d(made, Threshold(level(made, pooled)), padding=padding))
        activations = layers[-1].infer(activations)
        if pooled:
            layers.append(MaxPool2d(2))
            activations = layers[-1].infer(activations)
    if convs:
        layers.append(Flatten())
    size = activations.size
    for number, neurons in enumerate(dense, 1):
        made = weights((neurons, size))
        last = number == len(dense)
        layers.append(BinaryDense(made, Offset(rng.integers(-3, 4, neurons)) if last else Threshold(level(made))))
        size = neurons
    return Network(Activations(given, BIT), [*layers, Argmax()], "binary")
