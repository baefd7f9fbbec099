# amaranth: UnusedElaboratable=no
"""The convolution engine in Amaranth's simulator: classes of `Network.evaluate`, cycles of the plan, whatever the
streams do.
"""

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.engines.engine import Latency, MappingError
from logicnn.engines.mapping import Mapping
from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.kernels import SparseError
from logicnn.engines.sparse.plan import Plan, Tile
from logicnn.gateware.core import Core
from logicnn.gateware.sparse.engine import ConvolutionEngine
from logicnn.network import Network
from logicnn.resources import DEVICES
from sim_tests.sparse_helpers import network, plan_of


def rtl_classes(
    plan: Plan, x: np.ndarray, *, gap: int = 0, delay: int = 0, loaded: bool = False, cut: int = 0
) -> tuple[np.ndarray, set[int]]:
    """Classes of inputs (n, ...), and the cycles that they took.

    `gap` cycles between words, `delay` until an answer is taken, weights loaded first or not, and `cut` words of an
    input that breaks off.
    """
    engine = ConvolutionEngine(plan, loaded=loaded)
    classes, cycles = [], set()

    async def send(ctx, words):
        for place, word in enumerate(words):
            ctx.set(engine.i.valid, 1)
            ctx.set(engine.i.payload, word)
            await ctx.tick().until(engine.i.ready)
            ctx.set(engine.i.valid, 0)
            if gap and place < len(words) - 1:
                await ctx.tick().repeat(gap)

    async def testbench(ctx):
        if loaded:
            pieces = np.ascontiguousarray(contents_of(plan).image).view("<u2").reshape(-1)
            for address, piece in enumerate(pieces.tolist()):
                ctx.set(engine.load.valid, 1)
                ctx.set(engine.load.payload, {"data": piece, "address": address})
                await ctx.tick()
            ctx.set(engine.load.valid, 0)
        for sample in x.reshape(len(x), -1).tolist():
            if cut:
                await send(ctx, sample[:cut])
                ctx.set(engine.clear, 1)
                await ctx.tick()
                ctx.set(engine.clear, 0)
            await send(ctx, sample)
            waited = 1
            while not ctx.get(engine.o.valid):
                await ctx.tick()
                waited += 1
                assert waited <= plan.latency + 10
            cycles.add(waited)
            for _ in range(delay):
                assert not ctx.get(engine.i.ready)
                await ctx.tick()
            classes.append(ctx.get(engine.o.payload))
            ctx.set(engine.o.ready, 1)
            await ctx.tick()
            ctx.set(engine.o.ready, 0)

    simulator = Simulator(engine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(classes), cycles


def check(whole: Network, tile: Tile, count: int = 4, **streams) -> None:
    plan = plan_of(whole, tile)
    x = np.random.default_rng(11).integers(0, 256, (count, *whole.input.shape))
    classes, cycles = rtl_classes(plan, x, **streams)
    assert classes.tolist() == whole.evaluate(x).tolist()
    assert cycles == {plan.latency}


@pytest.mark.parametrize(
    ("made", "tile"),
    [
        (lambda: network(1), Tile(3, 2)),  # kernels in two lanes, pooling
        (lambda: network(2, convolutions=((4, 3, 2),)), Tile(4, 3)),
        (lambda: network(3, side=2, image=(2, 7, 6), convolutions=((3, 2, 1), (4, 2, 2), (5, 1, 1))), Tile(3, 2)),
        (lambda: network(4, side=5, image=(1, 12, 12), convolutions=((4, 6, 2),)), Tile(5, 3)),
        (lambda: network(5, side=5, image=(60,), convolutions=()), Tile(2, 2)),  # dense layers alone
        (lambda: network(6, image=(3, 6, 7), convolutions=((9, 2, 2),), dense=((11, 1), (6, 3))), Tile(4, 2)),
        (
            lambda: network(7, side=2, image=(1, 2, 2), convolutions=((1, 1, 1),), dense=()),
            Tile(1, 2),
        ),  # one position, one lane
    ],
)
def test_engine(made, tile):
    check(made(), tile)


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("delay", [0, 1, 7])
def test_stalls(gap, delay):
    check(network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=()), Tile(2, 2), gap=gap, delay=delay)


@pytest.mark.parametrize("cut", [1, 5, 35])
def test_broken_off(cut):
    """An input that is cleared leaves no trace."""
    check(network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=()), Tile(2, 2), cut=cut)


def test_loaded():
    check(network(9, image=(1, 6, 6), convolutions=((3, 2, 1),)), Tile(3, 2), loaded=True)


def test_interval():
    """Words that are always there, classes that are always taken: an input every `interval` cycles."""
    plan = plan_of(network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=()), Tile(2, 2))
    engine, starts = ConvolutionEngine(plan), []

    async def testbench(ctx):
        ctx.set(engine.o.ready, 1)
        ctx.set(engine.i.valid, 1)
        words = 0
        for cycle in range(3 * plan.interval):
            if ctx.get(engine.i.ready):
                starts.extend([cycle] * (words % 36 == 0))
                words += 1
            await ctx.tick()

    simulator = Simulator(engine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert starts == [0, plan.interval, 2 * plan.interval]


def test_every_input():
    """Exhaustively: all images of 2 x 3 words of 0, 100 and 255."""
    whole = network(10, side=2, image=(1, 2, 3), convolutions=((2, 2, 1),), dense=(), classes=3)
    x = np.array(np.meshgrid(*[[0, 100, 255]] * 6)).reshape(6, -1).T.reshape(-1, 1, 2, 3)
    plan = plan_of(whole, Tile(2, 2))
    classes, cycles = rtl_classes(plan, x)
    assert classes.tolist() == whole.evaluate(x).tolist()
    assert len(set(classes.tolist())) > 1
    assert cycles == {plan.latency}


def test_mapping():
    """What the mapping predicts is the plan's; it is no logic alone."""
    mapping = Mapping.sparse(network(8), DEVICES["iCE40UP5K"])
    (engine,) = mapping.engines
    assert mapping.latency == Latency(engine.plan.latency, engine.plan.latency)
    assert mapping.interval == engine.plan.interval
    with pytest.raises(
        MappingError, match=r"^mapping has an engine that is no logic alone: use logicnn.gateware.Accel"
    ):
        Core(mapping)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 30),
    side=st.integers(2, 3),
    height=st.integers(3, 7),
    width=st.integers(3, 7),
    channels=st.integers(1, 3),
    outputs=st.integers(1, 6),
    pool=st.integers(1, 2),
    keep=st.integers(1, 4),
    lanes=st.integers(2, 5),
    slots=st.integers(2, 3),
)
def test_shapes(seed, side, height, width, channels, outputs, pool, keep, lanes, slots):
    if min(height, width) - side + 1 < pool:
        return
    whole = network(
        seed,
        side=side,
        image=(channels, height, width),
        convolutions=((outputs, keep, pool),),
        dense=((5, min(3, keep)),),
        patterns=2,
    )
    try:
        plan_of(whole, Tile(lanes, slots, 96))
    except SparseError:
        assert keep > 2 * slots
        return
    check(whole, Tile(lanes, slots, 96), count=2)
