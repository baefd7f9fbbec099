"""The training loop: all samples in a new order every epoch, a learning rate that falls, progress on the terminal."""

import io
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from logicnn.errors import LogicnnError
from logicnn.storage import replace_file

__all__ = ["Kept", "Objective", "Schedule", "batch_of", "train"]

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


def batch_of(samples: int, most: int) -> int:
    """Twenty steps an epoch at least."""
    return max(8, min(most, samples // 20))


@dataclass(frozen=True)
class Kept:
    """A file with what a training has come to, and of which training it is: one that was interrupted goes on from the
    last epoch that was kept, on a CPU to the very same result.
    """

    path: Path
    of: str
    every_s: float = 20.0

    def restore(self, net: nn.Module, optimizer: torch.optim.Optimizer, decay: Any) -> int:
        """Takes over what there is; returns how many epochs are done. Raises `LogicnnError` where it is of another
        training.
        """
        if not self.path.parent.is_dir():
            raise LogicnnError(f"{self.path} must be in a folder that is there")
        if not self.path.exists():
            return 0
        try:
            found = torch.load(self.path, weights_only=True)
            of, epochs = found["of"], int(found["epochs"])
            if of == self.of:
                net.load_state_dict(found["net"])
                optimizer.load_state_dict(found["optimizer"])
                decay.load_state_dict(found["decay"])
                torch.set_rng_state(found["generator"])
        except Exception as error:  # a damaged file fails in as many ways as zipfile, pickle and torch have
            raise LogicnnError(f"{self.path} is no training that was interrupted: {error}") from None
        if of != self.of:
            raise LogicnnError(f"{self.path} is of another training: {of}; remove it to begin anew")
        return epochs

    def save(self, epochs: int, net: nn.Module, optimizer: torch.optim.Optimizer, decay: Any) -> None:
        parts = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "decay": decay.state_dict()}
        made = io.BytesIO()
        torch.save(parts | {"of": self.of, "epochs": epochs, "generator": torch.get_rng_state()}, made)
        replace_file(self.path, made.getvalue())


def train(
    net: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    title: str,
    kept: Kept | None = None,
) -> None:
    """Takes the steps; the network is in evaluation mode in the end. The order of samples comes from torch's own
    generator, which the caller seeds. With `kept` it goes on where it was interrupted; the file stays until the caller
    has what it needs.
    """
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.rate(step / schedule.steps))
    done = kept.restore(net, optimizer, decay) if kept else 0
    saved_at = time.monotonic()
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
        for epoch in range(done, schedule.epochs):
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
            if kept and time.monotonic() - saved_at > kept.every_s:
                kept.save(epoch + 1, net, optimizer, decay)
                saved_at = time.monotonic()
    net.eval()
    if kept:
        kept.save(schedule.epochs, net, optimizer, decay)
