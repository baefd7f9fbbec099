"""What an importer makes of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Layer, Network
from logicnn.network.values import NetworkError

__all__ = ["Given", "ImportRefused", "Imported", "Importer"]


class ImportRefused(LogicnnError):
    """A file that is damaged, or that holds what no `Network` computes; the message names the node, in one line."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # a file's names may hold anything


@dataclass(frozen=True)
class Given:
    """What the network is given: integers in `interval`, each of which stands for itself times `scale` in the file."""

    interval: Interval
    scale: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < float("inf"):
            raise ImportRefused(f"scale must be above 0 and finite, not {self.scale}")


@dataclass(frozen=True)
class Imported:
    """A network, what the parts of the file became, and `scores`, the file's own output (levels,) for each integer
    score of a class, from the lowest on. Samples of the file may have their channels last, where the network's have
    them first.
    """

    network: Network
    parts: tuple[str, ...]
    scores: np.ndarray
    channels_last: bool = False

    def inputs(self, samples: np.ndarray) -> np.ndarray:  # (n, ...) -> (n, *network.input.shape)
        """The file's samples as the network reads them."""
        shape = self.network.input.shape
        if self.channels_last:
            return np.moveaxis(samples.reshape(-1, *shape[1:], shape[0]), -1, 1)
        return samples.reshape(-1, *shape)

    def outputs(self, integers: np.ndarray) -> np.ndarray:  # (n, *network.output.shape) -> as the file gives them
        """What the file gives for outputs of a network that gives no class."""
        numbers = self.scores[integers - self.network.output.interval.low]
        return np.moveaxis(numbers, 1, -1) if numbers.ndim == 4 else numbers


class Walk:
    """Along a file: the layers that it has needed so far, what is behind them, and what its parts became."""

    layers: list[Layer]
    parts: list[str]
    activations: Activations | None

    def _add(self, layer: Layer, what: str) -> None:
        assert self.activations is not None
        try:
            self.activations = layer.infer(self.activations)
        except NetworkError as error:
            raise ImportRefused(f"{what}: {error}") from None
        self.layers.append(layer)


@dataclass(frozen=True)
class Importer:
    """For files with `suffix`: ``read(path, given)``, where `given` may be None: what such files usually read."""

    suffix: str
    read: Callable[[Path, Given | None], Imported]
