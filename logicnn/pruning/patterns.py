"""Intra-kernel regular (IKR) pruning: which weights of a kernel stay, by a few patterns that a set of kernels shares.

Yang et al. 2018, section II: every kernel of a set keeps `keep` weights, at the positions of one of the set's few
patterns, and its worth under a pattern is ``Q = sum |p * w|`` (equation 3). A kernel is then stored as its weights and
the index of its pattern, the compressed sparse pattern (CSP) format. A kernel here is a row of `size` weights: of a
convolution kh * kw in C order, of a dense layer as many neighbouring inputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import NetworkError

__all__ = [
    "Choice",
    "CompressedKernels",
    "LayerPatterns",
    "PatternSet",
    "Rule",
    "Storage",
    "best_masks",
    "by_coverage",
    "by_summed_quality",
    "kernels_of",
    "quality",
    "storage",
]

CANDIDATES = 10  # patterns proposed for every kernel (section II-B)
AT_A_TIME = 1 << 16  # values of 8 bytes


@dataclass(frozen=True, eq=False)
class PatternSet:
    """The patterns of a set of kernels: masks (patterns, size) bool, different ones, each of the same number of
    weights.
    """

    masks: np.ndarray

    def __post_init__(self) -> None:
        masks = np.array(self.masks, dtype=bool, order="C")
        if masks.ndim != 2 or len(masks) < 2:
            raise NetworkError(
                f"PatternSet.masks must have shape (patterns, size) and hold at least 2 patterns, not shape "
                f"{masks.shape}"
            )
        counts = np.count_nonzero(masks, axis=1)
        if counts.min() != counts.max() or not 1 <= counts[0] <= masks.shape[1]:
            raise NetworkError(
                f"PatternSet.masks must keep equally many weights, at least 1, not {sorted(set(counts.tolist()))}"
            )
        if len(np.unique(masks, axis=0)) != len(masks):
            raise NetworkError("PatternSet.masks must differ from each other")
        masks.setflags(write=False)
        object.__setattr__(self, "masks", masks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatternSet) and np.array_equal(self.masks, other.masks)

    def __hash__(self) -> int:
        return hash(self.masks.tobytes())

    @property
    def size(self) -> int:
        """Weights of a kernel before pruning."""
        return self.masks.shape[1]

    @property
    def keep(self) -> int:
        """Weights that every pattern keeps."""
        return int(np.count_nonzero(self.masks[0]))

    @property
    def index_bits(self) -> int:
        return (len(self.masks) - 1).bit_length()

    @property
    def positions(self) -> np.ndarray:  # (patterns, keep)
        """Where every pattern's weights are, increasing."""
        return np.nonzero(self.masks)[1].reshape(len(self.masks), self.keep)

    def assigned(self, kernels: np.ndarray) -> np.ndarray:  # (kernels, size) -> (kernels,)
        """The pattern of the best quality for each kernel, found exhaustively; the first of equal ones."""
        return quality(self.masks, kernels).argmax(0)

    def applied(self, kernels: np.ndarray) -> np.ndarray:  # (kernels, size) -> (kernels, size)
        """Every kernel under its best pattern."""
        return np.where(self.masks[self.assigned(kernels)], kernels, 0)


@dataclass(frozen=True, eq=False)
class CompressedKernels:
    """A set of kernels in CSP format: of each the index of its pattern, and its weights in the order of the pattern's
    positions.
    """

    patterns: PatternSet
    index: np.ndarray  # (kernels,)
    weights: np.ndarray  # (kernels, keep)

    @classmethod
    def encode(cls, kernels: np.ndarray, patterns: PatternSet) -> "CompressedKernels":
        """The inverse of `decode`. Raises `NetworkError` for a kernel with a weight outside every pattern."""
        kernels = np.asarray(kernels)
        if kernels.ndim != 2 or kernels.shape[1] != patterns.size:
            raise NetworkError(f"kernels must have shape (kernels, {patterns.size}), not {kernels.shape}")
        outside = (kernels != 0).astype(np.int64) @ ~patterns.masks.T  # (kernels, patterns)
        index = outside.argmin(1)
        wrong = np.flatnonzero(outside[np.arange(len(kernels)), index])
        if len(wrong):
            raise NetworkError(f"kernel {wrong[0]} has weights outside every pattern: {kernels[wrong[0]].tolist()}")
        return cls(patterns, index, np.take_along_axis(kernels, patterns.positions[index], axis=1))

    def decode(self) -> np.ndarray:  # (kernels, size)
        kernels = np.zeros((len(self.index), self.patterns.size), self.weights.dtype)
        np.put_along_axis(kernels, self.patterns.positions[self.index], self.weights, axis=1)
        return kernels

    def bits(self, weight_bits: int) -> int:
        """Storage: every weight, every index, and the masks themselves once."""
        return (
            len(self.index) * (self.patterns.keep * weight_bits + self.patterns.index_bits) + self.patterns.masks.size
        )


def kernels_of(weights: np.ndarray, size: int) -> np.ndarray:
    """The kernels of a layer, (out, kernels, size): of (out, in, kh, kw) its own, of (out, in) artificial ones of
    neighbouring inputs.

    Dense inputs are filled up with zeros to whole kernels. Raises `LogicnnError` where `size` is not kh * kw.
    """
    if weights.ndim == 4:
        if size != weights.shape[2] * weights.shape[3]:
            raise LogicnnError(
                f"size must be {weights.shape[2] * weights.shape[3]}, that of the convolution's kernels, not {size}"
            )
        return weights.reshape(*weights.shape[:2], size)
    filled = np.pad(weights, ((0, 0), (0, -weights.shape[1] % size)))
    return filled.reshape(len(weights), -1, size)


def quality(masks: np.ndarray, kernels: np.ndarray) -> np.ndarray:  # (masks, size), (kernels, size) -> (masks, kernels)
    """Equation 3: the sum of magnitudes that a mask keeps of a kernel."""
    return masks.astype(np.float64) @ np.abs(kernels.astype(np.float64)).T


def _displacements(keep: int, size: int, count: int) -> Iterator[tuple[int, ...]]:
    """How far down the sorted weights a subset reaches that can be among the `count` best: a partition with few below
    it.

    Weights in falling order, a subset of ranks ``i + d[i]`` with ``d`` rising. Lowering any ``d`` makes it no worse, so
    that a subset with `count` others below it is never needed.
    """

    def below(shape: tuple[int, ...]) -> int:
        """Rising tuples that nowhere exceed `shape`, itself among them."""
        ways = [1] * (shape[0] + 1)
        for top in shape[1:]:
            sums = np.cumsum(ways).tolist()
            ways = [sums[min(value, len(sums) - 1)] for value in range(top + 1)]
        return sum(ways)

    def grow(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        yield shape
        for place in range(
            keep - 1, -1, -1
        ):  # one more at a place keeps it rising if the next is larger; each shape from one parent
            grown = (*shape[:place], shape[place] + 1, *shape[place + 1 :])
            rises = place == keep - 1 or grown[place] <= shape[place + 1]
            first = place == 0 or all(value == 0 for value in shape[:place])
            if rises and first and grown[place] <= size - keep and below(grown) <= count:
                yield from grow(grown)

    yield from grow((0,) * keep)


def best_masks(
    kernels: np.ndarray, keep: int, count: int = CANDIDATES
) -> np.ndarray:  # (kernels, size) -> (masks, size) bool
    """Every mask that is among the `count` of best quality of some kernel, each once."""
    size = kernels.shape[1]
    if not 1 <= keep <= size:
        raise LogicnnError(f"keep must lie in 1 ... {size}, the size of the kernels, not {keep}")
    if not np.isfinite(kernels).all():
        raise LogicnnError("kernels must be finite")
    magnitudes = np.abs(kernels.astype(np.float64))
    order = np.argsort(-magnitudes, axis=1, kind="stable")
    ranks = np.array(list(_displacements(keep, size, count))) + np.arange(keep)  # (shapes, keep)
    sums = np.take_along_axis(magnitudes, order, axis=1)[:, ranks].sum(2)  # (kernels, shapes)
    best = np.argsort(-sums, axis=1, kind="stable")[:, :count]
    masks = np.zeros((len(kernels), best.shape[1], size), bool)
    np.put_along_axis(masks, order[:, ranks][np.arange(len(kernels))[:, None], best], True, axis=2)
    return np.unique(masks.reshape(-1, size), axis=0)


def _checked(kernels: np.ndarray, keep: int, patterns: int) -> None:
    if kernels.ndim != 2 or not len(kernels):
        raise LogicnnError(f"kernels must have shape (kernels, size) and hold at least one, not shape {kernels.shape}")
    if not 1 <= keep <= kernels.shape[1]:
        raise LogicnnError(f"keep must lie in 1 ... {kernels.shape[1]}, the size of the kernels, not {keep}")
    possible = comb(kernels.shape[1], keep)
    if not 2 <= patterns <= possible:
        raise LogicnnError(
            f"patterns must lie in 2 ... {possible}, as many as keep {keep} of {kernels.shape[1]}, not {patterns}"
        )
    if not kernels.any():
        raise LogicnnError("kernels must hold a weight that is not 0")


def _filled(masks: np.ndarray, keep: int, patterns: int) -> np.ndarray:
    """The set with further masks, the first in order, where candidates are fewer than patterns."""
    have = {mask.tobytes() for mask in masks}
    more = []
    for positions in combinations(range(masks.shape[1]), keep):
        if len(masks) + len(more) >= patterns:
            break
        mask = np.isin(np.arange(masks.shape[1]), positions)
        if mask.tobytes() not in have:
            more.append(mask)
    return np.concatenate([masks, more]) if more else masks


def by_summed_quality(kernels: np.ndarray, keep: int, patterns: int) -> PatternSet:
    """The paper's choice (section II-B): of all candidates those with the highest quality summed over the set.

    Raises `LogicnnError` for `keep` outside 1 ... size, fewer than 2 patterns or more than there are, and kernels that
    are all zero.
    """
    _checked(kernels, keep, patterns)
    masks = _filled(best_masks(kernels, keep), keep, patterns)
    return PatternSet(masks[_best(quality(masks, kernels), patterns)])


def _best(worth: np.ndarray, patterns: int) -> list[int]:  # (masks, kernels)
    """The masks whose quality summed over all kernels is highest."""
    return np.argsort(-worth.sum(1), kind="stable")[:patterns].tolist()


def by_coverage(kernels: np.ndarray, keep: int, patterns: int) -> PatternSet:
    """Ours: patterns that together serve the set best, the greatest ``sum over kernels of max over patterns of Q``.

    Greedily one by one, then exchanged one for one while the sum rises: the paper's sum makes all patterns alike, this
    makes them differ as the kernels do. Where that ends below the paper's choice, exchanges begin with that one. Raises
    as `by_summed_quality` does.
    """
    _checked(kernels, keep, patterns)
    masks = _filled(best_masks(kernels, keep), keep, patterns)
    found = quality(masks, kernels)
    summed, worth = _best(found, patterns), np.ascontiguousarray(found.T)
    chosen: list[int] = []
    best = np.zeros(len(worth))
    gains = worth.sum(0)
    for _ in range(patterns):
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
        better = np.maximum(best, worth[:, chosen[-1]])
        gains += _changed(worth, best, better)
        best = better
    chosen = _exchanged(worth, chosen)
    if worth[:, summed].max(1).sum() > worth[:, chosen].max(1).sum():
        chosen = _exchanged(worth, summed)
    return PatternSet(masks[chosen])


def _changed(worth: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What each mask, (kernels, masks), gains more where the kernels have `after`, (kernels,), and not `before`.

    Most of the time of a choice goes here: only kernels that differ are read, so many at a time as stay in the
    processor's cache. The difference of ``max(worth - after, 0)`` and ``max(worth - before, 0)`` is that of `worth` and
    the lower one, held between the two.
    """
    kernels = np.flatnonzero(before != after)
    low, high = np.minimum(before, after)[kernels, None], np.maximum(before, after)[kernels, None]
    sign = np.where(after < before, 1.0, -1.0)[kernels]
    more = np.zeros(worth.shape[1])
    rows = max(1, AT_A_TIME // worth.shape[1])
    for start in range(0, len(kernels), rows):
        part = slice(start, start + rows)
        held = worth[kernels[part]]
        more += sign[part] @ np.subtract(np.clip(held, low[part], high[part], out=held), low[part], out=held)
    return more


def _exchanged(worth: np.ndarray, chosen: list[int]) -> list[int]:
    """Members exchanged for others, one for one, while the sum of the best rises."""
    best = worth[:, chosen].max(1)
    gains = _changed(worth, np.full_like(best, np.inf), best)
    rising = True
    while rising:
        rising = False
        for place in range(len(chosen)):
            others = chosen[:place] + chosen[place + 1 :]
            without = worth[:, others].max(1)
            gain = gains + _changed(worth, best, without)
            gain[others] = -1.0
            other = int(gain.argmax())
            if gain[other] > gain[chosen[place]] * (1 + 1e-9) + 1e-12:
                chosen[place], rising = other, True
                better = np.maximum(without, worth[:, other])
                gains += _changed(worth, best, better)
                best = better
    return chosen


Choice = Callable[[np.ndarray, int, int], PatternSet]  # of kernels (kernels, size), by keep and patterns


@dataclass(frozen=True)
class Rule:
    """How a layer is pruned (Yang et al., Tables II and III): kernels of `size` weights, of which `keep` stay, by
    `patterns` a set.

    A set is that of all kernels of neighbouring outputs, so that one engine serves so many outputs.
    """

    size: int
    sets: int
    patterns: int
    keep: int

    def __post_init__(self) -> None:
        for name in ("size", "sets", "patterns", "keep"):
            if getattr(self, name) < 1:
                raise LogicnnError(f"Rule.{name} must be positive, not {getattr(self, name)}")
        if self.keep >= self.size:
            raise LogicnnError(f"Rule.keep must be below {self.size}, the size of a kernel, not {self.keep}")

    def keeping(self, keep: int) -> "Rule":
        """The rule with another number of weights that stay, and no more patterns than there are of these."""
        return replace(self, keep=keep, patterns=min(self.patterns, comb(self.size, keep)))

    def applied(self, weights: np.ndarray, choose: Choice = by_coverage) -> "LayerPatterns":
        """Patterns for a layer (out, in) or (out, in, kh, kw). Raises `LogicnnError` where they cannot be chosen, as
        `choose` does.
        """
        kernels = kernels_of(weights, self.size)
        if not self.sets <= len(kernels):
            raise LogicnnError(f"sets must lie in 1 ... {len(kernels)}, the outputs of the layer, not {self.sets}")
        sets, index = [], []
        for group in np.array_split(kernels, self.sets):
            flat = group.reshape(-1, self.size)
            sets.append(choose(flat, self.keep, self.patterns))
            index.append(sets[-1].assigned(flat).reshape(group.shape[:2]))
        return LayerPatterns(tuple(sets), np.concatenate(index))


@dataclass(frozen=True, eq=False)
class LayerPatterns:
    """The patterns of every set of a layer, and of every kernel which of its set's."""

    sets: tuple[PatternSet, ...]
    index: np.ndarray  # (out, kernels of an output)

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """True where a weight of a layer of this shape stays."""
        rows = [
            each.masks[index] for each, index in zip(self.sets, np.array_split(self.index, len(self.sets)), strict=True)
        ]
        filled = np.concatenate(rows).reshape(len(self.index), -1)
        return filled[:, : int(np.prod(shape[1:]))].reshape(shape)

    def compressed(self, weights: np.ndarray) -> list[CompressedKernels]:
        """The layer in CSP format, set by set. Raises `NetworkError` for a weight outside the patterns."""
        size = self.sets[0].size
        groups = np.array_split(kernels_of(weights, size), len(self.sets))
        return [
            CompressedKernels.encode(group.reshape(-1, size), each)
            for group, each in zip(groups, self.sets, strict=True)
        ]


@dataclass(frozen=True)
class Storage:
    """Bits that a pruned layer takes: all weights; the others' columns and rows (CSR); patterns (CSP)."""

    dense: int
    csr: int
    csp: int


def storage(weights: np.ndarray, patterns: LayerPatterns, weight_bits: int) -> Storage:
    """What a layer's weights, pruned to these patterns, take. CSR has a column of each weight and a start of each
    row.
    """
    flat = weights.reshape(len(weights), -1)
    count = int(np.count_nonzero(flat))
    column, start = max(1, (flat.shape[1] - 1).bit_length()), max(1, count.bit_length())
    csr = count * (weight_bits + column) + (len(flat) + 1) * start
    return Storage(flat.size * weight_bits, csr, sum(each.bits(weight_bits) for each in patterns.compressed(weights)))
