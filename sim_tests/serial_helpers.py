"""A host at the end of a simulated serial line."""

from collections.abc import Sequence
from typing import Any

from amaranth import *
from amaranth.sim import Simulator
from hypothesis import strategies as st

from logicnn.board.protocol import ESCAPE, FLAG, SILENCE, Damage, Decoder, Fault, Frame, Kind, encode
from logicnn.flow.serial_line import levels, receive

DIVISOR = 8  # cycles a bit
PAUSE = (SILENCE + 1) * 10 * DIVISOR  # cycles after which a frame counts as cut


async def send(ctx, line, data: bytes, bit_cycles: float) -> None:
    """Bytes on a serial line, from a sender whose bits last `bit_cycles`."""
    sent = 0
    for place, level in enumerate(level for byte in data for level in levels(byte)):
        ctx.set(line, level)
        cycles = round((place + 1) * bit_cycles) - sent
        await ctx.tick().repeat(cycles)
        sent += cycles


def converse(
    dut: Any,
    script: Sequence[bytes | int],
    *,
    bit_cycles: float = DIVISOR,
    others: Sequence[Any] = (),
    after: int = 40 * 10 * DIVISOR,
) -> list[Frame | Damage]:
    """What a component with `rx` and `tx` answers to a script of bytes and of pauses, in cycles, until `after` cycles
    behind it.

    `others` are further testbenches, in the background.
    """
    decoder, answers, stop = Decoder(), [], Signal()

    async def sender(ctx):
        for each in script:
            if isinstance(each, bytes):
                await send(ctx, dut.rx, each, bit_cycles)
            else:
                await ctx.tick().repeat(each)
        await ctx.tick().repeat(after)
        ctx.set(stop, 1)

    async def receiver(ctx):
        while (byte := await receive(ctx, dut.tx, stop, DIVISOR)) is not None:
            answers.extend(decoder.feed(bytes([byte])))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(sender)
    simulator.add_testbench(receiver)
    for each in others:
        simulator.add_testbench(each, background=True)
    simulator.run()
    assert not decoder.pending, "an answer without its end"
    return answers


def request(kind: Kind, tag: int = 0, payload: bytes = b"") -> bytes:
    return encode(Frame(kind, tag, payload))


def error(fault: Fault, tag: int = 0) -> Frame:
    return Frame(Kind.ERROR, tag, bytes([fault]))


@st.composite
def broken_frames(draw, size: int) -> bytes:
    """A frame, whole, cut, or with bytes changed, many of them requests with a sample of `size` bytes."""
    payload = draw(st.binary(min_size=size, max_size=size))[: draw(st.sampled_from([0, size]))]
    frame = bytearray(encode(Frame(draw(st.integers(0, 15)), draw(st.integers(0, 15)), payload)))
    for _ in range(draw(st.integers(0, 2))):
        frame[draw(st.integers(0, len(frame) - 1))] ^= draw(st.integers(1, 255))
    return bytes(frame[draw(st.integers(0, 4)) : draw(st.sampled_from([len(frame), len(frame), len(frame) - 2, 3]))])


def streams(size: int) -> st.SearchStrategy[bytes]:
    """What may come over a line: pieces of frames, flags, escapes, and noise."""
    pieces = [broken_frames(size), st.binary(max_size=6), st.sampled_from([bytes([FLAG]), bytes([ESCAPE])])]
    return st.lists(st.one_of(*pieces), max_size=6).map(b"".join)
