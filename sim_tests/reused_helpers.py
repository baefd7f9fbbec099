"""Networks of integer layers for the engines that reuse multipliers."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from logicnn.network import (
    Activations,
    Affine,
    Argmax,
    Even,
    Flatten,
    FloatScaled,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    MaxPool2d,
    Network,
    Requantize,
)

__all__ = ["conv_network", "dense_network", "near_ties"]

UNSIGNED = Interval(0, 7)


def dense_network(
    sizes: Sequence[int],
    given: Interval = UNSIGNED,
    weight_bits: int = 3,
    density: float = 1.0,
    multipliers: bool = False,
    offsets: bool = False,
    even: bool = False,
    between: Interval = UNSIGNED,
    last: bool = False,
    decides: bool = False,
    seed: int = 5,
) -> Network:
    """Random layers of these sizes, the input's first; `multipliers` other than 1 and `offsets` behind them, ties
    rounded to `even` levels by the first layer, and an activation after the `last` and the class it `decides`.
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
        if even and not number:
            activation = Even(multiplier, np.minimum(np.maximum(shift, 0), 4), between.low, between.high)
        if offsets:
            activation = Affine(*vars(activation).values(), rng.integers(-3000, 3000, neurons))
        final = number == len(sizes) - 2
        layers.append(IntDense(weights, rng.integers(-9, 10, neurons), None if final and not last else activation))
        interval = between
    return Network(Activations((sizes[0],), given), [*layers, Argmax()] if decides else layers, "dense")


def near_ties(zero: int = 0, then: bool = True, seed: int = 5) -> Network:
    """A layer in floating point that halves its input's integers: odd ones lie between two levels, or beside them by
    what 24 bits leave; and other layers behind it.
    """
    rng = np.random.default_rng(seed)
    odd = np.array([1, 3, 5, 7, 11, 13, 37, 97, 101, 127])
    fraction, exponent = np.frexp((np.float32(1) / (2 * odd).astype(np.float32)).astype(np.float64))
    scaled = FloatScaled(np.rint(np.ldexp(fraction, 24)), 24 - exponent, -128, 127, zero)
    layers: list[Layer] = [IntDense(odd[:, None], np.zeros(len(odd), int), scaled)]
    if then:
        even = Even(np.ones(6, int), np.full(6, 3), -128, 127)
        layers.append(IntDense(rng.integers(-2, 3, (6, len(odd))), rng.integers(-9, 10, 6), even))
        layers.append(IntDense(rng.integers(-2, 3, (3, 6)), rng.integers(-9, 10, 3)))
    return Network(Activations((1,), Interval(-300, 300)), layers, "near")


def conv_network(
    image: tuple[int, int, int],
    convs: Sequence[tuple[int, int, int, int]],
    dense: Sequence[int],
    given: Interval = UNSIGNED,
    weight_bits: int = 3,
    density: float = 1.0,
    between: Interval = UNSIGNED,
    padding: Sequence[int] = (),
    decides: bool = False,
    seed: int = 5,
) -> Network:
    """Random convolutions, of each its kernels, their side, stride and the side of the pooling after it, and what is
    padded, then dense layers of so many neurons.
    """
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    activations = Activations(image, given)
    most = 1 << weight_bits - 1

    def parts(shape: tuple[int, ...], last: bool) -> tuple[np.ndarray, np.ndarray, Requantize | None]:
        weights = rng.integers(-most, most, shape) * (rng.random(shape) < density)
        spread = max(1, int(np.sqrt(np.prod(shape[1:]) * density) * most))
        shift = np.full(shape[0], spread.bit_length()) - rng.integers(0, 2, shape[0])
        activation = None if last else Requantize(np.ones(shape[0], int), shift, between.low, between.high)
        return weights, rng.integers(-9, 10, shape[0]), activation

    for (kernels, side, stride, pool), border in zip(convs, padding or [0] * len(convs), strict=True):
        shape = kernels, activations.shape[0], side, side
        layers.append(IntConv2d(*parts(shape, False), stride=stride, padding=border))
        activations = layers[-1].infer(activations)
        if pool > 1:
            layers.append(MaxPool2d(pool))
            activations = layers[-1].infer(activations)
    layers.append(Flatten())
    inputs = activations.size
    for number, neurons in enumerate(dense, 1):
        layers.append(IntDense(*parts((neurons, inputs), number == len(dense))))
        inputs = neurons
    return Network(Activations(image, given), [*layers, Argmax()] if decides else layers, "conv")
