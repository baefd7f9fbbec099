"""Kernels of a pruned network, from weights alone: which few patterns they have."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Argmax, Flatten, IntConv2d, IntDense, MaxPool2d, Network
from logicnn.pruning.patterns import kernels_of

__all__ = [
    "MOST_PATTERNS",
    "WEIGHT_BITS",
    "WORD_BITS",
    "Patterns",
    "PrunedLayer",
    "Segment",
    "SparseError",
    "pruned_layers",
    "segments",
]

WEIGHT_BITS = 8
WORD_BITS = 8  # of activations
MOST_PATTERNS = 16  # of a set, as in Tables II and III


class SparseError(LogicnnError):
    """A network that the convolution engine cannot run, or a tile that is too small for it."""


Patterns = tuple[tuple[int, ...], ...]  # positions that each keeps


@dataclass(frozen=True)
class Segment:
    """Groups ``start ... stop - 1`` of a layer, in which every place of a group has few patterns."""

    start: int
    stop: int
    patterns: tuple[Patterns, ...]  # by place


@dataclass(frozen=True)
class _Weighted:
    """A layer with weights, and the pooling after it."""

    index: int
    layer: IntConv2d | IntDense
    pool: int = 1


def _checked(index: int, layer: IntConv2d | IntDense) -> _Weighted:
    """Raises `SparseError` for what the engine does not do."""
    if isinstance(layer, IntConv2d) and (layer.stride != 1 or layer.padding):
        raise SparseError(f"layer {index} must have stride 1 and no padding, not {layer.stride} and {layer.padding}")
    if layer.width is not None or (layer.activation is not None and (layer.activation.multiplier != 1).any()):
        raise SparseError(f"layer {index} must have no widths, and a requantiser that multiplies by 1")
    if layer.activation is not None and (
        layer.activation.low or layer.activation.high > 255 or not layer.activation.plain
    ):
        raise SparseError(
            f"layer {index} must clip to plain words of up to 8 bits without sign, not {layer.activation.interval}"
        )
    if np.abs(layer.weights.astype(np.int64) + (layer.weights < 0)).max() >= 1 << WEIGHT_BITS - 1:
        raise SparseError(f"layer {index} must have weights of {WEIGHT_BITS} bits")
    return _Weighted(index, layer)


def _parsed(network: Network, stop: int) -> list[_Weighted]:
    """The layers with weights before `stop`. Raises `SparseError` for what the engine does not do."""
    found: list[_Weighted] = []
    for index, layer in enumerate(network.layers[:stop]):
        match layer:
            case IntConv2d() | IntDense():
                found.append(_checked(index, layer))
            case MaxPool2d() if found and found[-1].index == index - 1 and layer.size == 2:
                found[-1] = replace(found[-1], pool=layer.size)
            case Flatten():
                pass
            case Argmax() if found and isinstance(found[-1].layer, IntDense) and found[-1].layer.activation is None:
                pass
            case _:
                raise SparseError(
                    f"layer {index} must be a convolution (with pooling by 2 or not), dense, or an Argmax of sums, "
                    f"not {type(layer).__name__}"
                )
    if not isinstance(network.layers[stop - 1], Argmax | IntDense):
        last = type(network.layers[stop - 1]).__name__
        raise SparseError(
            f"the engine's layers must end in Argmax or IntDense, whose outputs come in order, not {last}"
        )
    if any(each.layer.activation is None for each in found[:-1]):
        raise SparseError("all layers but the last must have an activation")
    if network.input.interval.low or network.input.interval.high > 255:
        raise SparseError(f"the input must be words of up to 8 bits without sign, not {network.input.interval}")
    return found


def _side(found: Sequence[_Weighted]) -> int:
    """Rows of the window: those of every convolution's kernels; 5 where there is none."""
    shapes = {each.layer.weights.shape[2:] for each in found if isinstance(each.layer, IntConv2d)} or {(5, 5)}
    if len(shapes) > 1 or len(set(next(iter(shapes)))) > 1 or next(iter(shapes))[0] < 2:
        raise SparseError(f"kernels must be square and of one size, at least 2 x 2, not {sorted(shapes)}")
    return next(iter(shapes))[0]


def _covered(supports: Iterable[tuple[int, ...]], keep: int) -> Patterns:
    """Few sets of up to `keep` positions one of which each support is part of: those that are in no other, small ones
    joined.
    """
    patterns: list[set[int]] = []
    for support in map(set, sorted(set(supports), key=lambda each: (-len(each), each))):
        if any(support <= each for each in patterns):
            continue
        room = next((each for each in patterns if len(each | support) <= keep), None)
        if room is None:
            patterns.append(support)
        else:
            room |= support
    return tuple(tuple(sorted(each)) for each in patterns)


def segments(found: "PrunedLayer", outputs: Sequence[tuple[int, ...]], places: int) -> tuple[Segment, ...]:
    """Runs of groups, as long as every place of them has few patterns. Raises `SparseError` where one group has too
    many.
    """
    segments: list[Segment] = []
    start = 0
    while start < len(outputs):
        seen: list[set[tuple[int, ...]]] = [set() for _ in range(places)]
        patterns: tuple[Patterns, ...] = ()
        stop = start
        while stop < len(outputs):
            for place, output in enumerate(outputs[stop]):
                seen[place].update(found.supports[output])
            more = tuple(_covered(each, found.keep) for each in seen)
            most = max(len(each) for each in more)
            if most > MOST_PATTERNS:
                break
            patterns, stop = more, stop + 1
        if stop == start:
            raise SparseError(
                f"layer {found.index} has more than {MOST_PATTERNS} patterns in the kernels of one output; prune it "
                f"to patterns"
            )
        segments.append(Segment(start, stop, patterns))
        start = stop
    return tuple(segments)


@dataclass(frozen=True, eq=False)
class PrunedLayer:
    """A layer with its pooling, its kernels (out, n, size), how many weights these keep, and every output's positions
    of such.
    """

    index: int
    layer: IntConv2d | IntDense
    pool: int
    kernels: np.ndarray
    keep: int
    supports: tuple[frozenset[tuple[int, ...]], ...]


@lru_cache(maxsize=8)
def pruned_layers(network: Network, stop: int) -> tuple[PrunedLayer, ...]:
    """The layers with weights before `stop`, whatever the tile."""
    parsed = _parsed(network, stop)
    side, found = _side(parsed), []
    for each in parsed:
        kernels = kernels_of(each.layer.weights, side**2).astype(np.int64)
        keep = max(1, int(np.count_nonzero(kernels, axis=2).max()))
        rows = [np.unique(kernel != 0, axis=0) for kernel in kernels]
        supports = tuple(frozenset(tuple(np.flatnonzero(row).tolist()) for row in every) for every in rows)
        found.append(PrunedLayer(each.index, each.layer, each.pool, kernels, keep, supports))
    return tuple(found)
