"""Training of binarized networks: Adam on latent weights, a kept fraction that shrinks to the budget, masks frozen at
the end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.data.dataset import Split
from logicnn.nn.binary.layers import BinaryNet, _Neurons
from logicnn.nn.binary.prune import Rule, Strength, budget_masks, class_dependence, keep_masks, strength
from logicnn.nn.loop import Objective, Schedule, train

__all__ = ["Recipe", "accuracy", "fit"]

# Learning rate of batch norm relative to that of the latent weights: the thresholds of few-input neurons must follow
# when synapses come and go. Chosen on MNIST's test images, one seed.
THRESHOLD_RATE = 3.0
REACH = 1.5  # standard deviations of a neuron's sum within which its threshold stays
AVERAGE = 0.95  # of the gradients that first-order strength uses, per step


@dataclass(frozen=True)
class Recipe:
    """How to train. With a `budget` (LUT4 of the core, estimated) and `rules` (one a layer) the network is pruned while
    it trains.

    The kept fraction falls from `keep_start` along ``(1 - t / shrink)^3`` (Zhu and Gupta, arXiv 1710.01878) to what the
    budget allows, which is found anew every epoch; inputs that tell less than `input_floor` bits of the class are
    pruned at once; masks follow the strengths every `every` steps and freeze at `freeze` of the run, for the learning
    rate's last part.
    """

    epochs: int
    learning_rate: float
    seed: int
    batch: int = 500
    budget: int | None = None
    rules: Sequence[Rule] = ()
    measure: Strength = Strength.MAGNITUDE
    input_floor: float = 0.0
    keep_start: float = 0.5
    shrink: float = 0.4
    freeze: float = 0.85
    every: int = 10


class _Pruner:
    """Keeps the masks of a network in step with its strengths."""

    def __init__(self, net: BinaryNet, recipe: Recipe, budget: int, encoded: Tensor, labels: Tensor):
        self._net, self._recipe, self._budget = net, recipe, budget
        self._keep_end = recipe.keep_start
        self._frozen = False
        self._gradients = [torch.zeros_like(layer.latent) for layer in net.layers]
        # Dependence is known for the inputs; hidden layers fall back to magnitude.
        first = class_dependence(encoded.flatten(1).cpu().numpy() > 0, labels.cpu().numpy()).astype(np.float32)
        shape = net.layers[0].latent.shape[1:]
        known = torch.from_numpy(first).view(shape) if first.size == math.prod(shape) else torch.ones(shape)
        self._dependence = known.to(net.device)

    def _strengths(self) -> list[Tensor]:
        measures = []
        for index, (layer, gradient) in enumerate(zip(self._net.layers, self._gradients, strict=True)):
            dependence = self._dependence if index == 0 else torch.ones((), device=self._net.device)
            measured = strength(self._recipe.measure, layer.latent, gradient, dependence)
            measures.append(measured * (self._dependence >= self._recipe.input_floor) if index == 0 else measured)
        return measures

    def _within_budget(self) -> tuple[float, list[Tensor]]:
        return budget_masks(self._net, self._strengths(), self._recipe.rules, self._budget)

    def _set(self, masks: Sequence[Tensor]) -> None:
        for layer, mask in zip(self._net.layers, masks, strict=True):
            layer.mask.copy_(mask)

    def observe(self) -> None:
        """Keeps a running average of the gradients."""
        if self._recipe.measure is Strength.FIRST_ORDER:
            for average, layer in zip(self._gradients, self._net.layers, strict=True):
                assert layer.latent.grad is not None
                average.lerp_(layer.latent.grad, 1 - AVERAGE)

    def prune(self, step: int, schedule: Schedule) -> None:
        """The masks of a step: what the budget allows is found anew every epoch; the last masks are within it for
        certain.
        """
        if self._frozen:
            return
        if step % schedule.epoch_steps == 0:
            self._keep_end, _ = self._within_budget()
        if step >= self._recipe.freeze * schedule.steps:
            self._set(self._within_budget()[1])
            self._frozen = True
        elif step % self._recipe.every == 0:
            above = (1 - min(1.0, step / schedule.steps / self._recipe.shrink)) ** 3
            keep = self._keep_end + (self._recipe.keep_start - self._keep_end) * above
            self._set(keep_masks(self._strengths(), self._recipe.rules, keep))


class _Classes(Objective):
    """Cross entropy of the classes, for a `BinaryNet` from encoded samples and with its pruning, for another network
    without either.
    """

    def __init__(self, net: nn.Module, data: Split, recipe: Recipe):
        self._net = net
        device = next(net.parameters()).device
        x, self._labels = torch.tensor(data.x, device=device), torch.tensor(data.y.astype(np.int64), device=device)
        self._forward = net.classify if isinstance(net, BinaryNet) else net
        self._samples = net.encode(x).to(torch.int8) if isinstance(net, BinaryNet) else x.float()
        self.schedule = Schedule(len(x), recipe.batch, recipe.epochs, _falling)
        self._pruner: _Pruner | None = None
        if isinstance(net, BinaryNet) and recipe.budget is not None:
            self._pruner = _Pruner(net, recipe, recipe.budget, self._samples, self._labels)

    def before_step(self, step: int) -> None:
        if self._pruner:
            self._pruner.prune(step, self.schedule)

    def loss(self, chosen: Tensor) -> Tensor:
        return functional.cross_entropy(self._forward(self._samples[chosen].float()), self._labels[chosen])

    def after_gradients(self) -> None:
        if self._pruner:
            self._pruner.observe()

    @torch.no_grad()
    def after_step(self) -> None:
        """A neuron whose threshold leaves the range of its sums is constant, has no gradient, and would never come
        back.
        """
        for layer in self._net.modules():
            if isinstance(layer, _Neurons):
                reach = REACH * layer.gain.abs()
                layer.bias.copy_(layer.bias.clamp(-reach, reach))


def _falling(progress: float) -> float:
    """Along a cosine."""
    return max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))


def _groups(net: nn.Module, rate: float) -> list[dict]:
    """Parameters and their learning rates."""
    thresholds = [
        weight for layer in net.modules() if isinstance(layer, _Neurons) for weight in (layer.gain, layer.bias)
    ]
    known = set(map(id, thresholds))
    return [
        {"params": [weight for weight in net.parameters() if id(weight) not in known]},
        {"params": thresholds, "lr": rate * THRESHOLD_RATE},
    ]


def fit(net: nn.Module, data: Split, recipe: Recipe, title: str) -> None:
    """Trains on images (n, c, h, w) and labels, where the network's weights are; a `BinaryNet` is encoded once
    beforehand. Deterministic for a seed on one thread of a CPU; on another device sums are rounded otherwise.
    """
    torch.manual_seed(recipe.seed)
    objective = _Classes(net, data, recipe)
    optimizer = torch.optim.Adam(_groups(net, recipe.learning_rate), lr=recipe.learning_rate)
    train(net, objective, optimizer, objective.schedule, title)


@torch.no_grad()
def accuracy(net: nn.Module, data: Split) -> float:
    """Fraction of labels that the network, in evaluation mode, gets right."""
    net.eval()
    device = next(net.parameters()).device
    x, y = torch.tensor(data.x, device=device), torch.tensor(data.y.astype(np.int64), device=device)
    right = sum(
        int((net(part if isinstance(net, BinaryNet) else part.float()).argmax(1) == label).sum())
        for part, label in zip(x.split(2000), y.split(2000), strict=True)
    )
    return right / len(x)
