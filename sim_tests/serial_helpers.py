"""A host at the end of a serial line, in Amaranth's simulator, or of one in every lane of a netlist."""

import binascii
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth import *
from amaranth.sim import Simulator

from logicnn.board.protocol import (
    CRC_BYTES,
    CRC_START,
    ESCAPE,
    FLAG,
    HEADER_BYTES,
    TOGGLE,
    Damage,
    Decoder,
    Fault,
    Frame,
    Kind,
    encode,
)
from logicnn.flow.serial_line import levels, receive
from logicnn.netlist.simulate import Simulation

DIVISOR = 8  # cycles a bit
PERIOD = 1e-6  # of the clock

Script = Sequence[bytes | int]  # bytes, and pauses in cycles


def byte_cycles(divisor: int) -> int:
    return 10 * divisor


def converse(
    dut: Any,
    script: Script,
    *,
    divisor: int = DIVISOR,
    bit_cycles: float | None = None,
    others: Sequence[Any] = (),
    after: int | None = None,
) -> list[Frame | Damage]:
    """What a component with `rx` and `tx` answers to a script, until `after` cycles behind it, 40 bytes if not given.

    A sender's bits last `bit_cycles`, where it is not as fast as the component. `others` are further testbenches, in
    the background.
    """
    decoder, answers, stop = Decoder(), [], Signal()
    bit = (bit_cycles or divisor) * PERIOD
    behind = 40 * byte_cycles(divisor) if after is None else after

    async def sender(ctx):
        await ctx.tick()
        for each in script:
            if isinstance(each, int):
                await ctx.delay(each * PERIOD)
                continue
            for level in (level for byte in each for level in levels(byte)):
                ctx.set(dut.rx, level)
                await ctx.delay(bit)
        await ctx.delay(behind * PERIOD)
        ctx.set(stop, 1)

    async def receiver(ctx):
        while (byte := await receive(ctx, dut.tx, stop, divisor)) is not None:
            answers.extend(decoder.feed(bytes([byte])))

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(sender)
    simulator.add_testbench(receiver)
    for each in others:
        simulator.add_testbench(each, background=True)
    simulator.run()
    assert not decoder.pending, "an answer without its end"
    return answers


LEVELS = np.array([levels(byte) for byte in range(256)], np.uint8)


def line_of(script: Script, divisor: int, bit_cycles: float | None = None) -> np.ndarray:  # (cycles,) uint8
    """The levels of a line on which a script is sent, by a sender whose bits last `bit_cycles`."""
    parts = []
    for each in script:
        if isinstance(each, int):
            parts.append(np.ones(each, np.uint8))
            continue
        bits = LEVELS[np.frombuffer(each, np.uint8)].ravel()
        edges = np.round(np.arange(len(bits) + 1) * (bit_cycles or divisor)).astype(int)
        parts.append(np.repeat(bits, np.diff(edges)))
    return np.concatenate([np.ones(divisor, np.uint8), *parts])


def received(line: np.ndarray, divisor: int) -> list[list[tuple[int, int]]]:  # (cycles, lanes)
    """(cycle of its start bit, byte) of every byte that was sent on each of the lanes' lines."""
    cycles, lanes = line.shape
    every = np.ascontiguousarray(line.T.astype(np.uint8)).ravel()
    down = np.append(np.flatnonzero(every == 0), every.size)
    found: list[list[tuple[int, int]]] = [[] for _ in range(lanes)]
    lane, at = np.arange(lanes), np.zeros(lanes, np.int64)  # of the lanes with a further byte, where to look for it
    while True:
        starts = down[np.searchsorted(down, lane * cycles + at)] - lane * cycles
        lane, starts = lane[starts < cycles], starts[starts < cycles]
        if not len(lane):
            return found
        middles = starts + divisor // 2 + divisor * np.arange(1, 10)[:, None]
        assert middles.max() < cycles, "a byte is not yet sent in the end"
        bits = every[middles + lane * cycles]
        assert bits[8].all(), f"a byte without a stop bit in lane {lane[bits[8].argmin()]}"
        for each, start, byte in zip(lane.tolist(), starts.tolist(), (1 << np.arange(8)) @ bits[:8], strict=True):
            found[each].append((start, int(byte)))
        at = middles[8]


def decoded(sent: Sequence[tuple[int, int]]) -> list[Frame | Damage]:
    """Frames of bytes as `received` gives them."""
    decoder = Decoder()
    answers = decoder.feed(bytes(byte for _, byte in sent))
    assert not decoder.pending, "an answer without its end"
    return answers


class NetlistLine:
    """A synthesised design with a serial line: each lane of its simulation holds a conversation of its own, from
    power-up on.
    """

    def __init__(self, simulation: Simulation, divisor: int, rx: str = "rx", tx: str = "tx"):
        self.simulation, self.divisor, self.rx, self.tx = simulation, divisor, rx, tx
        simulation.set(rx, 1)
        self.start = simulation.snapshot()

    def answers(
        self, scripts: Sequence[Script], after: int, *, bit_cycles: Sequence[float] | None = None, **inputs: Any
    ) -> list[list[Frame | Damage]]:
        """What is answered to each script until `after` cycles behind the longest. `inputs` by name are constant, one
        for each script or for all; `bit_cycles` are those of the senders.
        """
        lanes, count = self.simulation.lanes, len(scripts)
        senders = [None] * count if bit_cycles is None else bit_cycles
        lines = [line_of(*each) for each in zip(scripts, [self.divisor] * count, senders, strict=True)]
        order = np.argsort([len(each) for each in lines])  # a lane takes as long as the longest beside it
        found: dict[int, list[Frame | Damage]] = {}
        for start in range(0, count, lanes):
            part = order[start : start + lanes]
            self.simulation.restore(self.start)
            for name, values in inputs.items():
                self.simulation.set(name, np.resize(np.broadcast_to(values, count)[part], lanes))
            sent = received(self._taken([lines[place] for place in part], after), self.divisor)
            found |= {place: decoded(each) for place, each in zip(part.tolist(), sent, strict=False)}
        return [found[place] for place in range(count)]

    def _taken(self, lines: Sequence[np.ndarray], after: int) -> np.ndarray:  # (cycles, lanes)
        rx = np.ones((self.simulation.lanes, max(map(len, lines)) + after), np.uint8)
        for lane, line in enumerate(lines):
            rx[lane, : len(line)] = line
        return self.simulation.run({self.rx: rx.T}, record=[self.tx])[self.tx]


def request(kind: int, tag: int = 0, payload: bytes = b"") -> bytes:
    return encode(Frame(kind, tag, payload))


def error(fault: int, tag: int = 0) -> Frame:
    return Frame(Kind.ERROR, tag, bytes([fault]))


@dataclass(frozen=True)
class Verdict:
    """What is to be said of the bytes between two flags: of those without a fault `payload` counts."""

    fault: int
    kind: int = 0
    tag: int = 0
    payload: bytes = b""


def ref_verdicts(data: bytes, size: int) -> list[Verdict]:
    """A board's verdicts on everything before a flag, where samples have `size` bytes."""
    return [_verdict(part, size) for part in data.split(bytes([FLAG]))[:-1] if part]


def _verdict(part: bytes, size: int) -> Verdict:
    body, escaped = bytearray(), False
    for byte in part:
        if byte == ESCAPE:
            escaped = True
        else:
            body.append(byte ^ TOGGLE * escaped)
            escaped = False
    kind, tag = (body[0] & 15, body[0] >> 4) if body else (0, 0)
    lengths = {Kind.IDENTIFY: 0, Kind.CLASSIFY: size, Kind.COUNTERS: 0}
    if escaped:
        return Verdict(Fault.CUT, tag=tag)
    if len(body) > 1:
        if kind not in lengths:
            return Verdict(Fault.COMMAND, tag=tag)
        announced = lengths[kind].to_bytes(2, "little")
        if any(given != right for given, right in zip(body[1:HEADER_BYTES], announced, strict=False)):
            return Verdict(Fault.LENGTH, tag=tag)
    whole = HEADER_BYTES + lengths.get(kind, 0) + CRC_BYTES
    if len(body) != whole:
        return Verdict(Fault.CUT if len(body) < whole else Fault.LENGTH, tag=tag)
    if binascii.crc_hqx(bytes(body), CRC_START):
        return Verdict(Fault.CRC, tag=tag)
    return Verdict(0, kind, tag, bytes(body[HEADER_BYTES:-CRC_BYTES]))


def _broken_frame(rng: random.Random, size: int) -> bytes:
    """A frame, whole, cut, or with bytes changed, many of them requests with a sample of `size` bytes."""
    kind = rng.choice([*Kind, rng.randrange(16)])
    payload = rng.randbytes(rng.choice([size if kind == Kind.CLASSIFY else 0, 0, size, rng.randrange(size + 2)]))
    frame = bytearray(encode(Frame(kind, rng.randrange(16), payload)))
    for _ in range(rng.choice([0, 0, 1, 2])):
        frame[rng.randrange(len(frame))] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
    return bytes(frame[rng.choice([0, 0, 0, 1, 4]) : rng.choice([len(frame)] * 3 + [-2, 3])])


def random_streams(seed: int, size: int, most: int = 6) -> Iterator[bytes]:
    """What may come over a line, without end: pieces of frames, flags, escapes, and noise."""
    rng = random.Random(seed)
    while True:
        pieces = []
        for _ in range(rng.randrange(most + 1)):
            match rng.randrange(4):
                case 0:
                    pieces.append(rng.randbytes(rng.randrange(7)))
                case 1:
                    pieces.append(bytes([rng.choice([FLAG, ESCAPE])]))
                case _:
                    pieces.append(_broken_frame(rng, size))
        yield b"".join(pieces)
