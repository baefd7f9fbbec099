"""Binarized dense layers whose neurons share partial popcounts."""

from dataclasses import dataclass

import numpy as np

from logicnn.arithmetic.popcounts import PopcountLayer, share_popcounts, weights_and_thresholds
from logicnn.engines.costs import SEARCHED
from logicnn.engines.engine import FeedForward, MappingError
from logicnn.engines.unrolled import is_wide, logic_of
from logicnn.network import Activations, BinaryDense, Layer, Network
from logicnn.resources import Device, Family, Resources

__all__ = ["Shared"]


def _computes(popcounts: PopcountLayer, layer: Layer, given: Activations) -> bool:
    if not isinstance(layer, BinaryDense) or not layer.fires:
        return False
    weights, thresholds = weights_and_thresholds(list(layer.neurons(given)), given.size)
    return np.array_equal(popcounts.matrix, weights) and popcounts.thresholds == thresholds


@dataclass(frozen=True)
class Shared(FeedForward):
    """One `BinaryDense` with thresholds; with `register`, its outputs are registered."""

    popcounts: PopcountLayer

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _computes(self.popcounts, self.layers[0], self.given):
            raise MappingError(f"Shared must share the popcounts of layer {self.start}, not of another")

    @property
    def span(self) -> int:
        return 1

    @classmethod
    def of(cls, network: Network, start: int, *, tries: int = 60, register: bool = False) -> "Shared":
        """The cheapest of so many searches for what the neurons of a layer can share."""
        given = network.activations[start]
        layer = network.layers[start]
        if not isinstance(layer, BinaryDense) or not layer.fires:
            raise MappingError(f"layer {start} must be a BinaryDense with thresholds, not {type(layer).__name__}")
        return cls(
            network, start, share_popcounts(list(layer.neurons(given)), given.size, tries=tries), register=register
        )

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Shared | None":
        """Where neurons are wide, and on iCE40 only: what Yosys makes of additions of four bits and fewer on ECP5 is
        more expensive than neurons that are separate.
        """
        layer, given = network.layers[start], network.activations[start]
        if device.family is not Family.ICE40 or not isinstance(layer, BinaryDense) or not is_wide(layer):
            return None
        if logic_of(layer, given).lut4 >= SEARCHED * device.capacity.logic_cells:
            return None
        return cls.of(network, start)

    def logic(self, device: Device) -> Resources:
        made = self.popcounts
        return Resources(lut4=made.lut4, logic_cells=made.logic_cells, carry=made.words.bits)

    def delay_ns(self, device: Device) -> float:
        words = self.popcounts.words
        widest = max((words.interval(index).width for index in range(len(words.outputs))), default=0)
        return (
            4 * device.level_ns + words.depth * device.chain_ns + widest * device.carry_ns
        )  # heaps, words, comparison
