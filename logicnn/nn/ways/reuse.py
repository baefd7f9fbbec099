"""Dense layers of eight bits on few multipliers (`logicnn.engines.reused`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import Labelled, OwnData
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Network, Preparation, Standardised
from logicnn.nn import integer
from logicnn.nn.choices import Choice, Chosen, Number, Option
from logicnn.nn.loop import batch_of
from logicnn.nn.search import Way
from logicnn.resources import Device

__all__ = ["WAY", "Words", "Wordy"]

CALIBRATED, SKETCHED = 8192, 64  # samples


@dataclass(frozen=True)
class Wordy:
    """A network of words of eight bits: its hidden neurons."""

    hidden: tuple[int, ...]
    learning_rate: float


class Words(Way[Wordy]):
    """Dense layers of eight bits on as many multipliers as the device has (`logicnn.engines.reused`)."""

    STEP, EXPONENT = 32, 5  # integers of a deviation of a column, 2 ** EXPONENT
    FLOAT = 0.6  # of the epochs

    @property
    def engine(self) -> str:
        return "reused"

    def preparation(self, own: OwnData, train: Labelled) -> Preparation:
        return own.picture or Standardised.of(train.x, own.columns, self.STEP, -128, 127)

    def candidates(self, data: Dataset, device: Device) -> Sequence[Wordy]:
        if not device.multipliers:
            raise LogicnnError(f"--engine reuse needs multipliers, which the {device.name} has none of")
        return [Wordy(hidden, rate) for hidden in ((64, 32), (32, 16), (128, 64), (96,)) for rate in (3e-3,)]

    def choices(self, data: Dataset, device: Device) -> dict[str, Choice]:
        first = self.candidates(data, device)[0]
        return {
            "layers": Option((1, 2), len(first.hidden)),  # each but the first half as wide as the one before
            "neurons": Number(8, 256, first.hidden[0], log=True, also=(first.hidden[0] // 2, 2 * first.hidden[0])),
            "learning_rate": Number(5e-4, 2e-2, first.learning_rate, log=True),
        }

    def candidate(self, chosen: Chosen, data: Dataset, device: Device) -> Wordy:
        widths = (max(1, int(chosen["neurons"]) >> layer) for layer in range(int(chosen["layers"])))
        return Wordy(tuple(widths), chosen["learning_rate"])

    def sketch(self, candidate: Wordy, data: Dataset) -> Network:
        torch.manual_seed(0)
        net = self._floating(candidate, data).eval()
        return integer.export(self._quantised(net, data, data.train.x[:SKETCHED]))

    def trained(self, candidate: Wordy, data: Dataset, train: Split, epochs: int, seed: int) -> Network:
        torch.manual_seed(seed)
        net = self._floating(candidate, data)
        floats = max(1, round(epochs * self.FLOAT))
        recipe = integer.Recipe(floats, candidate.learning_rate, seed, batch=batch_of(len(train.x), 500))
        real = train.x.astype(np.float32) * 2.0 ** -self._exponent(data)
        title = "-".join(map(str, candidate.hidden))
        integer.fit(net, real, train.y, integer.class_loss, recipe, f"{title}, float")
        made = self._quantised(net, data, train.x[:CALIBRATED])
        recipe = replace(recipe, epochs=max(1, epochs - floats), learning_rate=candidate.learning_rate / 3)
        integer.fit(made, train.x, train.y, integer.class_loss, recipe, f"{title}, 8 bits")
        return replace(integer.export(made, data.name, "", data.classes), preparation=data.preparation)

    def _exponent(self, data: Dataset) -> int:
        """Integers are values times 2 to the power of this."""
        return self.EXPONENT if data.lowest < 0 else 8

    def _floating(self, candidate: Wordy, data: Dataset) -> nn.Sequential:
        """The network of floats, untrained."""
        shape = data.train.x.shape[1:]
        sizes = [int(np.prod(shape)), *candidate.hidden]
        layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], len(data.classes)))

    def _quantised(self, net: nn.Sequential, data: Dataset, sample: np.ndarray) -> integer.QuantNet:
        given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
        scheme = integer.Scheme(activation_bits=7 if data.lowest < 0 else 8)
        return integer.quantise(net, given, self._exponent(data), scheme, torch.from_numpy(sample))

    def mapping(self, network: Network, device: Device) -> Mapping:
        return Mapping([Reused.of(network, 0, len(network.layers), device)])

    def smaller(self, candidate: Wordy, cells: int) -> Wordy | None:
        return None


WAY = Words()
