"""Training of binarized kernels that are alike, so that each is made of the one before by few changes
(`logicnn.engines.differences`); and the statistics of batch norm over all samples.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from logicnn.data.dataset import Split
from logicnn.engines.differences.orders import Order, ordered
from logicnn.nn.binary.layers import BinaryNet, ConvNeurons, _Neurons
from logicnn.nn.binary.training import Recipe, _Classes, _groups
from logicnn.nn.loop import train

__all__ = ["Variety", "changed", "fit_alike", "settle"]

EVERY = 100  # steps with the same orders
SETTLING = 4096  # samples of the statistics


@dataclass(frozen=True)
class Variety:
    """What pictures might also look like: each other one `mirrored`, a batch `moved` by up to so many pixels each
    way.
    """

    mirrored: bool = False
    moved: int = 0

    def varied(self, x: Tensor) -> Tensor:  # (n, channels, rows, columns) of -1 and +1; what comes in is -1
        if self.mirrored:
            turned = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
            x = torch.where(turned, x.flip(-1), x)
        if self.moved:
            down, right = torch.randint(2 * self.moved + 1, (2,)).tolist()
            rows, columns = x.shape[-2:]
            x = functional.pad(x, [self.moved] * 4, value=-1.0)[..., down : down + rows, right : right + columns]
        return x


@dataclass(frozen=True)
class _Way:
    """A layer's kernels, and the order in which they are changes of each other."""

    layer: ConvNeurons
    order: Order

    @property
    def signs(self) -> Tensor:  # (kernels, 1)
        return torch.tensor([[-1.0 if each else 1.0] for each in self.order.opposite], device=self.layer.latent.device)

    @property
    def rows(self) -> Tensor:
        """Latent weights (kernels, synapses) in order, negated where the opposite is evaluated."""
        return self.layer.latent.flatten(1)[list(self.order.kernels)] * self.signs


def _ways(net: BinaryNet) -> list[_Way]:
    return [
        _Way(block, ordered(block.weights().detach().flatten(1).cpu().numpy().astype(np.int8)))
        for block in net.blocks
        if isinstance(block, ConvNeurons)
    ]


def changed(net: BinaryNet) -> list[float]:
    """Of each convolution, the synapses that are looked at where each kernel is made of the one before, as a fraction
    of all.
    """
    found = []
    for way in _ways(net):
        weights = way.layer.weights().detach().flatten(1)[list(way.order.kernels)] * way.signs
        looks = int((weights[0] != 0).sum()) + sum(int((a != b).sum()) for a, b in pairwise(weights))
        found.append(looks / max(1, int((weights != 0).sum())))
    return found


class _Alike(_Classes):
    """Cross entropy, and `weight` times what the latent weights that differ from those of the kernel before lack to be
    of its sign: both are drawn to zero, so that the weaker one turns.
    """

    def __init__(self, net: BinaryNet, data: Split, recipe: Recipe, weight: float, variety: Variety):
        super().__init__(net, data, recipe)
        self._binary, self._weight, self._variety = net, weight, variety
        self._found: list[_Way] = []

    def before_step(self, step: int) -> None:
        super().before_step(step)
        if self._weight and step % EVERY == 0:
            self._found = _ways(self._binary)

    def loss(self, chosen: Tensor) -> Tensor:
        lacking = torch.zeros((), device=self._binary.device)
        for way in self._found:
            rows = way.rows
            differ = (rows[:-1].detach() >= 0) != (rows[1:].detach() >= 0)
            lacking = lacking + (differ * (rows[:-1].abs() + rows[1:].abs())).sum() / way.layer.latent.numel()
        scores = self._forward(self._variety.varied(self._samples[chosen].float()))
        return functional.cross_entropy(scores, self._labels[chosen]) + self._weight * lacking


def fit_alike(
    net: BinaryNet, data: Split, recipe: Recipe, weight: float, title: str, variety: Variety = Variety()
) -> None:
    """Trains as `fit` does, on pictures in their `variety`, with kernels drawn to each other by `weight`."""
    torch.manual_seed(recipe.seed)
    objective = _Alike(net, data, recipe, weight, variety)
    optimizer = torch.optim.Adam(_groups(net, recipe.learning_rate), lr=recipe.learning_rate)
    train(net, objective, optimizer, objective.schedule, title)


@torch.no_grad()
def settle(net: BinaryNet, data: Split) -> None:
    """Mean and variance of all neurons' sums over the first samples, layer by layer with the layers before as they are
    in evaluation mode: what running averages are of weights that have moved on.
    """
    net.eval()
    x = net.encode(torch.tensor(data.x[:SETTLING], device=net.device))
    for block in net.blocks:
        if isinstance(block, _Neurons):
            block.train()
            block.MOMENTUM = 1.0  # of this batch alone
            block(x)
            del block.MOMENTUM
            block.eval()
        x = block(x)
