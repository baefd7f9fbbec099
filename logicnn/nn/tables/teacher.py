"""A float network that learned tables are taught by (`fit(..., teacher=)`): small, and trained in a few minutes of one
core. What it costs is its own training, once for data, and its answers for every batch of the tables' training.
"""

import io
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from logicnn.data.dataset import Split
from logicnn.errors import LogicnnError
from logicnn.nn.loop import train
from logicnn.nn.tables.training import Classes, Recipe
from logicnn.storage import digest_of, replace_file

__all__ = ["Teacher", "taught"]

CHANNELS = 16, 32  # of two convolutions, each at every other pixel
HIDDEN = 128  # neurons of a dense layer
RATE = 0.002


@dataclass(frozen=True)
class Teacher:
    """A network from samples (n, ...) to scores of classes, in evaluation mode, and the seconds that it was trained
    for.
    """

    net: nn.Module
    seconds: float

    @property
    def parameters(self) -> int:
        return sum(each.numel() for each in self.net.parameters())

    @torch.no_grad()
    def accuracy(self, split: Split) -> float:
        """The share of samples whose class it knows."""
        device = next(self.net.parameters()).device
        parts = torch.from_numpy(split.x).split(1000)
        answers = torch.cat([self.net(part.to(device)).argmax(1).cpu() for part in parts])
        return float(np.mean(answers.numpy() == split.y))


class _Standardised(nn.Module):
    """Integers as they deviate from the mean, of each column of numbers, or of all pixels."""

    def __init__(self, x: np.ndarray):
        super().__init__()
        over = 0 if x.ndim == 2 else None
        deviation = x.std(over, dtype=np.float64)
        self.register_buffer("mean", torch.tensor(x.mean(over, dtype=np.float64), dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(np.where(deviation > 0, deviation, 1), dtype=torch.float32))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() - self.mean) / self.deviation


def _net(x: np.ndarray, classes: int) -> nn.Module:
    """Two convolutions and two dense layers for pictures, three dense layers for columns of numbers."""
    layers: list[nn.Module] = [_Standardised(x)]
    size = prod(x.shape[1:])
    if x.ndim == 4:
        before, *side = x.shape[1:]
        for channels in CHANNELS:
            layers += [nn.Conv2d(before, channels, 5, 2, 2), nn.BatchNorm2d(channels), nn.ReLU()]
            before, side = channels, [(each + 1) // 2 for each in side]
        layers.append(nn.Flatten())
        size = before * prod(side)
    else:
        layers += [nn.Linear(size, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()]
        size = HIDDEN
    return nn.Sequential(*layers, nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


def taught(data: Split, classes: int, recipe: Recipe, folder: Path, device: str = "cpu") -> Teacher:
    """A teacher for samples (n, columns) or (n, channels, rows, columns), trained for the recipe's epochs, in batches
    of its size, as varied as it says, and with seed 1: tables of several seeds have one teacher. It is kept in the
    folder, and found there again. Raises `LogicnnError` where that is damaged.
    """
    recipe = Recipe(recipe.epochs, RATE, 1, recipe.batch, recipe.variety)
    torch.manual_seed(recipe.seed)
    net = _net(data.x, classes).to(device)
    start = [each.detach().cpu().numpy() for each in net.state_dict().values()]
    path = folder / f"teacher-{digest_of(data.x, data.y, repr(recipe), *start)[:12]}.pt"
    if path.exists():
        return _kept(net, path)
    began = time.monotonic()
    objective = Classes(net, data, recipe)
    optimizer = torch.optim.Adam(net.parameters(), recipe.learning_rate)
    train(net, objective, optimizer, objective.schedule, "teacher")
    seconds = round(time.monotonic() - began, 1)
    made = io.BytesIO()
    torch.save({"net": net.state_dict(), "seconds": seconds}, made)
    replace_file(path, made.getvalue())
    return Teacher(net, seconds)


def _kept(net: nn.Module, path: Path) -> Teacher:
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        net.load_state_dict(found["net"])
        return Teacher(net.eval(), float(found["seconds"]))
    except Exception as error:  # a damaged file fails in as many ways as zipfile, pickle and torch have
        raise LogicnnError(f"{path} is no teacher that was kept; remove it to train one: {error}") from None
