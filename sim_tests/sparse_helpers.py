"""Networks of pruned kernels, small and random."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from logicnn.engines.sparse.plan import Plan, Tile
from logicnn.network import (
    Activations,
    Argmax,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Requantize,
)

BYTE = Interval(0, 255)


def plan_of(whole: Network, tile: Tile, stop: int | None = None) -> Plan:
    """The plan of a whole network, or of its layers before `stop`, on a tile."""
    return Plan(whole, len(whole.layers) if stop is None else stop, tile)


def pruned(rng: np.random.Generator, shape: Sequence[int], size: int, keep: int, patterns: int) -> np.ndarray:
    """Weights of up to 8 bits of which each kernel keeps some by one of a few patterns; some kernels are all zero."""
    inputs = int(np.prod(shape[1:]))
    kernels = np.zeros((shape[0], -(-inputs // size), size), np.int64)
    masks = [rng.choice(size, keep, replace=False) for _ in range(patterns)]
    for kernel in kernels.reshape(-1, size):
        kernel[masks[rng.integers(patterns)]] = rng.integers(-128, 128, keep) * (rng.random() < 0.95)
    return kernels.reshape(shape[0], -1)[:, :inputs].reshape(tuple(shape))


def network(
    seed: int,
    *,
    side: int = 3,
    image: tuple[int, ...] = (1, 8, 8),
    convolutions: Sequence[tuple[int, int, int]] = ((4, 3, 2), (5, 2, 1)),  # outputs, weights a kernel, pooling
    dense: Sequence[tuple[int, int]] = ((7, 2),),  # outputs, weights a kernel
    classes: int = 4,
    patterns: int = 4,
) -> Network:
    rng, layers, given = np.random.default_rng(seed), [], Activations(image, BYTE)

    def add(layer) -> None:
        nonlocal given
        layers.append(layer)
        given = layer.infer(given)

    def activation(out: int) -> Requantize:
        return Requantize(np.ones(out), rng.integers(5, 10, out), 0, 255)

    for out, keep, pool in convolutions:
        weights = pruned(rng, (out, given.shape[0], side, side), side**2, keep, patterns)
        add(IntConv2d(weights, rng.integers(-3000, 3000, out), activation(out)))
        if pool > 1:
            add(MaxPool2d(pool))
    if len(given.shape) == 3:
        add(Flatten())
    for out, keep in dense:
        add(
            IntDense(
                pruned(rng, (out, given.size), side**2, keep, patterns), rng.integers(-3000, 3000, out), activation(out)
            )
        )
    scores = pruned(rng, (classes, given.size), side**2, 2, patterns)
    samples = rng.integers(0, 256, (64, *image))
    means = Network(Activations(image, BYTE), [*layers, IntDense(scores, np.zeros(classes))]).evaluate(samples).mean(0)
    add(IntDense(scores, -means.astype(np.int64)))  # so that no class always wins
    add(Argmax())
    return Network(Activations(image, BYTE), layers)


PLANS = {
    "kernels in two lanes, pooling": (lambda: network(1), Tile(3, 2)),
    "channels, more words than rows": (
        lambda: network(3, side=2, image=(2, 7, 6), convolutions=((3, 2, 1), (7, 2, 2))),
        Tile(5, 2, 48),
    ),
    "dense layers alone": (lambda: network(5, side=5, image=(60,), convolutions=()), Tile(2, 2)),
    "groups that are not full": (
        lambda: network(6, image=(3, 6, 7), convolutions=((9, 2, 2),), dense=((11, 1), (6, 3))),
        Tile(4, 2),
    ),
    "one position, one lane": (
        lambda: network(7, side=2, image=(1, 2, 2), convolutions=((1, 1, 1),), dense=()),
        Tile(1, 2),
    ),
}


@cache
def plan_by_name(name: str, decides: bool = True) -> Plan:
    """Of a whole network, or up to its scores."""
    made, tile = PLANS[name]
    whole = made()
    return plan_of(whole, tile, len(whole.layers) - (not decides))
