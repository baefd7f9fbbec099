"""The training loop: all samples in a new order every epoch, a learning rate that falls, progress on the terminal."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

__all__ = ["Objective", "Schedule", "train"]

SHOWN = 20  # steps between two figures of the loss


class Objective(ABC):
    """What training does at a step; a kind of network that prunes or clamps on the way does so here."""

    @abstractmethod
    def loss(self, chosen: Tensor) -> Tensor:
        """The loss of the samples of these numbers."""

    def before_step(self, step: int) -> None:  # noqa: B027  # most objectives need none of these three
        """Called before the loss of each step is asked for."""

    def after_gradients(self) -> None:  # noqa: B027
        """Called when the gradients of a step are there, before weights move."""

    def after_step(self) -> None:  # noqa: B027
        """Called when weights have moved."""


@dataclass(frozen=True)
class Schedule:
    """How many steps training takes, and by what its learning rate is multiplied at a share (0 ... 1) of them."""

    samples: int
    batch: int
    epochs: int
    rate: Callable[[float], float]

    @property
    def epoch_steps(self) -> int:
        """Whole batches of an epoch; the samples that are left over are in others of the next epoch."""
        return max(1, self.samples // self.batch)

    @property
    def steps(self) -> int:
        return self.epoch_steps * self.epochs


def train(
    net: nn.Module, objective: Objective, optimizer: torch.optim.Optimizer, schedule: Schedule, title: str
) -> None:
    """Takes the steps; the network is in evaluation mode in the end. The order of samples comes from torch's own
    generator, which the caller seeds.
    """
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.rate(step / schedule.steps))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    net.train()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=schedule.steps, loss="")
        for epoch in range(schedule.epochs):
            order = torch.randperm(schedule.samples)
            for at in range(schedule.epoch_steps):
                step = epoch * schedule.epoch_steps + at
                objective.before_step(step)
                loss = objective.loss(order[at * schedule.batch : (at + 1) * schedule.batch])
                optimizer.zero_grad()
                loss.backward()
                objective.after_gradients()
                optimizer.step()
                decay.step()
                objective.after_step()
                if step % SHOWN == 0 or step == schedule.steps - 1:
                    bar.update(task, completed=step + 1, loss=f"loss {loss.item():.4f}")
    net.eval()
