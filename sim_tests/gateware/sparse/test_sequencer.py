"""What the convolution engine does in which cycle, against loops over layers, groups, channels and positions."""

from collections.abc import Iterator

import pytest
from amaranth.sim import Simulator

from logicnn.engines.sparse.plan import DEPTH, Layer, Plan
from logicnn.engines.sparse.scan import Move, scan
from logicnn.gateware.sparse.sequencer import Sequencer
from sim_tests.sparse_helpers import PLANS, plan_by_name

IDLE: dict = {"read": 0, "word": 0, "compute": 0}


STEPS = {Move.RIGHT: (0, 1), Move.LEFT: (0, -1), Move.DOWN: (1, 0), Move.UP: (-1, 0)}


def address(layer: Layer, side: int, channel: int, y: int, x: int) -> int:
    """Of a word of a channel; those of a dense layer are windows, row by row."""
    stride, pitch = (side**2, side) if layer.dense else (layer.given.stride, layer.given.pitch)
    return layer.given.base * side + channel * stride + y * pitch + x


def ref_pass(layer: Layer, side: int, channel: int) -> Iterator[dict]:
    """The beats of one pass: most of the first window, and then all positions, or all words of a dense layer."""
    far = side - 1
    words = iter(range(layer.words))

    def word() -> dict:
        number = next(words, None)
        return {"word": 0} if number is None else {"word": 1, "number": number}

    for place in range(far - layer.lead + 1, far):  # a row or column of the window, once it is not negative
        where = (place, 0) if layer.dense else (0, place)
        moves = {"move": Move.DOWN if layer.dense else Move.RIGHT, "place": address(layer, side, channel, *where)}
        yield IDLE | ({} if layer.dense else word()) | ({"read": 1} | moves if place >= 0 else {})
    state = {"compute": 1, "first": int(channel == 0), "last": int(channel == layer.channels - 1)}
    if layer.dense:
        for step in range(layer.steps):
            read = (
                {"read": 0} if step else {"read": 1, "move": Move.DOWN, "place": address(layer, side, channel, far, 0)}
            )
            yield state | read | {"word": 1, "number": 0, "starts": int(step == 0), "begins": 1, "ends": 1, "group": 1}
        return
    y, x = 0, -1  # the window's origin
    for step, (move, leave, number) in enumerate(scan(layer.rows, layer.columns, layer.pool)):
        y, x = y + STEPS[move][0], x + STEPS[move][1]
        where = y + far * (move == Move.DOWN), x + far * (move == Move.RIGHT)
        read = {"read": 1, "move": move, "place": address(layer, side, channel, *where)}
        ends = {"starts": int(step == 0), "begins": int(number == 0), "ends": int(leave > 0)}
        yield (
            state
            | read
            | word()
            | ends
            | {"group": int(step == layer.steps - 1)}
            | ({"leave": leave - 1} if leave else {})
        )


def ref_beats(plan: Plan) -> list[dict]:
    """What is decided in each cycle after the start, and of which `layer`: it `begins` in the cycle before its first
    beat.
    """
    found: list[dict] = [IDLE]
    for number, layer in enumerate(plan.layers):
        rows = [found.pop() | {"begin": 1}]
        for _ in range(layer.groups):
            for channel in range(layer.channels):
                for beat in ref_pass(layer, plan.side, channel):
                    held = layer.hold if beat["compute"] and beat["last"] and beat["ends"] else 0
                    rows += [beat, *[IDLE] * held]
        rows += [IDLE] * (DEPTH + layer.group)
        found += [{"layer": number, "begin": 0, "done": 0} | each for each in rows]
        if number < len(plan.layers) - 1:
            found[-1] = IDLE  # which is of the next layer already
    found[-1] |= {"done": 1}
    return found


def rtl_beats(plan: Plan, known: list[dict]) -> list[list[dict]]:
    """The same of the sequencer, after each of two starts, but only those fields that are known."""
    dut, found = Sequencer(plan), ([], [])

    async def bench(ctx):
        for rows in found:
            await ctx.tick().repeat(3)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for fields in known:
                seen = {name: ctx.get(getattr(dut, name)) for name in ("layer", "begin", "done")}
                await ctx.tick()  # beats and places are registers
                beat, place = ctx.get(dut.beat), ctx.get(dut.place)
                every = {name: getattr(beat, name) for name in dut.beat.shape().members}
                every["place"] = place.at * plan.side + place.bank
                rows.append(seen | {name: value for name, value in every.items() if name in fields})

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return list(found)


@pytest.mark.parametrize("name", PLANS)
def test_beats(name):
    plan = plan_by_name(name)
    expected = ref_beats(plan)
    assert len(expected) == 1 + sum(layer.cycles for layer in plan.layers)
    assert rtl_beats(plan, expected) == [expected] * 2
