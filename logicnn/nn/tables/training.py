"""Training of networks of learned tables: Adam, a learning rate that rises and falls once, pictures moved, turned and
stretched a little.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from logicnn.data.dataset import Split
from logicnn.errors import LogicnnError
from logicnn.nn.loop import Kept, Objective, Schedule, train
from logicnn.nn.tables.layers import Learned, TableNet
from logicnn.storage import digest_of

__all__ = ["Recipe", "Variety", "fit"]

RISE = 0.1  # of the steps, in which the learning rate rises
KNOTS = 6  # a side, at which a picture that is bent moves on its own
WORN = 0.05  # of a theta beyond -1 ... 1 that is taken back a step: its table is certain enough


@dataclass(frozen=True)
class Variety:
    """What pictures might also look like: moved by up to so many pixels, turned by up to so many degrees, larger or
    smaller by up to such a fraction, bent so that parts move by so many pixels (standard deviation; Simard, Steinkraus,
    Platt 2003), darker or brighter by up to such a fraction, which makes strokes thinner or thicker.
    """

    moved: float = 0.0
    turned: float = 0.0
    stretched: float = 0.0
    bent: float = 0.0
    lit: float = 0.0

    def varied(self, x: Tensor) -> Tensor:  # (n, channels, rows, columns) of any type -> float; what comes in is 0
        if not (self.moved or self.turned or self.stretched or self.bent or self.lit):
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
        if self.bent:
            knots = torch.randn(count, 2, KNOTS, KNOTS, device=x.device)
            field = functional.interpolate(knots, (rows, columns), mode="bicubic", align_corners=True)
            grid = grid + field.permute(0, 2, 3, 1) * (2 * self.bent / torch.tensor([columns, rows], device=x.device))
        made = functional.grid_sample(x.float(), grid, align_corners=False)
        return made * (1 + drawn(self.lit)).view(-1, 1, 1, 1) if self.lit else made


@dataclass(frozen=True)
class Recipe:
    """How to train. Connections are learned in one of `every` steps, since that is nearly half of its work, with
    `choice_rate` times the learning rate, until a share `settled` of the steps.
    """

    epochs: int
    learning_rate: float = 0.01
    seed: int = 1
    batch: int = 256
    variety: Variety = Variety()
    every: int = 1
    choice_rate: float = 1.0
    settled: float = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "every"):
            if (given := getattr(self, name)) < 1:
                raise LogicnnError(f"{name} must be 1 at least, not {given}")
        for name in ("learning_rate", "choice_rate"):
            if not (given := getattr(self, name)) > 0:
                raise LogicnnError(f"{name} must be above 0, not {given}")
        if not 0 <= self.settled <= 1:
            raise LogicnnError(f"settled must be in 0 ... 1, not {self.settled}")


class _Classes(Objective):
    """Cross entropy of the classes."""

    def __init__(self, net: TableNet, data: Split, recipe: Recipe):
        self._net, self._recipe = net, recipe
        self._learned = [each.connections for each in net.layers if isinstance(each.connections, Learned)]
        device = next(net.parameters()).device
        self._labels = torch.tensor(data.y.astype(np.int64), device=device)
        self._samples = torch.tensor(data.x, device=device)
        self.schedule = Schedule(len(data.x), recipe.batch, recipe.epochs, _once)

    def before_step(self, step: int) -> None:
        early = step < self._recipe.settled * self.schedule.steps
        for each in self._learned:
            each.learns = early and step % self._recipe.every == 0

    def loss(self, chosen: Tensor) -> Tensor:
        scores = self._net(self._recipe.variety.varied(self._samples[chosen]))
        return functional.cross_entropy(scores, self._labels[chosen])

    @torch.no_grad()
    def after_step(self) -> None:
        for layer in self._net.layers:
            layer.theta.clamp_(-1 - WORN, 1 + WORN)
        for each in self._learned:
            if each.learns:
                each.settle()


def _once(progress: float) -> float:
    """Up along a line, and down along a cosine."""
    if progress < RISE:
        return 0.05 + 0.95 * progress / RISE
    return max(0.001, 0.5 * (1 + math.cos(math.pi * (progress - RISE) / (1 - RISE))))


def fit(net: TableNet, data: Split, recipe: Recipe, title: str, kept: Path | None = None) -> None:
    """Trains on samples (n, ...) and labels, where the network's weights are. Deterministic for a seed on one thread of
    a CPU. A training that was interrupted goes on from the file `kept`, which is the caller's to remove.
    """
    torch.manual_seed(recipe.seed)
    objective = _Classes(net, data, recipe)
    chosen = [each.connections.logits for each in net.layers if isinstance(each.connections, Learned)]
    others = [each for name, each in net.named_parameters() if not name.endswith("connections.logits")]
    groups = [{"params": others}, {"params": chosen, "lr": recipe.learning_rate * recipe.choice_rate}]
    optimizer = torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
    thresholds = net.thermometer.thresholds
    state = (each.detach().cpu().numpy() for each in net.state_dict().values())
    of = f"{len(data.x)} samples, {recipe}, {digest_of(data.x, data.y, thresholds, *state)[:12]}" if kept else ""
    train(net, objective, optimizer, objective.schedule, title, Kept(kept, of) if kept else None)
