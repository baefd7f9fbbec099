"""Layers of learned tables for training. Activations are bits, 0.0 or 1.0; what is computed forward is what the tables
will compute.

    table     forward   theta[row] >= 0                gradient of theta   1/2 at the row that was read
                                                       gradient of bit i   p[row, i = 1] - p[row, i = 0]
    input     forward   x[argmax of scores]            gradient            of the sum of inputs by the softmax

with p = (clip(theta, -1, 1) + 1) / 2, a table's probability of giving 1: the gradient of the multilinear function whose
corners p are (Bacellar et al., "Differentiable Weightless Neural Networks", ICML 2024, take finite differences of hard
tables instead), with the straight-through estimator of Bengio, Leonard, Courville (arXiv 1308.3432).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from logicnn.data.dataset import Dataset, Split
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Activations, Interval, Thermometer
from logicnn.network.layers.tables import MOST_INPUTS
from logicnn.nn.binary import class_dependence

__all__ = ["Fixed", "Groups", "Learned", "TableNet", "Tables", "table_net"]

CERTAIN = 0.5  # of theta in the beginning, where a table passes one of its inputs on
SPREAD = 0.1  # of theta and of scores in the beginning
BLOCK, CANDIDATES = 64, 81  # tables, and what their inputs choose among: of a picture nine rows of nine pixels


class _Lookup(torch.autograd.Function):
    """Bits (in, n), of which each table's are `chosen` (out, k), to bits (out, n). With `scores` (out * k, c) of
    `candidates` (blocks, c) the choice has a gradient, too.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, theta: Tensor, chosen: Tensor, scores: Tensor | None, candidates: Tensor | None
    ) -> Tensor:
        out, k = chosen.shape
        slots = x.to(torch.uint8)[chosen.flatten()].view(out, k, -1)
        row = slots[:, 0]
        for i in range(1, k):
            row = row | slots[:, i] << i
        row = row.long()
        ctx.save_for_backward(x, theta, chosen, scores, candidates, row)
        return (theta >= 0).to(x.dtype).gather(1, row)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, theta, chosen, scores, candidates, row = ctx.saved_tensors
        (given,) = gradients
        read = torch.zeros_like(theta).scatter_add_(1, row, given) / 2
        if scores is None and not ctx.needs_input_grad[0]:
            return None, read, None, None, None
        corner = (theta.clamp(-1, 1) + 1) / 2
        rows = torch.arange(theta.shape[1], device=x.device)
        rises = (corner[:, rows | 1 << i] - corner[:, rows & ~(1 << i)] for i in range(chosen.shape[1]))
        slots = torch.stack([given * rise.gather(1, row) for rise in rises], 1).flatten(0, 1)  # (out * k, n)
        back = torch.zeros_like(x).index_add_(0, chosen.flatten(), slots) if ctx.needs_input_grad[0] else None
        if scores is None:
            return back, read, None, None, None
        return back, read, None, _of_choice(scores, candidates, slots, x, chosen.shape[1]), None


def _of_choice(scores: Tensor, candidates: Tensor, slots: Tensor, x: Tensor, k: int) -> Tensor:  # (out * k, c)
    """The gradient of scores, where slots (out * k, n) of tables have such ones."""
    blocks = zip(slots.split(BLOCK * k), candidates, strict=True)
    each = torch.cat([part @ x[read].t() for part, read in blocks])
    share = scores.softmax(1)
    each.mul_(share)
    return each.addcmul_(share, each.sum(1, keepdim=True), value=-1)


class Fixed(nn.Module):
    """Which input bits the k inputs of every table are: those given, (out, k)."""

    scores: Tensor | None = None  # (out * k, c), where they have a gradient
    candidates: Tensor | None = None  # (blocks, c)

    def __init__(self, indices: np.ndarray):
        super().__init__()
        self.register_buffer("indices", torch.from_numpy(indices))
        self.indices: Tensor  # (out, k)


class Learned(nn.Module):
    """Which input bits the k inputs of every table are: those of the greatest score, which are learned; `settle` takes
    over what they have become. The inputs of a block of tables choose among the same `candidates` (blocks, c): that
    costs so much less than to choose among all, and keeps ways on a chip few and short.
    """

    def __init__(self, candidates: np.ndarray, out: int, k: int):
        super().__init__()
        self.register_buffer("candidates", torch.from_numpy(candidates))
        self.candidates: Tensor
        few = candidates.shape[1]
        first = torch.from_numpy(_balanced(few, out, k)).view(-1, 1)
        drawn = torch.randn(out * k, few) * SPREAD
        self.scores = nn.Parameter(drawn.scatter_add_(1, first, torch.ones(out * k, 1)))
        self.register_buffer("indices", torch.zeros(out, k, dtype=torch.int64))
        self.indices: Tensor  # (out, k)
        self.settle()

    @torch.no_grad()
    def settle(self) -> None:
        best = self.scores.argmax(1).split(BLOCK * self.indices.shape[1])
        chosen = [candidates[part] for part, candidates in zip(best, self.candidates, strict=True)]
        self.indices.copy_(torch.cat(chosen).view_as(self.indices))


def _generator() -> np.random.Generator:
    """Seeded by torch's."""
    return np.random.default_rng(int(torch.randint(1 << 31, ()).item()))


def _balanced(inputs: int, out: int, k: int) -> np.ndarray:  # (out, k) int64
    """Random indices, each as often as any other up to once, no row with one twice unless there are fewer than k."""
    rng = _generator()
    rounds = [rng.permutation(inputs) for _ in range(-(-out * k // inputs))]
    made = np.concatenate(rounds)[: out * k].reshape(out, k)
    for row in range(out if inputs >= k else 0):
        while len(set(made[row].tolist())) < k:  # two of them, from two rounds: one changes places with any other
            at = next(i for i in range(k) if made[row, i] in made[row, :i])
            other, there = rng.integers(out), rng.integers(k)
            if made[row, at] not in made[other] and made[other, there] not in made[row]:
                made[row, at], made[other, there] = made[other, there], made[row, at]
    return made


def _beside(inputs: int, out: int, k: int) -> np.ndarray:  # (out, k) int64
    """Indices of tables of the same block, each as often as any other up to once."""
    rng, blocks = _generator(), np.split(np.arange(inputs), range(BLOCK, inputs, BLOCK))
    rounds = [np.concatenate([rng.permutation(each) for each in blocks]) for _ in range(-(-out * k // inputs))]
    return np.concatenate(rounds)[: out * k].reshape(out, k)


def _candidates(reads: np.ndarray, shape: tuple[int, ...], blocks: int) -> np.ndarray:  # (blocks, c) int64
    """What each block of tables may read of the bits `reads`: of pictures those around a bit, else any, each as often
    as another, as far as that goes without one twice in a block.
    """
    few = min(len(reads), CANDIDATES)
    if len(shape) < 3:
        return np.sort(_in_turn(len(reads), blocks, few), 1)
    place = np.stack(np.divmod(reads % math.prod(shape[1:]), shape[2]), 1)
    middles = place[np.sort(_balanced(len(reads), blocks, 1)[:, 0])]  # so blocks of neighbouring rows follow each other
    far = np.square(place - middles[:, None]).sum(2)  # (blocks, reads)
    return np.sort(np.argsort(far, 1, kind="stable")[:, :few], 1)


def _in_turn(count: int, rows: int, few: int) -> np.ndarray:  # (rows, few) int64
    """Random numbers below `count`, none twice in a row: in each row those that were least often in the rows before."""
    rng, uses = _generator(), np.zeros(count)
    made = np.empty((rows, few), np.int64)
    for row in made:
        row[:] = np.lexsort((rng.random(count), uses))[:few]
        uses[row] += 1
    return made


class Tables(nn.Module):
    """Tables of the inputs that `connections` choose: bits (in, n) to bits (out, n)."""

    def __init__(self, connections: Fixed | Learned):
        super().__init__()
        self.connections = connections
        out, k = connections.indices.shape
        passed = torch.arange(1 << k) >> (torch.arange(out) % k).view(-1, 1) & 1
        theta = (passed * 2.0 - 1) * CERTAIN + torch.randn(out, 1 << k) * SPREAD
        self.theta = nn.Parameter(theta)

    @property
    def tables(self) -> Tensor:
        """(out, 2 ** k), 0 or 1."""
        return (self.theta >= 0).to(torch.uint8)

    def forward(self, x: Tensor) -> Tensor:
        how = self.connections
        return _Lookup.apply(x, self.theta, how.indices, how.scores, how.candidates)


class Groups(nn.Module):
    """Scores of classes: the sum of as many bits for each, times one learned scale, which no argmax sees. Bit
    ``order[i]`` is the i-th of those that are counted class after class.
    """

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.register_buffer("order", _dealt(inputs, classes))
        self.order: Tensor
        self.sizes = [len(each) for each in np.array_split(np.arange(inputs), classes)]
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, x: Tensor) -> Tensor:  # (in, n) -> (n, classes)
        sums = torch.stack([each.sum(0) for each in x[self.order].split(self.sizes)], 1)
        return self.scale.abs() * sums / np.sqrt(np.mean(self.sizes))


def _dealt(inputs: int, classes: int) -> Tensor:  # (inputs,) int64
    """Indices class after class, where each class has as many of a block of tables as any other, and has them in turn:
    what is counted together lies together.
    """
    blocks = (torch.arange(inputs)[at : at + BLOCK] for at in range(0, inputs, BLOCK))
    cards = torch.cat([each[torch.randperm(len(each))] for each in blocks])
    return torch.cat([cards[place::classes] for place in range(classes)])


class TableNet(nn.Module):
    """A thermometer, layers of tables and the sums of classes: (n, *shape) integers to (n, classes) logits. Tables read
    the bits `reads` of the thermometer's.
    """

    def __init__(
        self,
        given: Activations,
        thermometer: Thermometer,
        reads: np.ndarray,
        layers: Sequence[Tables],
        groups: Groups,
    ):
        super().__init__()
        self.given = given
        self.register_buffer("reads", torch.from_numpy(reads))
        self.reads: Tensor
        self.thermometer = thermometer
        self.blocks, self.groups = nn.ModuleList(layers), groups

    @property
    def layers(self) -> list[Tables]:
        return [each for each in self.blocks if isinstance(each, Tables)]

    def encode(self, x: Tensor) -> Tensor:  # (n, c, ...) integers -> (bits, n) of 0 and 1
        return _encoded(self.thermometer, x)[:, self.reads].t().float()

    def classify(self, x: Tensor) -> Tensor:
        """`forward` from encoded samples."""
        for layer in self.layers:
            x = layer(x)
        return self.groups(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.encode(x))


def _encoded(thermometer: Thermometer, x: Tensor) -> Tensor:  # (n, c, ...) -> (n, bits) bool
    thresholds = torch.as_tensor(thermometer.thresholds.copy(), device=x.device)
    return (x.unsqueeze(2) >= thresholds.view(*thresholds.shape, *[1] * (x.dim() - 2))).flatten(1)


def _said(thermometer: Thermometer, data: Split) -> np.ndarray:  # (bits,)
    """What each of a thermometer's bits says of the class; nothing where it is another bit of its channel again."""
    said = class_dependence(_encoded(thermometer, torch.tensor(data.x)).numpy(), data.y)
    thresholds = np.atleast_2d(thermometer.thresholds)
    first = np.diff(thresholds, axis=1, prepend=thresholds[:, :1] - 1) > 0  # (channels or 1, T)
    return (said.reshape(data.x.shape[1], first.shape[1], -1) * first[:, :, None]).ravel()


def table_net(
    data: Dataset,
    thresholds: Sequence[int] | np.ndarray,
    tables: Sequence[int],
    k: int = 4,
    seed: int = 1,
    learned: int = 1,
    inputs: int | None = None,
    near: bool = True,
) -> TableNet:
    """Layers of so many tables of k inputs; connections of the first `learned` layers are learned. With `near`, tables
    of later layers read those of one block, whose ways are short; else those of any, which networks of few tables need.
    Bits of the samples are those of a `Thermometer` of these thresholds, which may be others for each channel or column
    (`column_thresholds`); so many `inputs` of them may be read, those that say most of the class (default: all that are
    not constant).
    """
    torch.manual_seed(seed)
    if not 2 <= k <= MOST_INPUTS:
        raise LogicnnError(f"k must be 2 to {MOST_INPUTS}, the inputs of a table, not {k}")
    if not tables or min(tables) < 1:
        raise LogicnnError(f"tables must be of 1 layer at least, with 1 table each, not {tuple(tables)}")
    if tables[-1] < len(data.classes):
        raise LogicnnError(
            f"tables must be {len(data.classes)} in the last layer at least, one a class, not {tables[-1]}"
        )
    if inputs is not None and inputs < 1:
        raise LogicnnError(f"inputs must be 1 at least, not {inputs}")
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    thermometer = Thermometer(np.asarray(thresholds))
    assert thermometer.infer(given).interval == BIT
    said = _said(thermometer, data.train)
    reads = np.sort(np.argsort(-said, kind="stable")[: min(inputs or len(said), max(1, np.count_nonzero(said)))])
    layers: list[Tables] = []
    read, shape = reads, given.shape
    for number, out in enumerate(tables):
        if number < learned:
            layers.append(Tables(Learned(_candidates(read, shape, -(-out // BLOCK)), out, k)))
        else:
            layers.append(Tables(Fixed((_beside if number and near else _balanced)(len(read), out, k))))
        read, shape = np.arange(out), (out,)
    return TableNet(given, thermometer, reads, layers, Groups(len(read), len(data.classes)))
