"""Intra-kernel regular pruning of a network that trains (Yang et al. 2018, section II): masks, retraining, sensitivity
of layers.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from logicnn.errors import LogicnnError
from logicnn.network import Activations
from logicnn.nn.integer.layers import QuantNet, Scheme, quantise
from logicnn.pruning.patterns import Choice, LayerPatterns, Rule, by_coverage

__all__ = [
    "Fit",
    "Prune",
    "Pruned",
    "assign_patterns",
    "by_patterns",
    "by_strength",
    "densities",
    "falling",
    "mask_weights",
    "masks_of",
    "proposed_keep",
    "quantised",
    "retrained",
    "sensitivity",
    "settle",
    "strongest",
    "weighted",
]

Prune = Callable[[nn.Module, float], Any]  # masks a network, by how far pruning has come, 0 ... 1
Fit = Callable[[nn.Module], None]  # trains a network in place


class _Masked(nn.Module):
    """A weight under a mask. What is masked is not trained, but stays as it was: a later mask may take it back."""

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        self.register_buffer("mask", torch.ones(tuple(shape)))
        self.mask: Tensor

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def weighted(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The layers that have weights to prune, in order."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _matched(net: nn.Module, name: str, values: Sequence[Any]) -> list[nn.Conv2d | nn.Linear]:
    """The layers with weights, one for each of the values."""
    layers = weighted(net)
    if len(values) != len(layers):
        raise LogicnnError(f"{name} must be for {len(layers)} layers with weights, not {len(values)}")
    return layers


def mask_weights(net: nn.Module) -> None:
    """Puts a mask, of ones at first, on every layer's weights."""
    for layer in weighted(net):
        parametrize.register_parametrization(layer, "weight", _Masked(layer.weight.shape))


def _parametrized(layer: nn.Module) -> Any:
    """The parametrization of a layer's weight: its mask comes first."""
    if not parametrize.is_parametrized(layer, "weight"):
        raise LogicnnError("the network has no masks; mask_weights puts them there")
    return layer.parametrizations["weight"]  # pyright: ignore[reportIndexIssue, reportArgumentType]


def _mask(layer: nn.Module) -> _Masked:
    return _parametrized(layer)[0]


def _dense(layer: nn.Module) -> np.ndarray:
    """Weights without their mask."""
    return _parametrized(layer).original.detach().numpy()


def masks_of(net: nn.Module) -> list[np.ndarray]:
    """Every layer's mask, bool."""
    return [_mask(layer).mask.numpy().astype(bool) for layer in weighted(net)]


def falling(rules: Sequence[Rule], progress: float) -> list[Rule]:
    """The rules with more weights a kernel at first: down from all to `keep` along ``(1 - progress)^3`` (Zhu and Gupta,
    1710.01878).
    """
    left = (1 - min(1.0, max(0.0, progress))) ** 3
    found = []
    for rule in rules:
        keep = min(rule.size - 1, rule.keep + round((rule.size - rule.keep) * left)) if left else rule.keep
        found.append(rule.keeping(keep))
    return found


@torch.no_grad()
def assign_patterns(net: nn.Module, rules: Sequence[Rule], choose: Choice = by_coverage) -> list[LayerPatterns]:
    """Chooses every layer's patterns for its weights as they are now, masked ones included, and masks by them."""
    found = []
    for layer, rule in zip(_matched(net, "rules", rules), rules, strict=True):
        patterns = rule.applied(_dense(layer), choose)
        _mask(layer).mask.copy_(torch.from_numpy(patterns.mask(tuple(layer.weight.shape))))
        found.append(patterns)
    return found


@torch.no_grad()
def strongest(net: nn.Module, densities: Sequence[float]) -> None:
    """Fine-grained pruning: masks all but the strongest weights of every layer, so many of one."""
    for layer, density in zip(_matched(net, "densities", densities), densities, strict=True):
        if not 0 < density <= 1:
            raise LogicnnError(f"densities must lie in 0 (excluded) ... 1, not {density}")
        strength = torch.from_numpy(np.abs(_dense(layer))).flatten()
        mask = torch.zeros_like(strength)
        mask[strength.topk(round(density * strength.numel())).indices] = 1
        _mask(layer).mask.copy_(mask.view_as(_mask(layer).mask))


def settle(net: nn.Module) -> None:
    """Takes the masks away and leaves the masked weights zero."""
    for layer in weighted(net):
        _parametrized(layer)
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def by_patterns(rules: Sequence[Rule], choose: Choice = by_coverage) -> Prune:
    """Intra-kernel regular pruning; gives the layers' patterns."""
    return lambda net, progress: assign_patterns(net, falling(rules, progress), choose)


def by_strength(rules: Sequence[Rule]) -> Prune:
    """Fine-grained pruning, as many weights in every layer as the rules leave."""
    return lambda net, progress: strongest(net, [rule.keep / rule.size for rule in falling(rules, progress)])


def retrained(net: nn.Sequential, prune: Prune, falls: Sequence[Fit], rest: Fit | None) -> tuple[nn.Sequential, Any]:
    """A copy trained under masks by `prune`, and what that gave last: it is asked before each of `falls`, and is
    complete before `rest`.
    """
    net = copy.deepcopy(net)
    mask_weights(net)
    for step, fit in enumerate(falls, 1):
        prune(net, step / (len(falls) + 1))
        fit(net)
    last = prune(net, 1.0)
    if rest:
        rest(net)
    return net, last


def quantised(net: nn.Sequential, given: Activations, exponent: int, scheme: Scheme, sample: Tensor) -> QuantNet:
    """A network with masks, which it loses, quantised as `quantise` does; what is pruned stays so."""
    masks = masks_of(net)
    settle(net)
    made = quantise(net.eval(), given, exponent, scheme, sample)
    for layer, mask in zip(made.layers, masks, strict=True):
        layer.mask.copy_(torch.from_numpy(mask))
    return made


def densities(masks: Sequence[np.ndarray], positions: Sequence[int]) -> tuple[int, float, float]:
    """Weights that are left; their share; the share of products for a sample, by the positions of every kernel of a
    layer.
    """
    kept = [int(np.count_nonzero(mask)) for mask in masks]
    products = [mask.size * count for mask, count in zip(masks, positions, strict=True)]
    left = [weights * count for weights, count in zip(kept, positions, strict=True)]
    return sum(kept), sum(kept) / sum(mask.size for mask in masks), sum(left) / sum(products)


@dataclass(frozen=True)
class Pruned:
    """A pruned network, what its pruning gave last (patterns), its test error, and what is left of weights and of
    products.
    """

    net: nn.Sequential
    patterns: Any
    error: float
    weights: int
    density: float
    computations: float

    @property
    def figures(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("error", "weights", "density", "computations")}


@torch.no_grad()
def sensitivity(
    net: nn.Module,
    rules: Sequence[Rule],
    keeps: Sequence[Sequence[int]],
    error: Callable[[nn.Module], float],
    choose: Choice = by_coverage,
) -> list[dict[int, float]]:
    """The error of every layer, with it alone pruned to each of `keeps` weights a kernel, not retrained (section II-C,
    Fig. 2).

    Raises `LogicnnError` for a network with masks.
    """
    layers = _matched(net, "rules", rules)
    _matched(net, "keeps", keeps)
    if any(parametrize.is_parametrized(layer, "weight") for layer in layers):
        raise LogicnnError("the network must have no masks: settle it first")
    curves = []
    for layer, rule, counts in zip(layers, rules, keeps, strict=True):
        whole = layer.weight.detach().clone()
        curve = {}
        for keep in counts:
            if keep < rule.size:
                patterns = rule.keeping(keep).applied(whole.numpy(), choose)
                layer.weight.copy_(whole * torch.from_numpy(patterns.mask(tuple(whole.shape))))
            curve[keep] = error(net)
            layer.weight.copy_(whole)
        curves.append(curve)
    return curves


def proposed_keep(curve: Mapping[int, float], unpruned: float, rise: float) -> int:
    """The fewest weights a kernel with which a layer's error stays within `rise` of the unpruned network's, or the most
    that were tried.
    """
    within = [keep for keep, error in curve.items() if error <= unpruned + rise]
    return min(within, default=max(curve))
