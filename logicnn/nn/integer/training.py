"""Training of quantised networks: Adam, magnitude pruning to a density on the way, and a cost of weights that are
expensive as logic.

Pruning follows Zhu and Gupta (arXiv 1710.01878): the density falls from 1 along ``d + (1 - d) (1 - t / shrink)^3``; the
weakest weights of a layer, each measured against its neuron's largest, go first; in the last part of the run masks are
frozen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.arithmetic.weight_costs import smooth_cost
from logicnn.errors import LogicnnError
from logicnn.nn.integer.layers import QuantLayer, QuantNet
from logicnn.nn.loop import Objective, Schedule, train

__all__ = [
    "CPU",
    "Augmentation",
    "Cost",
    "Loss",
    "Machine",
    "Recipe",
    "choose",
    "class_loss",
    "decide",
    "fit",
    "score_loss",
]

Loss = Callable[[Tensor, Tensor], Tensor]  # (n, scores), (n,) labels -> the mean


def class_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of a score for each class; of one score, of its being above 0."""
    if scores.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(scores[:, 0], labels.float())
    return functional.cross_entropy(scores, labels)


def score_loss(levels: Sequence[float]) -> Loss:
    """Mean square of one score's distance from the level of the label."""

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        return functional.mse_loss(
            scores[:, 0], torch.tensor(levels, dtype=torch.float32, device=labels.device)[labels]
        )

    return loss


@torch.no_grad()
def decide(net: nn.Module, x: np.ndarray, thresholds: Sequence[float] = (), at_once: int = 8192) -> np.ndarray:
    """Classes by the greatest score, or by the thresholds that one score reaches; on the CPU, about `at_once` samples
    in memory.
    """
    net.eval()
    scores = torch.cat(
        [net(torch.from_numpy(part).float()) for part in np.array_split(x, max(1, len(x) // at_once))]
    ).numpy()
    return np.searchsorted(np.array(thresholds), scores[:, 0], side="right") if thresholds else scores.argmax(1)


@dataclass(frozen=True)
class Cost:
    """What weights cost in the loss: `weight` times the mean over kept weights of `smooth_cost` of the layer's
    choices.
    """

    weight: float
    distance: float = 0.15  # signed digits that one step of a weight is worth
    temperature: float = 0.3
    steps: int = 4

    def table(self, choices: np.ndarray, limit: int) -> Tensor:
        return torch.from_numpy(smooth_cost(choices, self.distance, self.temperature, limit, self.steps)).float()

    def of(self, layers: Sequence[QuantLayer], tables: Sequence[Tensor]) -> Tensor:
        """The cost of these layers' weights, each from its `table`."""
        total, count = torch.zeros(()), 0.0
        for layer, table in zip(layers, tables, strict=True):
            at = (layer.scaled().clamp(-layer.limit, layer.limit) + layer.limit) * self.steps
            low = at.detach().floor().clamp(0, len(table) - 2).long()
            between = torch.lerp(table[low], table[low + 1], at - low)
            total = total + (between * layer.mask).sum()
            count += float(layer.mask.sum())
        return total / max(1.0, count)


Augmentation = Callable[[Tensor], Tensor]  # a batch of samples, as the network reads them -> as many others


@dataclass(frozen=True)
class Recipe:
    """How to train. `density` is that of every layer's weights in the end (1: no pruning; None: the masks stay as they
    are).

    The learning rate falls along a cosine, or at each epoch of `drops` to so many times itself.
    """

    epochs: int
    learning_rate: float
    seed: int
    batch: int = 1024
    density: Sequence[float] | None = None
    shrink: float = 0.5
    cost: Cost | None = None
    drops: Mapping[int, float] = field(default_factory=dict)
    augment: Augmentation | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise LogicnnError(f"Recipe.{name} must be at least 1, not {getattr(self, name)}")

    def rate(self, progress: float) -> float:
        """By what the learning rate is multiplied at a share of the run."""
        if self.drops:
            return math.prod(factor for epoch, factor in self.drops.items() if progress * self.epochs >= epoch)
        return max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class Machine:
    """Where a network is trained, a torch device, and whether it multiplies bfloat16 numbers. It comes from the CPU and
    returns there.
    """

    device: str = "cpu"
    half: bool = False

    def batch(self, x: Tensor) -> Tensor:
        """Samples in the order in memory that is fast: images in bfloat16 with their channels last."""
        return x.contiguous(memory_format=torch.channels_last) if self.half and x.dim() == 4 else x


CPU = Machine()
EVERY = 20  # steps from one pruning to the next


def choose(net: QuantNet, choices: np.ndarray | None) -> None:
    """Restricts every layer's weights to these integers (None: all)."""
    for layer in net.layers:
        layer.choices = None if choices is None else torch.from_numpy(choices[np.abs(choices) <= layer.limit]).float()


@torch.no_grad()
def _prune(layers: Sequence[QuantLayer], density: Sequence[float], progress: float, shrink: float) -> None:
    above = (1 - min(1.0, progress / shrink)) ** 3
    for layer, wanted in zip(layers, density, strict=True):
        strength = layer.weight.abs().flatten(1)
        strength = strength / strength.amax(1, keepdim=True).clamp_min(1e-9)
        kept = max(len(strength), round((wanted + (1 - wanted) * above) * strength.numel()))
        mask = torch.zeros_like(strength).flatten()
        mask[strength.flatten().topk(kept).indices] = 1
        layer.mask.copy_(mask.view_as(layer.mask))


class _Integers(Objective):
    """A loss of the scores, on a machine; of a `QuantNet`, with its pruning and the cost of its weights."""

    def __init__(self, net: nn.Module, x: np.ndarray, y: np.ndarray, loss: Loss, recipe: Recipe, machine: Machine):
        self._net, self._loss, self._recipe, self._machine = net, loss, recipe, machine
        self._samples = torch.from_numpy(x).to(machine.device)
        self._labels = torch.from_numpy(y.astype(np.int64)).to(machine.device)
        self.schedule = Schedule(len(x), recipe.batch, recipe.epochs, recipe.rate)
        self._layers = net.layers if isinstance(net, QuantNet) else []
        cost = recipe.cost
        self._costs = (
            [cost.table(_choices(layer), layer.limit).to(machine.device) for layer in self._layers] if cost else []
        )

    def before_step(self, step: int) -> None:
        density, shrink, steps = self._recipe.density, self._recipe.shrink, self.schedule.steps
        if self._layers and density is not None and step % EVERY == 0 and step <= shrink * steps + EVERY:
            _prune(self._layers, density, step / steps, shrink)

    def loss(self, chosen: Tensor) -> Tensor:
        chosen, recipe, machine = chosen.to(self._machine.device), self._recipe, self._machine
        batch = self._samples[chosen].float()
        with torch.autocast(torch.device(machine.device).type, torch.bfloat16, machine.half):
            scores = self._net(machine.batch(recipe.augment(batch) if recipe.augment else batch))
        value = self._loss(scores.float(), self._labels[chosen])
        if self._costs and recipe.cost:
            value = value + recipe.cost.weight * recipe.cost.of(self._layers, self._costs)
        return value


def _choices(layer: QuantLayer) -> np.ndarray:
    """The integers that its weights may be."""
    if layer.choices is None:
        return np.arange(-layer.limit, layer.limit + 1)
    return layer.choices.numpy().astype(np.int64)


def fit(
    net: nn.Module, x: np.ndarray, y: np.ndarray, loss: Loss, recipe: Recipe, title: str, machine: Machine = CPU
) -> None:
    """Trains on x (n, ...) and labels y (n,). Deterministic for a seed on one thread of a CPU."""
    torch.manual_seed(recipe.seed)
    torch.randperm(len(x))  # a draw that nothing uses, for the networks that were trained with it to come out again
    net.to(machine.device)
    objective = _Integers(net, x, y, loss, recipe, machine)
    train(net, objective, torch.optim.Adam(net.parameters(), lr=recipe.learning_rate), objective.schedule, title)
    net.to("cpu")
