"""Feature-strength pruning to a LUT budget.

The published description (Payra et al., HPEC 2023, abstract) says only "feature-strength-based pruning"; what follows
is ours. A synapse has a *strength*; a layer's rule says which of its synapses survive at a given kept fraction; the
fraction follows from the budget, because the cost of what is left is counted as it will be built: a neuron of up to
four synapses is one LUT4, of six three, and what nothing reads costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from logicnn.engines.costs import argmax_lut4, popcount_lut4, threshold_lut4
from logicnn.errors import LogicnnError
from logicnn.nn.binary.layers import BinaryNet

__all__ = ["FanIn", "Strength", "Total", "budget_masks", "class_dependence", "keep_masks", "lut4_of", "strength"]


class Strength(Enum):
    """How the strength of a synapse is measured."""

    MAGNITUDE = "magnitude"  # |w| of the latent weight
    FIRST_ORDER = "first-order"  # |w dL/dw|: the loss change if it were removed, to first order
    DEPENDENCE = "dependence"  # |w| times the mutual information of its input and the class


def strength(
    measure: Strength, latent: Tensor, gradient: Tensor | None = None, dependence: Tensor | None = None
) -> Tensor:
    """Strength of every synapse of a layer (out, ...), non-negative; larger is stronger.

    `gradient` (out, ...) is an average of the loss gradient, for FIRST_ORDER; `dependence`, broadcast over `latent`,
    that of each input on the class (`class_dependence`), for DEPENDENCE.
    """
    match measure:
        case Strength.MAGNITUDE:
            return latent.detach().abs()
        case Strength.FIRST_ORDER:
            if gradient is None:
                raise ValueError("gradient must be given for first-order strength")
            return (latent.detach() * gradient).abs()
        case Strength.DEPENDENCE:
            if dependence is None:
                raise ValueError("dependence must be given for dependence strength")
            return latent.detach().abs() * dependence


def class_dependence(bits: np.ndarray, labels: np.ndarray) -> np.ndarray:  # (n, features) bool, (n,) -> (features,)
    """Mutual information, in bits, of each feature and the class: 0 for a constant pixel."""
    classes = np.unique(labels)
    prior = np.array([np.mean(labels == each) for each in classes])
    given_class = np.stack([bits[labels == each].mean(0) for each in classes])  # P(bit = 1 | class)

    def entropy(p: np.ndarray) -> np.ndarray:
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    return np.maximum(0.0, entropy(prior @ given_class) - prior @ entropy(given_class))


@dataclass(frozen=True)
class FanIn:
    """Every neuron keeps its ``max(floor, keep * inputs)`` strongest synapses: thresholds of 4 or 6 inputs are the
    cheapest in LUT4.
    """

    floor: int

    def mask(self, strengths: Tensor, keep: float) -> Tensor:
        flat = strengths.flatten(1)
        count = min(flat.shape[1], max(self.floor, round(flat.shape[1] * keep)))
        return torch.zeros_like(flat).scatter_(1, flat.topk(count, 1).indices, 1.0).view_as(strengths)


@dataclass(frozen=True)
class Total:
    """The layer keeps its ``keep ** power * size`` strongest synapses, at least `floor`, wherever they are."""

    power: float
    floor: int = 1

    def mask(self, strengths: Tensor, keep: float) -> Tensor:
        flat = strengths.flatten()
        count = min(flat.numel(), max(self.floor, round(flat.numel() * keep**self.power)))
        return torch.zeros_like(flat).scatter_(0, flat.topk(count).indices, 1.0).view_as(strengths)


Rule = FanIn | Total


def keep_masks(strengths: Sequence[Tensor], rules: Sequence[Rule], keep: float) -> list[Tensor]:
    """Masks of all layers at one kept fraction (0 ... 1)."""
    return [rule.mask(each, keep) for each, rule in zip(strengths, rules, strict=True)]


def lut4_of(net: BinaryNet, masks: Sequence[Tensor]) -> int:
    """Estimated LUT4 of the network with these masks, by the formulas of `logicnn.engines.costs`; unread neurons cost
    nothing.
    """
    *hidden, (last, _) = zip(masks, net.positions, strict=True)
    fan_in = last.sum(1).int().tolist()
    total = sum(map(popcount_lut4, fan_in)) + argmax_lut4(len(fan_in), max(fan_in).bit_length())
    read = last.any(0)
    for mask, positions in reversed(hidden):
        if read.numel() != len(mask):  # flattened channels
            read = read.view(len(mask), -1).any(1)
        live = (mask * read.view(-1, *[1] * (mask.dim() - 1))).flatten(1)
        counts = torch.bincount(live.sum(1).long()).tolist()
        total += positions * sum(count * threshold_lut4(fan) for fan, count in enumerate(counts))
        read = live.any(0) if mask.dim() == 2 else live.view_as(mask).any(3).any(2).any(0)
    return total


def budget_masks(
    net: BinaryNet, strengths: Sequence[Tensor], rules: Sequence[Rule], budget: int
) -> tuple[float, list[Tensor]]:
    """The largest kept fraction whose estimate is at most `budget` LUT4, and its masks, by bisection on its logarithm.

    Raises `LogicnnError` where even the floors of the rules exceed the budget.
    """
    low, high = -14.0, 0.0  # log2 of the fraction
    masks = keep_masks(strengths, rules, 2.0**low)
    smallest = lut4_of(net, masks)
    if smallest > budget:
        raise LogicnnError(f"budget must be at least {smallest} LUT4 for these rules, not {budget}")
    while high - low > 0.002:
        middle = (low + high) / 2
        tried = keep_masks(strengths, rules, 2.0**middle)
        if lut4_of(net, tried) <= budget:
            low, masks = middle, tried
        else:
            high = middle
    return 2.0**low, masks
