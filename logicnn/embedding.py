"""Integer layers as one pipeline of constant additions: weights embedded, layers joined, registers where retiming wants them.

Xu et al. 2023, section III: multipliers by fixed weights become shifts and additions, the requantiser's scale is embedded as another
constant, sums are as wide as the network says, and registers move across the ends of layers (III-B). Additions are shared within a layer
by `logicnn.sharing`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from logicnn.adders import AdderGraph
from logicnn.integers import Integer
from logicnn.network import Flatten, IntConv2d, IntDense, Network
from logicnn.pipelines import ONES, Datapath, Rectifier, Slices, layer_end_stages
from logicnn.resources import Device
from logicnn.retiming import Pipeline, as_placed, retime
from logicnn.sharing import optimise
from logicnn.values import Activations, Interval

__all__ = ["Optimiser", "computes", "datapath_of", "layer_ends", "pipelined", "run_of"]

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
        """With a column for the constant 1 where there are offsets."""
        return np.concatenate([self.matrix, self.offsets[:, None]], axis=1) if self.offsets.any() else self.matrix

    @property
    def output_bits(self) -> tuple[int | None, ...]:
        return self.bits if any(each is not None for each in self.bits) else ()


def run_of(network: Network, start: int) -> int:
    """How many layers from `start` on are integer layers, those that only reshape between them included."""
    count = 0
    for index in range(start, len(network.layers)):
        layer = network.layers[index]
        if isinstance(layer, IntDense | IntConv2d):
            count = index - start + 1
        elif not isinstance(layer, Flatten):
            break
    return count


def _sums_of(layer: Integer, given: Activations) -> Iterator[_Sums]:
    """The layer's sums, and the multiplications of its requantiser where it has any."""
    neurons = layer.neuron_of_rows(given)
    matrix, bias = layer.matrix(given), layer.bias[neurons]
    bits = tuple(None if layer.width is None else int(layer.width[neuron]) for neuron in neurons)
    if layer.activation is None:
        yield _Sums(matrix, bias, bits, None)
        return
    word, rounding = layer.activation.interval, layer.activation.rounding[neurons]
    rectifiers = tuple(Rectifier(int(layer.activation.shift[neuron]), word.width, word.low < 0) for neuron in neurons)
    multiplier = layer.activation.multiplier[neurons].astype(np.int64)
    if np.all(multiplier == 1):
        yield _Sums(matrix, bias + rounding, bits, rectifiers)
    else:  # the held value modulo 2 ** bits depends on the sum modulo 2 ** bits only
        yield _Sums(matrix, bias, bits, None)
        yield _Sums(np.diag(multiplier), rounding, bits, rectifiers)


def _all_sums(network: Network, start: int) -> Iterator[_Sums]:
    for index in range(start, start + run_of(network, start)):
        layer = network.layers[index]
        if isinstance(layer, IntDense | IntConv2d):
            yield from _sums_of(layer, network.activations[index])


def datapath_of(network: Network, start: int, optimiser: Optimiser = optimise) -> Datapath:
    """The integer layers from `start` on. `optimiser` makes the additions of a matrix (`without_sharing`: none in common)."""
    inputs = (network.activations[start].interval,) * network.activations[start].size
    layers: list[tuple[AdderGraph, tuple[Rectifier, ...] | None]] = []
    for sums in _all_sums(network, start):
        matrix = sums.whole
        graph = optimiser(matrix, inputs if matrix.shape[1] == len(inputs) else (*inputs, ONES))
        layers.append((replace(graph, output_bits=sums.output_bits), sums.rectifiers))
        inputs = Datapath((layers[-1],)).outputs
    return Datapath(tuple(layers))


def computes(datapath: Datapath, network: Network, start: int) -> bool:
    """Whether the datapath is that of the integer layers from `start` on: matrices by unit vectors, widths and requantisers."""
    wanted = list(_all_sums(network, start))
    return len(wanted) == len(datapath.layers) and all(
        np.array_equal(graph.matrix, sums.whole) and graph.output_bits == sums.output_bits and rectifiers == sums.rectifiers
        for sums, (graph, rectifiers) in zip(wanted, datapath.layers, strict=True)
    )


def layer_ends(datapath: Datapath, device: Device) -> tuple[Slices, Pipeline]:
    """A register rank at the end of every layer but the last: where Xu et al. start from (section III-B)."""
    slices = Slices(datapath, SLICE_BITS)
    return slices, as_placed(slices.circuit(device), layer_end_stages(slices))


def pipelined(datapath: Datapath, device: Device, *, ranks: int | None = None, period: float | None = None) -> tuple[Slices, Pipeline]:
    """Registers where the fewest bits do: of so many `ranks`, or for a `period` in ns, or the least that there is above it."""
    slices = Slices(datapath, SLICE_BITS)
    circuit = slices.circuit(device)
    return slices, retime(circuit, ranks=ranks, period=None if period is None else max(period, circuit.least_period_ns))
