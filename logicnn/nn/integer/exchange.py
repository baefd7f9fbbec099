"""Selection of weights by their cost in the shared graph, for a trained network of integers: exchange terms, train the
biases, again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from logicnn.arithmetic.sharing import optimise
from logicnn.arithmetic.substitution import substituted
from logicnn.errors import LogicnnError
from logicnn.network import Argmax, IntDense, Integers, Network, Slicer
from logicnn.nn.integer.layers import QuantLayer, QuantNet, export, restored
from logicnn.nn.integer.training import Loss, Recipe, fit

__all__ = ["Exchange", "curvatures", "exchanged"]

SCORE_EXPONENTS = range(-4, 25)  # units of scores that are tried: 2 ** -exponent


@dataclass(frozen=True)
class Exchange:
    """How terms are exchanged: one pass for every cost of a carry bit (in units of the loss) in turn."""

    seed: int
    bit_costs: tuple[float, ...] = tuple(2.5e-8 * 2**step for step in range(12))
    samples: int = 4096  # on which sums are compared
    steps: int = 600  # of training the biases after a pass
    learning_rate: float = 3e-3
    batch: int = 1024
    tries: int = 12  # searches for shared additions in a pass
    # Scores are integers times 2 ** -it; None: the unit of the least loss on the samples
    score_exponent: int | None = None


def curvatures(scores: torch.Tensor, y: torch.Tensor, loss: Loss) -> torch.Tensor:
    """(n, c, k): factors whose squares add up to the second derivative of each sample's loss by its c scores."""
    at = scores.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(at, y) * len(at), at, create_graph=True)
    rows = [torch.autograd.grad(slope[:, k].sum(), at, retain_graph=True)[0] for k in range(at.shape[1])]
    values, vectors = torch.linalg.eigh(torch.stack(rows, dim=1))
    return vectors * values.clamp_min(0).sqrt()[:, None, :]


def _probed(net: QuantNet, x: torch.Tensor, y: torch.Tensor, loss: Loss) -> list[tuple[np.ndarray, np.ndarray]]:
    """The sums of every layer on samples (n, out), in integers, and what the square of a step of each adds to its
    sample's loss.

    The latter are the diagonals of Gauss-Newton matrices: they need no labels of rare samples as squared gradients do.
    """
    found, value = [], x * 2.0**-net.exponent
    for block in net.blocks:
        if isinstance(block, QuantLayer):
            total = block.sums(value)
            found.append((block, total))
            value = block.activated(total)
        else:
            value = block(value)
    sums = [total for _, total in found]
    squares = [torch.zeros_like(total, dtype=torch.float64) for total in sums]
    for factor in curvatures(value, y, loss).unbind(2):
        for square, slope in zip(
            squares, torch.autograd.grad((value * factor).sum(), sums, retain_graph=True), strict=True
        ):
            square += slope.double().square() / 2
    scales = [2.0 ** (block.in_exponent + block.weight_exponent.double()) for block, _ in found]
    return [
        ((total.detach().double() * scale).numpy(), (square / scale.square()).numpy())
        for total, square, scale in zip(sums, squares, scales, strict=True)
    ]


def _score_exponent(network: Network, x: torch.Tensor, y: torch.Tensor, loss: Loss) -> int:
    """The unit of the scores with the least loss, which a network of integers does not say."""

    @torch.no_grad()
    def at(exponent: int) -> float:
        return float(loss(restored(network, exponent)(x), y))

    losses = [at(exponent) for exponent in SCORE_EXPONENTS]
    least = int(np.argmin(losses))
    if least in (0, len(losses) - 1):
        raise LogicnnError(
            "score_exponent must be given: on these samples no unit of the scores has the least loss (are all decided "
            "right?)"
        )
    return SCORE_EXPONENTS[least]


def _pass(
    network: Network, unit: int, bit_cost: float, x: np.ndarray, y: np.ndarray, loss: Loss, plan: Exchange
) -> Network:
    """Terms exchanged in every layer, first to last, each for the values that the changed layers before it give; then
    biases trained.
    """
    some, labels = _chosen(x, y, plan)
    probes = _probed(restored(network, unit), some, labels, loss)
    layers, value = list(network.layers), some.numpy().astype(np.int64)
    for index, (wanted, importance) in enumerate(probes):
        layer, given = layers[index], network.activations[index]
        assert isinstance(layer, IntDense)
        graph = optimise(layer.matrix(given), (given.interval,) * given.size, tries=plan.tries)
        limit = max(1, (1 << int(np.abs(layer.weights).max()).bit_length()) - 1)
        matrix, offsets = substituted(graph, value, wanted, importance, bit_cost, limit)
        layers[index] = layer = replace(layer, weights=matrix, bias=offsets)
        value = layer.evaluate(given, Integers(value)).integers
    net = restored(replace(network, layers=tuple(layers)), unit)
    for layer in net.layers:
        layer.weight.requires_grad_(False)
    epochs = math.ceil(plan.steps / max(1, len(x) // plan.batch))
    fit(net, x, y, loss, Recipe(epochs, plan.learning_rate, plan.seed, plan.batch), f"exchange at {bit_cost:.1e}")
    made = export(net, network.name, network.dataset, tuple(network.labels))
    return replace(made, preparation=network.preparation)


def _chosen(x: np.ndarray, y: np.ndarray, plan: Exchange) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = np.random.default_rng(plan.seed).choice(len(x), min(plan.samples, len(x)), replace=False)
    return torch.from_numpy(x[chosen]).float(), torch.from_numpy(y[chosen].astype(np.int64))


def exchanged(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    error: Callable[[Network], float],
    limit: float,
    plan: Exchange,
) -> Network:
    """The network with terms exchanged at the highest cost of a carry bit up to which `error` stays within `limit`;
    itself, if at none.

    Each pass goes on from the one before: what is worth little goes first, and the biases have made up for it before
    more goes.

    Samples x (n, in) and labels y (n,) are those of its training. It must be of dense integer layers with widths that
    nothing trims (`logicnn.network.widths.trimmed` comes afterwards), and with multipliers of 1, as `export` makes
    them. Raises `LogicnnError` for others, and where the unit of the scores is neither given nor found.
    """
    *layers, decision = network.layers
    if not isinstance(decision, Argmax | Slicer):
        raise LogicnnError(f"network must end in an Argmax or a Slicer, not {type(decision).__name__}")
    for index, layer in enumerate(layers):
        if not isinstance(layer, IntDense):
            raise LogicnnError(f"layer {index} must be an IntDense, not {type(layer).__name__}")
        if layer.width is not None:
            raise LogicnnError(
                f"layer {index} must not be trimmed yet, but has widths {layer.width.min()} ... {layer.width.max()}"
            )
    best = network
    for bit_cost in plan.bit_costs:
        unit = (
            plan.score_exponent
            if plan.score_exponent is not None
            else _score_exponent(best, *_chosen(x, y, plan), loss)
        )
        tried = _pass(best, unit, bit_cost, x, y, loss, plan)
        if error(tried) > limit:
            break
        best = tried
    return best
