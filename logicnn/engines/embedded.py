"""Integer layers as one pipeline of constant additions: weights embedded, layers joined, registers where retiming wants
them.

Xu et al. 2023, section III: multipliers by fixed weights become shifts and additions, the requantiser's scale is
embedded as another constant, sums are as wide as the network says, and registers move across the ends of layers
(III-B). Additions are shared within a layer by `logicnn.arithmetic.sharing`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from logicnn.arithmetic.adders import AdderGraph
from logicnn.arithmetic.retiming import Pipeline, as_placed, retime
from logicnn.arithmetic.sharing import optimise, shallow
from logicnn.arithmetic.slices import ONES, Datapath, Rectifier, Slices, layer_end_stages
from logicnn.engines.costs import SEARCHED
from logicnn.engines.engine import FeedForward, MappingError
from logicnn.network import Activations, IntegerLayer, Interval, Network
from logicnn.resources import Device, Resources

__all__ = ["Embedded", "Optimiser", "computes", "datapath_of", "layer_ends", "pipelined", "run_of", "unshared_bits"]

SLICE_BITS = 2  # of a carry chain, between which registers may stand
Optimiser = Callable[[np.ndarray, Sequence[Interval]], AdderGraph]


@dataclass(frozen=True, eq=False)
class _Sums:
    """One constant matrix of an integer layer: ``matrix @ x + offsets``, of each sum `bits`, then a rectifier."""

    matrix: np.ndarray  # (outputs, inputs) int64
    offsets: np.ndarray  # (outputs,) int64
    bits: tuple[int | None, ...]
    rectifiers: tuple[Rectifier, ...] | None

    @property
    def whole(self) -> np.ndarray:
        """The matrix with a column for the constant 1 where there are offsets."""
        return np.concatenate([self.matrix, self.offsets[:, None]], axis=1) if self.offsets.any() else self.matrix

    @property
    def output_bits(self) -> tuple[int | None, ...]:
        return self.bits if any(each is not None for each in self.bits) else ()


def run_of(network: Network, start: int) -> int:
    """How many layers from `start` on are integer layers that give plain words or sums, those that only reshape between
    them included.
    """
    count = 0
    for index in range(start, len(network.layers)):
        layer = network.layers[index]
        if isinstance(layer, IntegerLayer) and (layer.activation is None or layer.activation.plain):
            count = index - start + 1
        elif not layer.reshapes:
            break
    return count


def _sums_of(layer: IntegerLayer, given: Activations) -> Iterator[_Sums]:
    """The layer's sums, and the multiplications of its requantiser where it has any."""
    neurons = layer.neuron_of_rows(given)
    matrix, bias = layer.matrix(given), layer.bias[neurons]
    bits = tuple(None if layer.width is None else int(layer.width[neuron]) for neuron in neurons)
    if layer.activation is None:
        yield _Sums(matrix, bias, bits, None)
        return
    word, added = layer.activation.interval, layer.activation.added[neurons]
    rectifiers = tuple(Rectifier(int(layer.activation.shift[neuron]), word.width, word.low < 0) for neuron in neurons)
    multiplier = layer.activation.multiplier[neurons].astype(np.int64)
    if np.all(multiplier == 1):
        yield _Sums(matrix, bias + added, bits, rectifiers)
    else:  # the held value modulo 2 ** bits depends on the sum modulo 2 ** bits only
        yield _Sums(matrix, bias, bits, None)
        yield _Sums(np.diag(multiplier), added, bits, rectifiers)


def _all_sums(network: Network, start: int) -> Iterator[_Sums]:
    for index in range(start, start + run_of(network, start)):
        layer = network.layers[index]
        if isinstance(layer, IntegerLayer):
            yield from _sums_of(layer, network.activations[index])


def datapath_of(network: Network, start: int, optimiser: Optimiser = shallow) -> Datapath:
    """The integer layers from `start` on. `optimiser` makes the additions of a matrix: `shallow` ones have a shorter
    delay and take fewer registers than those of `optimise`, at next to no cells; `without_sharing` none in common.
    """
    inputs = (network.activations[start].interval,) * network.activations[start].size
    layers: list[tuple[AdderGraph, tuple[Rectifier, ...] | None]] = []
    for sums in _all_sums(network, start):
        matrix = sums.whole
        graph = optimiser(matrix, inputs if matrix.shape[1] == len(inputs) else (*inputs, ONES))
        layers.append((replace(graph, output_bits=sums.output_bits), sums.rectifiers))
        inputs = Datapath((layers[-1],)).outputs
    return Datapath(tuple(layers))


def computes(datapath: Datapath, network: Network, start: int) -> bool:
    """Whether the datapath is that of the integer layers from `start` on: matrices by unit vectors, widths and
    requantisers.
    """
    wanted = list(_all_sums(network, start))
    return len(wanted) == len(datapath.layers) and all(
        np.array_equal(graph.matrix, sums.whole)
        and graph.output_bits == sums.output_bits
        and rectifiers == sums.rectifiers
        for sums, (graph, rectifiers) in zip(wanted, datapath.layers, strict=True)
    )


def layer_ends(datapath: Datapath, device: Device) -> tuple[Slices, Pipeline]:
    """Registers at the end of every layer but the last: where Xu et al. start from (section III-B)."""
    slices = Slices(datapath, SLICE_BITS)
    return slices, as_placed(slices.circuit(device), layer_end_stages(slices))


def pipelined(
    datapath: Datapath, device: Device, *, latency: int | None = None, period_ns: float | None = None
) -> tuple[Slices, Pipeline]:
    """Registers where the fewest bits do: for a `latency` in cycles, or for a period, or the least that there is above
    it.
    """
    slices = Slices(datapath, SLICE_BITS)
    circuit = slices.circuit(device)
    period = None if period_ns is None else max(period_ns, circuit.least_period_ns)
    return slices, retime(circuit, latency=latency, period=period)


def unshared_bits(network: Network, start: int) -> int:
    """Carry bits of the integer layers in a row from `start` on were nothing shared: an addition of a word for every
    further weight of a neuron, wherever it is.
    """
    total = 0
    for index in range(start, start + run_of(network, start)):
        layer = network.layers[index]
        if isinstance(layer, IntegerLayer):
            weights = np.count_nonzero(layer.weights.reshape(len(layer.weights), -1), axis=1)
            positions = network.activations[index + 1].size // len(layer.weights)
            total += int(np.maximum(weights - 1, 0).sum()) * positions * network.activations[index].interval.word
    return total


FULL = 0.8  # of a device, beyond which the fewest cells count more than delay and registers
BRIEF, HOPELESS = 12, 1.2  # searches that show what layers need, and how much too large more cannot mend
MOST_SEARCHED = 32_000  # `unshared_bits` of layers that are mapped without being asked for


@dataclass(frozen=True, eq=False)
class Embedded(FeedForward):
    """Integer layers in a row, `span` of them (a `Flatten` between them counts), as one pipeline of constant additions.

    With `register`, the last layer's outputs are registered, too.
    """

    slices: Slices
    pipeline: Pipeline  # stages of the vertices of `slices`

    def __post_init__(self) -> None:
        super().__post_init__()
        count = run_of(self.network, self.start)
        if not count or not computes(self.slices.datapath, self.network, self.start):
            last = self.start + max(1, count) - 1
            raise MappingError(f"Embedded must embed layers {self.start} ... {last}, not others")

    @property
    def span(self) -> int:
        return run_of(self.network, self.start)

    @classmethod
    def of(
        cls,
        network: Network,
        start: int,
        device: Device,
        *,
        latency: int | None = None,
        period_ns: float | None = None,
        optimiser: Optimiser = shallow,
    ) -> "Embedded":
        """The integer layers from `start` on for a device, at a latency in cycles or for a period.

        A pipeline with registers ends in one more, so that what follows has a cycle of its own.
        """
        slices, pipeline = pipelined(
            datapath_of(network, start, optimiser), device, latency=latency, period_ns=period_ns
        )
        return cls(network, start, slices, pipeline, register=pipeline.latency > 0)

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Embedded | None":
        """Raises `MappingError` for layers that are so large that no search would make them fit, or that it would take
        too long; `of` searches as long as it takes.
        """
        if not run_of(network, start):
            return None
        unshared, room = unshared_bits(network, start), device.capacity.logic_cells
        if MOST_SEARCHED < unshared <= SEARCHED * room:
            raise MappingError(
                f"layer {start} and those after it need about {unshared} logic cells without sharing, more than the "
                f"{MOST_SEARCHED} for which a search for what they share takes a minute or two"
            )
        if unshared > SEARCHED * room:
            raise MappingError(
                f"layer {start} and those after it need about {unshared} logic cells without sharing, too many for "
                f"sharing to bring down to the {room} of the {device.name}"
            )
        latency = 0 if period_ns is None else None
        brief = cls.of(
            network, start, device, latency=latency, period_ns=period_ns, optimiser=partial(shallow, tries=BRIEF)
        )
        if brief.logic(device).logic_cells > HOPELESS * room:
            return brief
        made = cls.of(network, start, device, latency=latency, period_ns=period_ns)
        if made.logic(device).logic_cells <= FULL * room:
            return made
        # The fewest cells, where it comes to them
        fewest = cls.of(network, start, device, latency=latency, period_ns=period_ns, optimiser=optimise)
        return min(made, fewest, key=lambda each: each.logic(device).logic_cells)

    @property
    def stages(self) -> int:
        return self.pipeline.latency

    def logic(self, device: Device) -> Resources:
        """All sums, two LUT4 a bit of every requantised word, and the registers inside."""
        layers = self.slices.datapath.layers
        carry = sum(graph.bits for graph, _ in layers)
        cells = sum(device.sum_cells(bits) for graph, _ in layers for bits in graph.chain_bits)
        clipped = sum(2 * each.bits for _, rectifiers in layers if rectifiers for each in rectifiers)
        return Resources(lut4=cells + clipped, logic_cells=cells + clipped, ff=self.pipeline.register_bits, carry=carry)

    def delay_ns(self, device: Device) -> float:
        return self.pipeline.period_ns - device.stage_ns

    @property
    def restructured(self) -> bool:
        return False
