"""Products with constant integer matrices as shared additions.

``y = matrix @ x`` becomes a graph of two-operand additions ``±(a << i) ± (b << j)``: no multiplier, and every partial
sum that rows or columns have in common made once. Weights are written in canonical signed digits; then pairs are shared
greedily, the pair first that saves most logic:

* two *columns*: ``a ± (b << d)`` occurs in several rows and is added once, before the rows (Hartley, IEEE TCAS-II 43,
  1996; da4ml does so, too);
* two *rows*: they read the same terms, whose sum is made once and added to both. That is sharing of columns in the
  transposed matrix, and what helps matrices with more inputs than outputs;

optionally on differences of similar rows or columns along a minimum spanning tree. Several weightings of the two are
tried, the best search is repeated with parts of it left out, and the cheapest graph is kept.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from logicnn.arithmetic.adders import (
    AdderGraph,
    AdderGraphError,
    Builder,
    Term,
    digit_count,
    limits,
    pruned,
    signed_digits,
)
from logicnn.arithmetic.digits import COLUMNS, ROWS
from logicnn.arithmetic.pairs import Sharing, Strategy
from logicnn.network import Interval

__all__ = ["optimise", "search", "without_sharing"]

Result = TypeVar("Result")
LIMIT = 1 << 62  # values that numpy's int64 still adds exactly


def _assemble(sharing: Sharing, inputs: tuple[Interval, ...], max_depth: int | None) -> AdderGraph:
    builder = Builder(inputs, sharing.low, sharing.high)
    columns: dict[int, Term | None] = {index: Term(index) for index in range(len(inputs))}
    rows: dict[int, Term | None] = {}

    def resolved(terms: Iterable[Term], places: dict[int, Term | None]) -> list[Term]:
        found = ((term, places[term.node]) for term in terms)
        return [
            Term(at.node, at.shift + term.shift, at.negative != term.negative) for term, at in found if at is not None
        ]

    for column, a, b in sharing.columns.definitions:
        columns[column] = builder.total(resolved((a, b), columns), False, None)
    for row in sharing.readers_last():
        terms = resolved(sharing.digits.terms(row), columns)
        terms += resolved(sharing.extra.get(row, ()), rows)
        output = row < sharing.outputs
        depth = None
        if max_depth is not None:
            depth = (
                max_depth if output else max(0, sum(1 << builder.depths[term.node] for term in terms) - 1).bit_length()
            )
        rows[row] = builder.total(terms, output, depth)
    return pruned(AdderGraph(inputs, tuple(builder.adders), tuple(rows[row] for row in range(sharing.outputs))))


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


WEIGHT_LIMIT = (1 << 24) - 1  # digits and the shifts of sharing fit into SHIFT_BITS with room to spare


def without_sharing(matrix: np.ndarray | Sequence[np.ndarray], inputs: Sequence[Interval]) -> AdderGraph:
    """Every row by itself in canonical signed digits, no sum made for two rows: what sharing is measured against."""
    whole, inputs = _checked(matrix, inputs)
    return _assemble(Sharing(whole, *limits(inputs), Strategy(), None), inputs, None)


# Weightings that differ enough for one of them to suit a matrix.
STRATEGIES = (
    Strategy(0.5, 0.7),
    Strategy(0.0, 0.85),
    Strategy(1.0, 0.7),
    Strategy(0.5, 1.5),
    Strategy(0.0, 1.5),
    Strategy(0.5, 0.7, differences=ROWS),
    Strategy(0.5, 0.7, differences=COLUMNS),
    Strategy(1.0, 1.2),
)


def optimise(
    matrix: np.ndarray | Sequence[np.ndarray],
    inputs: Sequence[Interval],
    *,
    max_depth: int | None = None,
    tries: int | None = None,
    seed: int = 0,
) -> AdderGraph:
    """The graph with the fewest carry bits found for ``matrix @ x``, `matrix` (outputs, inputs) integers, or several
    over the same inputs.

    Outputs are the rows of all matrices in order. `inputs` are the exact ranges of x. `max_depth` bounds the additions
    on any path. `tries` strategies are searched (by default as many as take seconds on one core); the result depends on
    `seed` and `tries` only. Raises `AdderGraphError` for anything else than integers, sums beyond 54 bits, or a depth
    that no tree of the digits reaches.
    """
    whole, inputs = _checked(matrix, inputs)
    if tries is not None and tries < 1:
        raise AdderGraphError(f"tries must be at least 1, not {tries}")
    if max_depth is not None:
        terms = max((int(np.count_nonzero(signed_digits(row))) for row in whole), default=0)
        needed = max(0, terms - 1).bit_length()
        if max_depth < needed:
            raise AdderGraphError(
                f"max_depth must be at least {needed} for {terms} signed digits in a row, not {max_depth}"
            )
    bounds = limits(inputs)
    tries = tries or _default_tries(whole)
    # Differences add a level that a bound on depth may not have; they take long for many lines.
    usable = [
        each
        for each in STRATEGIES
        if each.differences is None or (max_depth is None and whole.shape[each.differences] <= 128)
    ]
    best = search(
        usable[: -(-tries // 2)],
        tries,
        seed,
        begin=lambda strategy: Sharing(whole, *bounds, strategy, max_depth),
        build=lambda sharing: _assemble(sharing, inputs, max_depth),
        cost=lambda graph: graph.bits if max_depth is None or graph.depth <= max_depth else float("inf"),
        first=Sharing(whole, *bounds, Strategy(), max_depth),
    )
    if not np.array_equal(best.matrix, whole):
        raise AssertionError("the graph does not compute the matrix")
    return best


def _default_tries(matrix: np.ndarray) -> int:
    digits = max(1, int(digit_count(matrix)))
    neighbours = (
        digits * digits * (1 / max(1, matrix.shape[0]) + 1 / max(1, matrix.shape[1]))
    )  # pairs of digits in one line
    return next(count for count, most in ((400, 1e4), (200, 1e5), (12, 1e6), (16, float("inf"))) if neighbours <= most)


def search(
    starts: Sequence[Strategy],
    tries: int,
    seed: int,
    begin: Callable[[Strategy], Sharing],
    build: Callable[[Sharing], Result],
    cost: Callable[[Result], float],
    first: Sharing | None = None,
) -> Result:
    """The cheapest of what is built from so many searches: each start from nothing, then the best one but for some of
    what it took.

    `begin` makes the digits for a strategy; `first` is a candidate that has been searched.
    """
    changes = random.Random(seed)
    best = None if first is None else (build(first), first)
    for number in range(tries):
        if number < len(starts) or best is None:
            sharing = begin(replace(starts[number], seed=seed)).run()
        else:
            share = changes.choice((0.05, 0.1, 0.2, 0.4))
            taken = [each for each in best[1].taken if changes.random() > share]
            sharing = begin(replace(best[1].strategy, noise=0.3, seed=seed + number)).repeat(taken).run()
        result = build(sharing)
        if best is None or cost(result) <= cost(best[0]):
            best = result, sharing
    assert best is not None
    return best[0]
