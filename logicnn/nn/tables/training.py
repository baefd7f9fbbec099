"""Training of networks of learned tables: Adam, a learning rate that rises and falls once, pictures moved, turned and
stretched a little.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.data.dataset import Split
from logicnn.errors import LogicnnError
from logicnn.nn.loop import Kept, Objective, Schedule, train
from logicnn.nn.tables.layers import Learned, TableNet
from logicnn.storage import digest_of

__all__ = ["Classes", "Recipe", "Variety", "fit"]

RISE = 0.1  # of the steps, in which the learning rate rises
WORN = 0.05  # of a theta beyond -1 ... 1 that is taken back a step: its table is certain enough


@dataclass(frozen=True)
class Variety:
    """What pictures might also look like: moved by up to so many pixels, turned by up to so many degrees, larger or
    smaller by up to such a fraction.
    """

    moved: float = 0.0
    turned: float = 0.0
    stretched: float = 0.0

    def varied(self, x: Tensor) -> Tensor:  # (n, channels, rows, columns) of any type -> float; what comes in is 0
        if not (self.moved or self.turned or self.stretched):
            return x
        if x.dim() != 4:
            raise LogicnnError(f"variety is of pictures, not of samples of shape {tuple(x.shape[1:])}")
        count, (rows, columns) = len(x), x.shape[2:]

        def drawn(most: float) -> Tensor:
            return (torch.rand(count, device=x.device) * 2 - 1) * most

        angle = drawn(math.radians(self.turned))
        cos, sin = torch.cos(angle), torch.sin(angle)
        wide, high = 1 + drawn(self.stretched), 1 + drawn(self.stretched)
        right, down = drawn(2 * self.moved / columns), drawn(2 * self.moved / rows)
        lines = torch.stack([wide * cos, -wide * sin, right, high * sin, high * cos, down], 1).view(count, 2, 3)
        grid = functional.affine_grid(lines, list(x.shape), align_corners=False)
        return functional.grid_sample(x.float(), grid, align_corners=False)


@dataclass(frozen=True)
class Recipe:
    """How to train. Connections are learned with `choice_rate` times the learning rate. Where there is a teacher, a
    share `mix` of the loss is how far answers are from its own, both with scores divided by a `temperature`, which
    leaves more of them than the greatest (Hinton, Vinyals, Dean, arXiv 1503.02531).
    """

    epochs: int
    learning_rate: float = 0.01
    seed: int = 1
    batch: int = 256
    variety: Variety = Variety()
    choice_rate: float = 1.0
    temperature: float = 1.5
    mix: float = 0.7

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if (given := getattr(self, name)) < 1:
                raise LogicnnError(f"{name} must be 1 at least, not {given}")
        for name in ("learning_rate", "choice_rate", "temperature"):
            if not 0 < (given := getattr(self, name)) < math.inf:
                raise LogicnnError(f"{name} must be above 0 and finite, not {given}")
        if not 0 <= self.mix <= 1:
            raise LogicnnError(f"mix must be in 0 ... 1, not {self.mix}")


class Classes(Objective):
    """Cross entropy of the classes that a network (n, ...) -> (n, classes) gives for samples as varied as the recipe
    says; with a teacher, of its answers, too.
    """

    def __init__(self, net: nn.Module, data: Split, recipe: Recipe, teacher: nn.Module | None = None):
        self._net, self._recipe, self._teacher = net, recipe, teacher
        device = next(net.parameters()).device
        self._labels = torch.tensor(data.y.astype(np.int64), device=device)
        self._samples = torch.tensor(data.x, device=device)
        self.schedule = Schedule(len(data.x), recipe.batch, recipe.epochs, _once)

    def loss(self, chosen: Tensor) -> Tensor:
        x = self._recipe.variety.varied(self._samples[chosen])
        scores = self._net(x)
        hard = functional.cross_entropy(scores, self._labels[chosen])
        if self._teacher is None:
            return hard
        heat, mix = self._recipe.temperature, self._recipe.mix
        with torch.no_grad():
            answers = (self._teacher(x) / heat).softmax(1)
        # Gradients of scores that are divided by the temperature fall with its square
        soft = functional.cross_entropy(scores / heat, answers) * heat**2
        return (1 - mix) * hard + mix * soft


class _Tables(Classes):
    """The same, for learned tables."""

    def __init__(self, net: TableNet, data: Split, recipe: Recipe, teacher: nn.Module | None):
        super().__init__(net, data, recipe, teacher)
        self._layers = net.layers
        self._learned = [each.connections for each in net.layers if isinstance(each.connections, Learned)]

    @torch.no_grad()
    def after_step(self) -> None:
        for layer in self._layers:
            layer.theta.clamp_(-1 - WORN, 1 + WORN)
        for each in self._learned:
            each.settle()


def _once(progress: float) -> float:
    """Up along a line, and down along a cosine."""
    if progress < RISE:
        return 0.05 + 0.95 * progress / RISE
    return max(0.001, 0.5 * (1 + math.cos(math.pi * (progress - RISE) / (1 - RISE))))


def fit(
    net: TableNet, data: Split, recipe: Recipe, title: str, kept: Path | None = None, teacher: nn.Module | None = None
) -> None:
    """Trains on samples (n, ...) and labels, where the network's weights are, and the `teacher`, (n, ...) to scores of
    classes. Deterministic for a seed on one thread of a CPU. A training that was interrupted goes on from the file
    `kept`, which is the caller's to remove.
    """
    torch.manual_seed(recipe.seed)
    objective = _Tables(net, data, recipe, teacher)
    chosen = [each.connections.scores for each in net.layers if isinstance(each.connections, Learned)]
    others = [each for name, each in net.named_parameters() if not name.endswith("connections.scores")]
    groups = [{"params": others}, {"params": chosen, "lr": recipe.learning_rate * recipe.choice_rate}]
    optimizer = torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
    state = [each.detach().cpu().numpy() for part in (net, teacher) if part for each in part.state_dict().values()]
    of = f"{len(data.x)} samples, {recipe}, {digest_of(data.x, data.y, net.thermometer.thresholds, *state)[:12]}"
    train(net, objective, optimizer, objective.schedule, title, Kept(kept, of) if kept else None)
