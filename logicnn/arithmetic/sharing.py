"""Products with constant integer matrices as shared additions.

``y = matrix @ x`` becomes a graph of two-operand additions ``±(a << i) ± (b << j)``: no multiplier, and every partial
sum that rows or columns have in common made once. Weights are written in signed digits; then pairs are shared
greedily, the pair first that saves most logic:

* two *columns*: ``a ± (b << d)`` occurs in several rows and is added once, before the rows (Hartley, IEEE TCAS-II 43,
  1996; da4ml does so, too);
* two *rows*: they read the same terms, whose sum is made once and added to both. That is sharing of columns in the
  transposed matrix, and what helps matrices with more inputs than outputs;

optionally on differences of similar rows or columns along a minimum spanning tree. A digit of any minimal
representation of a weight counts, so that weights take the digits that they share. Several weightings are tried, the
best searches are repeated with parts of them left out, and the cheapest graph is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from numbers import Integral
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from logicnn.arithmetic.adders import AdderGraph, AdderGraphError, digit_count, limits, pruned
from logicnn.arithmetic.differences import COLUMNS, ROWS, Start, start_of
from logicnn.network import Interval

if TYPE_CHECKING:
    from logicnn.arithmetic.residual import Residual

__all__ = ["Attempt", "Pairs", "Strategy", "least_depth", "optimise", "search", "shallow", "without_sharing"]

Result = TypeVar("Result")
DEEPEST = 56  # additions on a path: deeper bounds are taken as this one, so that loads fit into a word
LIMIT = 1 << 62  # values that numpy's int64 still adds exactly


NOTHING = np.zeros((0, 6), np.int64)  # taken


@dataclass(frozen=True)
class Strategy:
    """How patterns are ranked: ``(uses - 1) * bits ** by_width``, patterns of rows times `row_weight`; ties and `noise`
    by `seed`.

    `fewest` uses make a pair of columns, and one of rows, worth a sum of its own (None: never). The search starts from
    `differences` of ROWS or COLUMNS along a minimum spanning tree, or from the matrix as it is; digits are those of
    any `minimal` representation of a weight, or of the canonical one.
    """

    by_width: float = 0.5
    row_weight: float = 0.8
    noise: float = 0.0
    seed: int = 0
    differences: int | None = None
    fewest: tuple[int | None, int | None] = (2, 2)
    minimal: bool = True

    def __post_init__(self) -> None:
        if any(each is not None and each < 2 for each in self.fewest):  # the search would not get smaller by it
            raise AdderGraphError(f"fewest must be at least 2 uses, or None, not {self.fewest}")


class Pairs:
    """Searches for pairs in one matrix over inputs of the given ranges, with at most `depth` additions on a path.

    It is compiled when it is first used on a machine, which takes up to half a minute.
    """

    def __init__(self, matrix: np.ndarray, inputs: Sequence[Interval], depth: int | None = None):
        self._matrix, self._bounds = np.ascontiguousarray(matrix, np.int64), limits(tuple(inputs))
        self._row_bits = 3 + sum(each.width for each in inputs) / max(1, len(inputs))
        self._most = -1 if depth is None else min(depth, DEEPEST)
        self._starts: dict[int | None, Start] = {}

    def search(self, strategy: Strategy, taken: np.ndarray = NOTHING) -> "Residual":
        """What is left when pairs were taken out until none is worth it, first those that another search took."""
        # numba takes a moment to import, for which only those who share should wait
        from logicnn.arithmetic.pairs import searched
        from logicnn.arithmetic.ranking import Rule
        from logicnn.arithmetic.residual import NEVER

        if strategy.differences not in self._starts:
            self._starts[strategy.differences] = start_of(self._matrix, strategy.differences)
        start = self._starts[strategy.differences]
        fewest = np.array([NEVER if each is None else each for each in strategy.fewest], np.int64)
        rule = Rule(strategy.by_width, strategy.row_weight, self._row_bits, strategy.noise)
        matrix, definitions, extra = start.matrix, start.definitions, start.extra
        return searched(
            matrix, *self._bounds, definitions, extra, fewest, strategy.minimal, self._most, rule, strategy.seed, taken
        )

    def taken(self, left: "Residual", strategy: Strategy) -> np.ndarray:
        """What a search took, as another one may repeat it."""
        return left.taken[len(self._starts[strategy.differences].definitions) : left.used[0]]


@dataclass(frozen=True, eq=False)
class Attempt(Generic[Result]):
    """What came of a search, its cost, and the pairs that it took."""

    cost: float
    strategy: Strategy
    taken: np.ndarray
    result: Result


def search(
    starts: Sequence[Strategy],
    tries: int,
    seed: int,
    attempt: Callable[[Strategy, np.ndarray], Attempt[Result]],
) -> Attempt[Result]:
    """The cheapest of what so many searches made: one of each start, then repairs, of all starts at first, then of the
    cheaper half of them, at last of one (successive halving).
    """
    changes = np.random.default_rng(seed)
    best = [attempt(replace(each, seed=seed), NOTHING) for each in starts[: max(1, tries // 3)]]
    left = tries - len(best)
    for rounds in range((len(best) - 1).bit_length() + 1, 0, -1):
        each = left // rounds // len(best) if rounds > 1 else left
        left -= each * len(best)
        best = [_repaired(one, each, changes, attempt) for one in best]
        best = sorted(best, key=lambda one: one.cost)[: -(-len(best) // 2)]
    return best[0]


def _repaired(
    best: Attempt[Result],
    tries: int,
    changes: np.random.Generator,
    attempt: Callable[[Strategy, np.ndarray], Attempt[Result]],
) -> Attempt[Result]:
    """The cheapest after so many searches that take what the best one took but for some of it, and go on otherwise."""
    for _ in range(tries):
        kept = best.taken[changes.random(len(best.taken)) > changes.choice((0.05, 0.1, 0.2, 0.4))]
        by_width, row_weight = changes.uniform((0.0, 0.6), (1.5, 1.4))
        strategy = replace(best.strategy, by_width=by_width, row_weight=row_weight, noise=0.3)
        made = attempt(replace(strategy, seed=int(changes.integers(1 << 32))), kept)
        if made.cost <= best.cost:
            best = made
    return best


def _checked(
    matrix: np.ndarray | Sequence[np.ndarray], inputs: Sequence[Interval]
) -> tuple[np.ndarray, tuple[Interval, ...]]:
    matrices = [matrix] if isinstance(matrix, np.ndarray) else [np.asarray(each) for each in matrix]
    if not matrices:
        raise AdderGraphError("matrix must hold at least one matrix, not none")
    inputs = tuple(inputs)
    for each in matrices:
        if each.ndim != 2 or each.dtype.kind not in "iub":
            raise AdderGraphError(
                f"matrix must be two-dimensional and of integers, not {each.ndim}-dimensional of {each.dtype}"
            )
        if each.shape[1] != len(inputs):
            raise AdderGraphError(
                f"matrix must have {len(inputs)} columns, one for each of inputs, not {each.shape[1]}"
            )
        if each.size and (int(each.max()) > WEIGHT_LIMIT or int(each.min()) < -WEIGHT_LIMIT):
            largest = max(int(each.min()), int(each.max()), key=abs)
            raise AdderGraphError(f"matrix must hold weights of at most {WEIGHT_LIMIT} either way, not {largest}")
    whole = np.concatenate([each.astype(np.int64) for each in matrices])
    span = [max(abs(each.low), abs(each.high)) for each in inputs]
    largest = max((sum(abs(int(w)) * s for w, s in zip(row, span, strict=True)) for row in whole), default=0)
    if max([largest, *span]) >= LIMIT >> 8:
        raise AdderGraphError(
            f"inputs and matrix must stay below 2 ** 54 in every sum, not reach {max([largest, *span])}"
        )
    return whole, inputs


Compiled = tuple[np.ndarray, np.ndarray]  # additions (adders, 7) and outputs (outputs, 3) of `logicnn.arithmetic.sums`


def _attempt(
    pairs: Pairs, inputs: Sequence[Interval], strategy: Strategy, taken: np.ndarray, depth: int | None
) -> Attempt[Compiled]:
    from logicnn.arithmetic import sums

    left = pairs.search(strategy, taken)
    bits, deepest, adders, outputs = sums.built(left, *limits(tuple(inputs)))
    cost = bits if depth is None or deepest <= depth else inf
    return Attempt(cost, strategy, pairs.taken(left, strategy), (adders, outputs))


def _graph(inputs: tuple[Interval, ...], compiled: Compiled) -> AdderGraph:
    from logicnn.arithmetic import sums

    adders, outputs = compiled
    return pruned(AdderGraph(inputs, sums.adders_of(adders), tuple(sums.term_of(each) for each in outputs)))


WEIGHT_LIMIT = (1 << 24) - 1  # patterns of its digits fit into `logicnn.arithmetic.digits.key_of` with room to spare


def without_sharing(matrix: np.ndarray | Sequence[np.ndarray], inputs: Sequence[Interval]) -> AdderGraph:
    """Every row by itself in canonical signed digits, no sum made for two rows: what sharing is measured against."""
    whole, inputs = _checked(matrix, inputs)
    return _graph(inputs, _attempt(Pairs(whole, inputs), inputs, UNSHARED, NOTHING, None).result)


UNSHARED = Strategy(fewest=(None, None))
# Those of which one suits a matrix, picked on other random matrices than those of `benchmarks.adders`.
STRATEGIES = (
    Strategy(1.5, 0.8, differences=ROWS),
    Strategy(1.5, 0.6),
    Strategy(0.0, 1.25),
    Strategy(1.0, 0.6, differences=COLUMNS),
    Strategy(1.5, 0.8),
    Strategy(0.0, 0.8, differences=COLUMNS, minimal=False),
    Strategy(1.5, 0.6, differences=ROWS),
    Strategy(1.0, 0.6),
)


def optimise(
    matrix: np.ndarray | Sequence[np.ndarray],
    inputs: Sequence[Interval],
    *,
    depth: int | None = None,
    tries: int | None = None,
    seed: int = 0,
) -> AdderGraph:
    """The graph with the fewest carry bits found for ``matrix @ x``, `matrix` (outputs, inputs) integers, or several
    over the same inputs.

    Outputs are the rows of all matrices in order. `inputs` are the exact ranges of x. `depth` bounds the additions
    on any path. `tries` searches are made (by default as many as take a few seconds, at least 12); the result depends
    on `seed` and `tries` only. Raises `AdderGraphError` for anything else than integers, sums beyond 54 bits, or a
    depth that no tree of the digits reaches.
    """
    whole, inputs = _checked(matrix, inputs)
    for name, value, least in (("depth", depth, 0), ("tries", tries, 1), ("seed", seed, 0)):
        if value is not None and not (isinstance(value, Integral) and least <= value < 1 << 63):
            raise AdderGraphError(f"{name} must be a whole number, at least {least} and below 2 ** 63, not {value!r}")
    if depth is not None and depth < least_depth(whole):
        terms = max(digit_count(whole, 1).tolist(), default=0)
        raise AdderGraphError(
            f"depth must be at least {least_depth(whole)} for {terms} signed digits in a row, not {depth}"
        )
    tries = tries or _default_tries(whole)
    # Differences add a level that a bound on depth may not have; they take long for many lines.
    usable = [
        each
        for each in STRATEGIES
        if each.differences is None or (depth is None and whole.shape[each.differences] <= 128)
    ]
    pairs = Pairs(whole, inputs, depth)

    def attempt(strategy: Strategy, taken: np.ndarray) -> Attempt[Compiled]:
        return _attempt(pairs, inputs, strategy, taken, depth)

    # What is shared can cost more than it saves, where sums grow wider by it.
    cheapest = min(search(usable, tries, seed, attempt), attempt(UNSHARED, NOTHING), key=lambda made: made.cost)
    best = _graph(inputs, cheapest.result)
    if not np.array_equal(best.matrix, whole):
        raise AssertionError("the graph does not compute the matrix")
    if depth is not None and best.depth > depth:
        raise AssertionError("the graph exceeds a depth that a tree of the digits keeps")
    return best


def least_depth(matrix: np.ndarray) -> int:
    """Additions on a path that a matrix (outputs, inputs) needs at least: a tree of the signed digits of a row."""
    return max(0, max(digit_count(matrix, 1).tolist(), default=0) - 1).bit_length()


SPARE = 1  # additions on a path beyond the least: cells hardly rise by the bound then (benchmarks/results/depths.json)


def shallow(matrix: np.ndarray, inputs: Sequence[Interval], *, tries: int | None = None, seed: int = 0) -> AdderGraph:
    """`optimise` to a depth near the least that there is: for logic whose delay or registers count.

    `matrix`, `inputs`, `tries`, `seed` and errors are those of `optimise`.
    """
    whole, inputs = _checked(matrix, inputs)
    return optimise(whole, inputs, depth=least_depth(whole) + SPARE, tries=tries, seed=seed)


NEIGHBOURS = 320_000_000  # pairs of digits in one line that searches go through in some seconds


def _default_tries(matrix: np.ndarray) -> int:
    digits = int(digit_count(matrix))
    neighbours = digits * digits * sum(1 / max(1, size) for size in matrix.shape)
    return min(3200, max(12, int(NEIGHBOURS / max(1, neighbours))))
