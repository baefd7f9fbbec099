"""A trained float module of PyTorch as a `Network` of few-bit integers: quantised after training, and trained on where
that loses too much.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Network, Picture, Preparation, Standardised
from logicnn.nn.integer import QuantNet, Recipe, Scheme, class_loss, export, fit, quantise

__all__ = ["Converted", "convert"]

AT_ONCE = 4096  # samples
SOFTMAX = nn.Softmax, nn.LogSoftmax  # in the end they change no class


@dataclass(frozen=True, eq=False)
class Converted:
    """What became of a module: the `network`; `net`, which trains on; its samples as integers x; the classes that the
    module gave to each, and those that are right, or None.
    """

    network: Network
    net: QuantNet
    x: np.ndarray
    before: np.ndarray
    y: np.ndarray | None

    @property
    def agreement(self) -> float:
        """The fraction of samples to which module and network give the same class."""
        return float(np.mean(self.network.evaluate(self.x) == self.before))

    @property
    def accuracy(self) -> float | None:
        """Of the network."""
        return None if self.y is None else float(np.mean(self.network.evaluate(self.x) == self.y))

    @property
    def float_accuracy(self) -> float | None:
        """Of the module."""
        return None if self.y is None else float(np.mean(self.before == self.y))

    def __str__(self) -> str:
        rows = [("same class", self.agreement), ("float", self.float_accuracy), ("quantised", self.accuracy)]
        return "\n".join(f"{name:<12}{value:.2%}" for name, value in rows if value is not None)

    def fine_tuned(self, epochs: int, learning_rate: float = 1e-3, seed: int = 1) -> "Converted":
        """Trained on as integers, on the samples and what is right of them, else what the module gave."""
        net = self.net.copy()
        labels = self.before if self.y is None else self.y
        torch.manual_seed(seed)
        recipe = Recipe(epochs, learning_rate, seed, batch=min(1024, max(1, len(self.x) // 8)))
        fit(net, self.x, labels, class_loss, recipe, "fine tuning")
        made = export(net, self.network.name, "", tuple(self.network.labels))
        return replace(self, net=net, network=replace(made, preparation=self.network.preparation))


def convert(
    module: nn.Module,
    samples: np.ndarray,
    y: np.ndarray | None = None,
    *,
    scale: float | None = None,
    scheme: Scheme | None = None,
    name: str = "",
    labels: Sequence[str] = (),
) -> Converted:
    """Quantises a Sequential of Linear, Conv2d, batch norm, MaxPool2d, Flatten, ReLU, ReLU6, Hardtanh and any module of
    one's own that gives signs, and sequences inside.

    `samples` (n, ...) float are as the module reads them, and calibrate the ranges of activations; `y` (n,) are their
    classes, where they are known. `scale` is what one integer of the network's input stands for, as 1 / 255 of pixels;
    without it, a power of two with which the samples take 8 bits. The module stays as it is. `scheme` has the bits of
    weights and activations: 8, and 7 of activations where inputs are signed, so that all words have 8.

    The network's preparation takes rows of such numbers, or pictures where `scale` is 1 / 255. Raises `LogicnnError`,
    with the layer's path, for a module that has no integer form.
    """
    if not isinstance(module, nn.Sequential):
        raise LogicnnError(f"module must be an nn.Sequential, not a {type(module).__name__} with a forward of its own")
    x = np.asarray(samples, np.float32)
    if x.ndim not in (2, 4) or not x.size or not np.isfinite(x).all():
        raise LogicnnError(
            f"samples must be finite numbers (n, columns) or (n, channels, rows, columns), not {x.shape}"
        )
    if y is not None and np.shape(y) != x.shape[:1]:
        raise LogicnnError(f"y must be a class for each of {len(x)} samples, not of shape {np.shape(y)}")
    interval = Interval(-128, 127) if x.min() < 0 else Interval(0, 255)
    step = scale if scale is not None else _unit(x, interval)
    if not (np.isfinite(step) and step > 0):
        raise LogicnnError(f"scale must be above 0, not {scale}")
    words = np.clip(np.rint(x / step), interval.low, interval.high).astype(np.int64)
    exponent = int(np.round(-np.log2(step)))
    softmax = len(module) > 0 and isinstance(module[-1], SOFTMAX)
    whole = nn.Sequential(*list(module)[:-1]) if softmax else module
    net = quantise(
        _scaled(whole, step * 2.0**exponent),
        Activations(x.shape[1:], interval),
        exponent,
        scheme or Scheme(activation_bits=7 if interval.low < 0 else 8),
        torch.from_numpy(words),
    )
    network = replace(export(net, name, "", tuple(labels)), preparation=_preparation(x, step, interval))
    return Converted(network, net, words, _classes(module, x), None if y is None else np.asarray(y))


def _unit(x: np.ndarray, interval: Interval) -> float:
    """The power of two with which the largest value is within the interval."""
    most = max(float(x.max()) / interval.high, float(x.min()) / interval.low if interval.low else 0.0)
    return 2.0 ** int(np.ceil(np.log2(most))) if most > 0 else 1.0


def _scaled(module: nn.Sequential, factor: float) -> nn.Sequential:
    """The module for inputs that are so many times smaller."""
    if factor == 1:
        return module
    made = copy.deepcopy(module)
    first = next((each for each in made.modules() if isinstance(each, nn.Linear | nn.Conv2d)), None)
    if first is not None:
        with torch.no_grad():
            first.weight.mul_(factor)
    return made


def _preparation(x: np.ndarray, step: float, interval: Interval) -> Preparation | None:
    if x.ndim == 2:
        columns = [f"column {place}" for place in range(1, x.shape[1] + 1)]
        count = len(columns)
        return Standardised(columns, [0.0] * count, [1.0] * count, 1 / step, interval.low, interval.high)
    if x.shape[1] in (1, 3) and interval.low == 0 and np.isclose(step, 1 / 255):
        return Picture("L" if x.shape[1] == 1 else "RGB", x.shape[2], x.shape[3], interval.high)
    return None


@torch.no_grad()
def _classes(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """As the module gives them when it is not trained."""
    training = module.training
    module.eval()
    scores = [module(torch.from_numpy(part)) for part in np.array_split(x, max(1, len(x) // AT_ONCE))]
    module.train(training)
    return torch.cat(scores).argmax(1).numpy()
