"""How a network is built: one engine description for each layer, with what it predicts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Activations, BinaryDense, Layer, Network, Threshold
from logicnn.popcounts import PopcountLayer, weights_and_thresholds

__all__ = ["Mapping", "MappingError", "Shared", "Unrolled"]


class MappingError(LogicnnError):
    """A mapping that does not suit its network."""


@dataclass(frozen=True)
class Unrolled:
    """Every neuron is its own logic; with `register`, the layer's outputs are registered."""

    register: bool = False


@dataclass(frozen=True)
class Shared:
    """The neurons of a `BinaryDense` with thresholds share partial popcounts; with `register`, the layer's outputs are registered."""

    popcounts: PopcountLayer
    register: bool = False

    def computes(self, layer: Layer, given: Activations) -> bool:
        """Whether the popcounts are those of the layer."""
        if not isinstance(layer, BinaryDense) or not isinstance(layer.activation, Threshold):
            return False
        weights, thresholds = weights_and_thresholds(list(layer.neurons(given)), given.size)
        return np.array_equal(self.popcounts.matrix, weights) and self.popcounts.thresholds == thresholds


Engine = Unrolled | Shared


@dataclass(frozen=True)
class Mapping:
    """A network and an engine for each of its layers on bits (``network.layers[network.core_start:]``)."""

    network: Network
    engines: Sequence[Engine]

    def __post_init__(self) -> None:
        count = len(self.network.layers) - self.network.core_start
        if len(self.engines) != count:
            raise MappingError(f"engines must be {count}, one for each layer on bits, not {len(self.engines)}")
        for index, engine in enumerate(self.engines, self.network.core_start):
            if isinstance(engine, Shared) and not engine.computes(self.network.layers[index], self.network.activations[index]):
                raise MappingError(f"engines[{index - self.network.core_start}] must share the popcounts of layer {index}, not of another")
        object.__setattr__(self, "engines", tuple(self.engines))

    @classmethod
    def unrolled(cls, network: Network, registers_after: Collection[int] = ()) -> "Mapping":
        """Combinational logic, with a register rank after the layers whose index in ``network.layers`` is in `registers_after`."""
        indices = range(network.core_start, len(network.layers))
        wrong = [index for index in registers_after if index not in indices]
        if wrong:
            raise MappingError(f"registers_after must name layers {indices.start} ... {indices.stop - 1}, not {wrong[0]}")
        return cls(network, tuple(Unrolled(index in registers_after) for index in indices))

    @property
    def latency(self) -> int:
        """Clock cycles from an input to its output: 0 for combinational logic."""
        return sum(engine.register for engine in self.engines)

    @property
    def interval(self) -> int:
        """Clock cycles between inputs."""
        return 1
