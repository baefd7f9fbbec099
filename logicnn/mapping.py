"""How a network is built: one engine description for each layer, or for several in a row, with what it predicts."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from logicnn.embedding import Optimiser, computes, datapath_of, pipelined, run_of
from logicnn.errors import LogicnnError
from logicnn.network import Activations, BinaryDense, IntConv2d, IntDense, Layer, Network, Threshold
from logicnn.pipelines import Slices
from logicnn.popcounts import PopcountLayer, weights_and_thresholds
from logicnn.resources import Device
from logicnn.retiming import Pipeline
from logicnn.sharing import optimise
from logicnn.sparse import MOST_MULTIPLIERS, Plan, planned

__all__ = ["Embedded", "Mapping", "MappingError", "Shared", "Sparse", "Unrolled"]


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


@dataclass(frozen=True)
class Embedded:
    """Integer layers in a row, `layers` of them (a `Flatten` between them counts), as one pipeline of constant additions.

    With `register`, the last layer's outputs are registered, too.
    """

    layers: int
    slices: Slices
    pipeline: Pipeline  # stages of the vertices of `slices`
    register: bool = False

    def computes(self, network: Network, start: int) -> bool:
        """Whether the additions are those of the network's layers."""
        return self.layers == run_of(network, start) and computes(self.slices.datapath, network, start)


@dataclass(frozen=True)
class Sparse:
    """A whole network of pruned kernels on sparse processing engines, layer after layer, from words of its input to its class."""

    plan: Plan


Engine = Unrolled | Shared | Embedded | Sparse


@dataclass(frozen=True)
class Mapping:
    """A network and an engine for each of its layers that are logic (``network.layers[network.core_start:]``), in order.

    An `Embedded` engine is that of several layers, a `Sparse` one that of all; the others are of one.
    """

    network: Network
    engines: Sequence[Engine]

    def __post_init__(self) -> None:
        object.__setattr__(self, "engines", tuple(self.engines))
        count = len(self.network.layers) - self.network.core_start
        covered = sum(_span(engine) for engine in self.engines)
        if covered != count:
            raise MappingError(f"engines must be for {count} layers, not {covered}")
        for place, (index, engine) in enumerate(self.parts()):
            layer = self.network.layers[index]
            match engine:
                case Shared() if not engine.computes(layer, self.network.activations[index]):
                    raise MappingError(f"engines[{place}] must share the popcounts of layer {index}, not of another")
                case Sparse() if engine.plan.network != self.network:
                    raise MappingError(f"engines[{place}] must be for the whole network, not for another")
                case Embedded() if not engine.computes(self.network, index):
                    raise MappingError(f"engines[{place}] must embed layers {index} ... {index + engine.layers - 1}, not others")
                case Unrolled() | Shared() if isinstance(layer, IntDense | IntConv2d):
                    raise MappingError(f"engines[{place}] must be Embedded for layer {index}, which reads integers; use Mapping.embedded")

    def parts(self) -> Iterator[tuple[int, Engine]]:
        """The index in ``network.layers`` of the first layer of every engine, and the engine."""
        index = self.network.core_start
        for engine in self.engines:
            yield index, engine
            index += _span(engine)

    @classmethod
    def unrolled(cls, network: Network, registers_after: Collection[int] = ()) -> "Mapping":
        """Combinational logic, with a register rank after the layers whose index in ``network.layers`` is in `registers_after`."""
        indices = range(network.core_start, len(network.layers))
        wrong = [index for index in registers_after if index not in indices]
        if wrong:
            raise MappingError(f"registers_after must name layers {indices.start} ... {indices.stop - 1}, not {wrong[0]}")
        return cls(network, tuple(Unrolled(index in registers_after) for index in indices))

    @classmethod
    def embedded(
        cls,
        network: Network,
        device: Device,
        *,
        ranks: int | None = None,
        period: float | None = None,
        optimiser: Optimiser = optimise,
    ) -> "Mapping":
        """Integer layers as pipelines for a device with so many register ranks, or for a period in ns; all else as `unrolled`.

        A pipeline with ranks ends in one more, so that what follows has a cycle of its own.
        """
        engines: list[Engine] = []
        index = network.core_start
        while index < len(network.layers):
            count = run_of(network, index)
            if count:
                slices, pipeline = pipelined(datapath_of(network, index, optimiser), device, ranks=ranks, period=period)
                engines.append(Embedded(count, slices, pipeline, register=pipeline.ranks > 0))
            else:
                engines.append(Unrolled())
            index += max(1, count)
        return cls(network, tuple(engines))

    @classmethod
    def sparse(cls, network: Network, device: Device) -> "Mapping":
        """A `Sparse` engine with as many multipliers as the device has, at most; where it has none they are logic.

        Raises `SparseError` where it cannot run the network.
        """
        return cls(network, (Sparse(planned(network, device.multipliers or MOST_MULTIPLIERS)),))

    @property
    def plan(self) -> Plan | None:
        """That of a `Sparse` engine."""
        return next((engine.plan for engine in self.engines if isinstance(engine, Sparse)), None)

    @property
    def latency(self) -> int:
        """Clock cycles from an input, or from the last word of one, to its output: 0 for combinational logic."""
        if self.plan:
            return self.plan.latency
        spatial = [engine for engine in self.engines if not isinstance(engine, Sparse)]
        return sum(engine.register + (engine.pipeline.ranks if isinstance(engine, Embedded) else 0) for engine in spatial)

    @property
    def interval(self) -> int:
        """Clock cycles between inputs."""
        return self.plan.interval if self.plan else 1


def _span(engine: Engine) -> int:
    match engine:
        case Embedded():
            return engine.layers
        case Sparse():
            return len(engine.plan.network.layers)
        case _:
            return 1
