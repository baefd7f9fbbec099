"""The sparse processing engine against the kernels it was given, with stalls on both sides."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.engines.sparse.selectors import Selection
from logicnn.errors import LogicnnError
from logicnn.gateware.sparse.spe import EngineRanges, PatternSelector, ProcessingEngine, SparseProcessingEngine
from logicnn.network import Interval, NetworkError
from logicnn.pruning.patterns import CompressedKernels, PatternSet, by_coverage

RANGES = EngineRanges(Interval(0, 255), Interval(-128, 127), Interval(-(1 << 21), (1 << 21) - 1), 8, 12)


def random_sets(seed: int, size: int, keep: int, patterns: int, sets: int) -> list[PatternSet]:
    rng = np.random.default_rng(seed)
    every = [np.isin(np.arange(size), each) for each in combinations(range(size), keep)]
    return [PatternSet(np.array(every)[rng.choice(len(every), patterns, replace=False)]) for _ in range(sets)]


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_selection_reads_what_patterns_keep(seed, keep, sets):
    """Whatever the slots, a kernel's products are all there; multiplexers have at most the inputs of the plain
    order.
    """
    chosen = random_sets(seed, 9, keep, 4, sets)
    selection = Selection.of(chosen)
    rng = np.random.default_rng(seed)
    window = rng.integers(0, 256, 9)
    for place, each in enumerate(chosen):
        index = rng.integers(0, 4, 10)
        kernels = CompressedKernels(each, index, rng.integers(-128, 128, (10, keep)))
        numbers, weights = selection.arranged(place, kernels)
        read = np.array([window[list(selection.numbers[int(number)])] for number in numbers])
        assert np.array_equal((read * weights).sum(1), kernels.decode() @ window)
    plain = np.concatenate([each.positions for each in chosen])
    assert sum(map(len, selection.inputs)) <= sum(len(set(column)) for column in plain.T.tolist())


def test_selection_saves_inputs():
    """{0, 1} and {1, 2}: position 1 is read in one slot, which leaves three inputs of four."""
    selection = Selection.of([PatternSet(np.array([[1, 1, 0], [0, 1, 1]]))])
    assert sorted(map(len, selection.inputs)) == [1, 2] and selection.number_bits == 1


def test_sets_of_one_shape():
    with pytest.raises(
        NetworkError, match=r"^sets must have one size and keep one count of weights, not \[\(9, 2\), \(9, 3\)\]$"
    ):
        Selection.of([*random_sets(1, 9, 2, 2, 1), *random_sets(1, 9, 3, 2, 1)])


@pytest.mark.parametrize(("size", "keep", "patterns", "sets"), [(4, 2, 3, 1), (4, 1, 4, 2), (5, 3, 2, 3), (4, 3, 4, 1)])
def test_selector_exhaustive(size, keep, patterns, sets):
    """Every window of bits under every pattern."""
    selection = Selection.of(random_sets(2, size, keep, patterns, sets))
    selector = PatternSelector(selection, Interval(0, 1))
    seen = []

    async def bench(ctx):
        for number in selection.numbers:
            for window in range(1 << size):
                ctx.set(selector.number, number)
                ctx.set(selector.window.as_value(), window)
                seen.append([ctx.get(selector.o[slot]) for slot in range(keep)])

    simulator = Simulator(selector)
    simulator.add_testbench(bench)
    simulator.run()
    expected = [
        [window >> position & 1 for position in positions]
        for positions in selection.numbers.values()
        for window in range(1 << size)
    ]
    assert seen == expected


def rtl_sums(
    spe: ProcessingEngine | SparseProcessingEngine, beats: list[dict], i_stall: float, o_stall: float
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """(total, result) of every last beat, and the cycles at which last beats went in and results came out."""
    rng = np.random.default_rng(3)
    results: list[tuple[int, int]] = []
    entered: list[int] = []
    left: list[int] = []
    wanted = sum(beat["control"]["last"] for beat in beats)

    async def bench(ctx):
        place, cycle = 0, 0
        while len(results) < wanted:
            offered = place < len(beats) and rng.random() >= i_stall
            taken = rng.random() >= o_stall
            ctx.set(spe.i.valid, offered)
            if offered:
                ctx.set(spe.i.payload, beats[place])
            ctx.set(spe.o.ready, taken)
            went, came = offered and ctx.get(spe.i.ready), taken and ctx.get(spe.o.valid)
            if came:
                results.append((ctx.get(spe.o.payload.total), ctx.get(spe.o.payload.result)))
                left.append(cycle)
            if went:
                entered.extend([cycle] * beats[place]["control"]["last"])
                place += 1
            await ctx.tick()
            cycle += 1

    simulator = Simulator(spe)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return results, entered, left


@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
@pytest.mark.parametrize("keep", [1, 2, 3, 6])
def test_spe_sums_kernels(keep, i_stall, o_stall):
    """Sums of one to four kernels of two sets, of unsigned windows and signed weights."""
    rng = np.random.default_rng(keep)
    kernels = rng.integers(-127, 128, (24, 9))
    sets = [by_coverage(kernels[:12], keep, 4), by_coverage(kernels[12:], keep, 4)]
    pruned = np.concatenate([each.applied(part) for each, part in zip(sets, (kernels[:12], kernels[12:]), strict=True)])
    selection = Selection.of(sets)
    numbers, weights = (
        np.concatenate(parts)
        for parts in zip(
            *(
                selection.arranged(place, CompressedKernels.encode(part, each))
                for place, (each, part) in enumerate(zip(sets, (pruned[:12], pruned[12:]), strict=True))
            ),
            strict=True,
        )
    )
    spe = SparseProcessingEngine(selection, RANGES)
    beats, expected = [], []
    for start in range(0, 24, 4):
        count, bias, shift = int(rng.integers(1, 5)), int(rng.integers(-5000, 5000)), int(rng.integers(0, 13))
        total = bias
        for place in range(count):
            window, at = rng.integers(0, 256, 9), start + place
            control = {"bias": bias, "shift": shift, "first": int(place == 0), "last": int(place == count - 1)}
            beats.append(
                {
                    "words": window.tolist(),
                    "number": int(numbers[at]),
                    "weights": weights[at].tolist(),
                    "control": control,
                }
            )
            total += int(pruned[at] @ window)
        expected.append((total, min(255, max(0, total >> shift))))
    results, entered, left = rtl_sums(spe, beats, i_stall, o_stall)
    assert results == expected
    if not o_stall:
        assert [b - a for a, b in zip(entered, left, strict=True)] == [spe.latency] * len(entered)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_conventional_engine(count):
    """Without a selector; signed words, sums that are negative or too large for a result."""
    rng = np.random.default_rng(count)
    engine = ProcessingEngine(count, replace(RANGES, word=Interval(-128, 127)))
    beats, expected = [], []
    for _ in range(20):
        words, weights, bias = (
            rng.integers(-128, 128, count),
            rng.integers(-128, 128, count),
            int(rng.integers(-999, 999)),
        )
        control = {"bias": bias, "shift": int(rng.integers(0, 13)), "first": 1, "last": 1}
        beats.append({"words": words.tolist(), "weights": weights.tolist(), "control": control})
        total = int(words @ weights) + bias
        expected.append((total, min(255, max(0, total >> control["shift"]))))
    results, entered, left = rtl_sums(engine, beats, 0.0, 0.0)
    assert results == expected and {b - a for a, b in zip(entered, left, strict=True)} == {engine.latency}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(RANGES, result_bits=0), "EngineRanges.result_bits must be at least 1, not 0"),
        (lambda: replace(RANGES, most_shift=-1), "EngineRanges.most_shift must be at least 0, not -1"),
    ],
)
def test_bad_ranges(make, message):
    with pytest.raises(LogicnnError, match=f"^{message}$"):
        make()
