"""Layers of learned tables for training. Activations are bits, 0.0 or 1.0; what is computed forward is what the tables
will compute.

    table     forward   theta[row] >= 0                gradient of theta   1/2 at the row that was read
                                                       gradient of bit i   p[row, i = 1] - p[row, i = 0]
    input     forward   x[argmax of logits]            gradient            of the sum of inputs by the softmax

with p = (clip(theta, -1, 1) + 1) / 2, a table's probability of giving 1: the gradient of the multilinear function whose
corners p are (Bacellar et al., "Differentiable Weightless Neural Networks", ICML 2024, take finite differences of hard
tables instead), with the straight-through estimator of Bengio, Leonard, Courville (arXiv 1308.3432).
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from logicnn.data.dataset import Dataset
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Activations, Interval, Thermometer
from logicnn.network.layers.tables import MOST_INPUTS

__all__ = ["Fixed", "Groups", "Learned", "TableNet", "Tables", "table_net"]

CERTAIN = 0.5  # of theta in the beginning, where a table passes its first input on
SPREAD = 0.1  # of theta in the beginning


class _Lookup(torch.autograd.Function):
    """Bits (n, out, k) and theta (out, 2 ** k) to bits (n, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, theta: Tensor) -> Tensor:
        out, rows = theta.shape
        place = (1 << torch.arange(x.shape[2], device=x.device)).to(torch.int32)
        row = (x.to(torch.int32) * place).sum(2, dtype=torch.int32)
        row += torch.arange(0, out * rows, rows, device=x.device, dtype=torch.int32)
        ctx.save_for_backward(row, theta)
        return (theta.flatten() >= 0).to(x.dtype)[row]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        row, theta = ctx.saved_tensors
        given = gradients[0]
        corner = (theta.clamp(-1, 1).flatten() + 1) / 2
        count = theta.shape[1].bit_length() - 1
        bits = [given * (corner[row | 1 << i] - corner[row & ~(1 << i)]) for i in range(count)]
        read = torch.zeros_like(corner).index_add_(0, row.flatten(), given.flatten())
        return torch.stack(bits, 2), read.view_as(theta) / 2


class _Choice(torch.autograd.Function):
    """Of bits (n, in), those with the greatest of logits (slots, in): (n, slots)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, logits: Tensor) -> Tensor:
        chosen = logits.argmax(1)
        ctx.save_for_backward(x, logits, chosen)
        return x[:, chosen]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        x, logits, chosen = ctx.saved_tensors
        (given,) = gradients
        share = logits.softmax(1)
        each = given.t() @ x
        needed = ctx.needs_input_grad[0]
        back = torch.zeros_like(x).index_add_(1, chosen, given) if needed else None
        return back, share * (each - (share * each).sum(1, keepdim=True))


class _Connections(nn.Module):
    """Which input bits (in,) the k inputs of every table are."""

    def __init__(self, inputs: int, out: int, k: int):
        super().__init__()
        self.inputs, self.out, self.k = inputs, out, k

    @property
    @abstractmethod
    def indices(self) -> Tensor:
        """(out, k)"""


class Fixed(_Connections):
    """Random ones; every input is read equally often, and none twice by a table where that can be."""

    def __init__(self, inputs: int, out: int, k: int):
        super().__init__(inputs, out, k)
        self.register_buffer("chosen", torch.from_numpy(_balanced(inputs, out, k)))
        self.chosen: Tensor

    @property
    def indices(self) -> Tensor:
        return self.chosen

    def forward(self, x: Tensor) -> Tensor:  # (n, in) -> (n, out, k)
        return x[:, self.chosen.flatten()].view(len(x), self.out, self.k)


class Learned(_Connections):
    """Those of the greatest logit, which are learned."""

    def __init__(self, inputs: int, out: int, k: int):
        super().__init__(inputs, out, k)
        logits = torch.randn(out * k, inputs) * SPREAD
        start = torch.from_numpy(_balanced(inputs, out, k)).view(-1, 1)
        self.logits = nn.Parameter(logits.scatter_add_(1, start, torch.ones(out * k, 1)))

    @property
    def indices(self) -> Tensor:
        return self.logits.argmax(1).view(self.out, self.k)

    def forward(self, x: Tensor) -> Tensor:  # (n, in) -> (n, out, k)
        return _Choice.apply(x, self.logits).view(len(x), self.out, self.k)


def _balanced(inputs: int, out: int, k: int) -> np.ndarray:  # (out, k) int64
    """Indices, each as often as any other up to once, no row with one twice unless there are fewer than k inputs."""
    rng = np.random.default_rng(int(torch.randint(1 << 31, ()).item()))
    rounds = [rng.permutation(inputs) for _ in range(-(-out * k // inputs))]
    made = np.concatenate(rounds)[: out * k].reshape(out, k)
    for row in range(out if inputs >= k else 0):
        while len(set(made[row].tolist())) < k:  # two of them, from two rounds: one changes places with any other
            at = next(i for i in range(k) if made[row, i] in made[row, :i])
            other, there = rng.integers(out), rng.integers(k)
            if made[row, at] not in made[other] and made[other, there] not in made[row]:
                made[row, at], made[other, there] = made[other, there], made[row, at]
    return made


class Tables(nn.Module):
    """Tables of the inputs that `connections` choose: bits (n, in) to bits (n, out)."""

    def __init__(self, connections: Fixed | Learned):
        super().__init__()
        self.connections = connections
        first = (torch.arange(1 << connections.k) & 1) * 2.0 - 1
        theta = first * CERTAIN + torch.randn(connections.out, 1 << connections.k) * SPREAD
        self.theta = nn.Parameter(theta)

    @property
    def tables(self) -> Tensor:
        """(out, 2 ** k), 0 or 1."""
        return (self.theta >= 0).to(torch.uint8)

    def forward(self, x: Tensor) -> Tensor:
        return _Lookup.apply(self.connections(x), self.theta)


class Groups(nn.Module):
    """Scores of classes: the sum of as many bits for each, times one learned scale, which no argmax sees."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.sizes = [len(each) for each in np.array_split(np.arange(inputs), classes)]
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, x: Tensor) -> Tensor:  # (n, in) -> (n, classes)
        sums = torch.stack([each.sum(1) for each in x.split(self.sizes, 1)], 1)
        return self.scale.abs() * sums / np.sqrt(np.mean(self.sizes))


class TableNet(nn.Module):
    """A thermometer, layers of tables and the sums of classes: (n, *shape) integers to (n, classes) logits."""

    def __init__(self, given: Activations, thresholds: Sequence[int], layers: Sequence[Tables], groups: Groups):
        super().__init__()
        self.given = given
        self.thermometer = Thermometer(list(thresholds))  # type: ignore[arg-type]  # checked and converted there
        assert self.thermometer.infer(given).interval == BIT
        self.blocks, self.groups = nn.ModuleList(layers), groups

    @property
    def layers(self) -> list[Tables]:
        return [each for each in self.blocks if isinstance(each, Tables)]

    def encode(self, x: Tensor) -> Tensor:  # (n, c, ...) integers -> (n, bits) of 0 and 1
        thresholds = torch.as_tensor(self.thermometer.thresholds.copy(), device=x.device)
        levels = thresholds.view(-1, *[1] * (x.dim() - 2))
        return (x.unsqueeze(2) >= levels).flatten(1).float()

    def classify(self, x: Tensor) -> Tensor:
        """`forward` from encoded samples."""
        for layer in self.layers:
            x = layer(x)
        return self.groups(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.encode(x))


def table_net(
    data: Dataset, thresholds: Sequence[int], tables: Sequence[int], k: int = 4, seed: int = 1, learned: int = 1
) -> TableNet:
    """Layers of so many tables of k inputs; connections of the first `learned` layers are learned."""
    torch.manual_seed(seed)
    if not 2 <= k <= MOST_INPUTS:
        raise LogicnnError(f"k must be 2 to {MOST_INPUTS}, the inputs of a table, not {k}")
    if not tables or min(tables) < 1:
        raise LogicnnError(f"tables must be of 1 layer at least, with 1 table each, not {tuple(tables)}")
    if tables[-1] < len(data.classes):
        raise LogicnnError(
            f"tables must be {len(data.classes)} in the last layer at least, one a class, not {tables[-1]}"
        )
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    sizes = [given.size * len(thresholds), *tables]
    layers = [
        Tables((Learned if number < learned else Fixed)(a, b, k)) for number, (a, b) in enumerate(pairwise(sizes))
    ]
    return TableNet(given, thresholds, layers, Groups(tables[-1], len(data.classes)))
