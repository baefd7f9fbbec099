"""Unrolled layers: every neuron is its own logic (Payra et al. 2023)."""

from dataclasses import dataclass
from functools import singledispatch
from math import log2

from logicnn.engines.costs import SMALL_THRESHOLDS, TABLES, argmax_lut4, popcount_lut4, threshold_lut4
from logicnn.engines.engine import FeedForward, MappingError
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    GroupSum,
    Layer,
    LutLayer,
    MaxPool2d,
    Network,
    Neurons,
    Slicer,
)
from logicnn.resources import Device, Resources

__all__ = ["Logic", "Unrolled", "is_wide", "logic_of"]


@dataclass(frozen=True)
class Logic:
    """An estimate of a layer's logic: its LUT4, and how many of them lie one behind the other."""

    lut4: int
    levels: float


@singledispatch
def logic_of(layer: Layer, given: Activations) -> Logic:
    """What a layer is as logic of its own. A layer type that has such logic registers its estimate here."""
    raise MappingError(f"a {type(layer).__name__} has no logic of its own")


@logic_of.register
def _(layer: Flatten, given: Activations) -> Logic:
    return Logic(0, 0)


@logic_of.register
def _(layer: Argmax, given: Activations) -> Logic:
    width = given.interval.word
    return Logic(argmax_lut4(given.size, width), max(1, (given.size - 1).bit_length()) * (2.5 + log2(width) / 2))


@logic_of.register
def _(layer: Slicer, given: Activations) -> Logic:
    return Logic(len(layer.thresholds) * (given.interval.word + 2), 2 + given.interval.word / 4)


@logic_of.register
def _(layer: Neurons, given: Activations) -> Logic:
    cost = threshold_lut4 if layer.fires else popcount_lut4
    fan_in = [len(neuron.inputs) for neuron in layer.neurons(given)]
    widest = max(fan_in)
    return Logic(sum(map(cost, fan_in)), 1 if widest <= 4 else 2 if widest <= 6 else 1.5 * log2(widest))


@logic_of.register
def _(layer: MaxPool2d, given: Activations) -> Logic:
    if given.is_bits:
        return logic_of.dispatch(Neurons)(layer, given)
    word = given.interval.word  # a comparison and a choice for every bit
    others = layer.size**2 - 1
    return Logic(layer.infer(given).size * others * 2 * word, others.bit_length() * (2 + word / 4))


@logic_of.register
def _(layer: LutLayer, given: Activations) -> Logic:
    fan_in = layer.depends.sum(1).tolist()
    return Logic(sum(TABLES[each] for each in fan_in), max(1, max(fan_in) - 3))


@logic_of.register
def _(layer: GroupSum, given: Activations) -> Logic:
    bits = [sum(map(len, layer.columns(group))) for group in layer.groups]
    return Logic(sum(map(popcount_lut4, bits)), 1.5 * log2(max(2, *bits)))


def is_wide(layer: Layer) -> bool:
    """Whether some neuron with a threshold needs a compressor tree."""
    if not isinstance(layer, BinaryDense | BinaryConv2d):
        return False
    return layer.fires and int(layer.fan_in.max()) >= len(SMALL_THRESHOLDS)


@dataclass(frozen=True)
class Unrolled(FeedForward):
    """One layer, every neuron of which is its own logic; with `register`, the layer's outputs are registered."""

    def __post_init__(self) -> None:
        super().__post_init__()
        layer = self.network.layers[self.start]
        if logic_of.dispatch(type(layer)) is logic_of.dispatch(object):
            raise MappingError(
                f"layer {self.start}, of type {type(layer).__name__}, has no logic of its own for Unrolled to build: "
                f"logicnn.engines.chosen finds the engine for it, if there is one"
            )

    @property
    def span(self) -> int:
        return 1

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Unrolled | None":
        if logic_of.dispatch(type(network.layers[start])) is logic_of.dispatch(object):
            return None
        return cls(network, start)

    def logic(self, device: Device) -> Resources:
        lut4 = logic_of(self.layers[0], self.given).lut4
        return Resources(lut4=lut4, logic_cells=lut4)

    def delay_ns(self, device: Device) -> float:
        return device.level_ns * logic_of(self.layers[0], self.given).levels

    @property
    def restructured(self) -> bool:
        """Narrow neurons are generated in the shape that LUT4 want; wide ones of shared inputs gain by the sums that
        they share.
        """
        return is_wide(self.layers[0])
