"""Many boards at once, each a lane of its netlist's simulation, on lines that lose, double, change and delay what goes
over them, both ways.

A host asks each of them for one sample after the other, and takes for its answer what `logicnn.board.host.Connection`
would: the class in a frame that is whole, with the tag of a request that is not yet answered, of which there are two at
most.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from logicnn.board import boards
from logicnn.board.protocol import SILENCE, TAGS, Damage, Decoder, Frame, Kind, encode, pack_sample
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.serial_line import levels
from logicnn.flow.sources import elaborated
from logicnn.netlist.simulate import Simulation
from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Threshold

__all__ = ["Counted", "FaultyLine", "Rates", "board_netlist", "bytes_on", "network"]

DIVISOR = 8  # cycles a bit: 1.5 Mbaud at 12 MHz
BITS = 10  # of a byte on the line
BYTE = BITS * DIVISOR  # cycles
SLOT = 30 * BYTE  # from one request to the next: a request, an answer, and a pause
# Cycles that a byte of an answer comes too late, and all behind it, at most. The host here goes on to the next request
# at once, so that an answer of as many requests ago as there are tags would be taken for another's (as one was, where a
# line was unplugged for three requests and then late for twelve). `Connection` waits for two at a time and ends when it
# has sent each four times: a line that says nothing for more than eight requests has no host.
UNPLUGGED = 3  # requests, at most
LATEST = (8 - UNPLUGGED) * SLOT
QUIET = (2 * SILENCE + 60) * BYTE  # in which every answer comes, also that to a frame that was cut
OUTSTANDING = 2  # requests without an answer
LEVELS = np.array([levels(byte) for byte in range(256)], np.uint8)
RX, TX = "uart_0__rx__io", "uart_0__tx__io"


def network(seed: int = 24) -> Network:
    """Thirteen bits to one of three classes, each of many samples: a small frame, so that there are many of them."""
    rng = np.random.default_rng(seed)
    weights = rng.choice([-1, 1], (6, 13))
    thresholds = Threshold(rng.integers(4, 9, 6))
    scores = BinaryDense(rng.choice([-1, 1], (3, 6)), Offset([0, 0, 0]))
    return Network(Activations((13,), Interval(0, 1)), [BinaryDense(weights, thresholds), scores, Argmax()], "line")


def board_netlist(given: Network, folder: Path) -> Path:
    """The icebreaker's design with a fast line, as Yosys makes it: the file."""
    design = designed(Mapping.unrolled(given), boards.find("icebreaker"), 12_000_000 // DIVISOR)
    if design.clock_hz != design.baud * DIVISOR:
        raise ValueError(f"the line must have {DIVISOR} cycles a bit, not {design.clock_hz / design.baud}")
    folder.mkdir(parents=True, exist_ok=True)
    sources = elaborated(design)
    for name, data in sources.files.items():
        (folder / name).write_bytes(data)
    tools.run(sources.synthesis, folder, "synthesis.log")
    return folder / "top.json"


@dataclass(frozen=True)
class Rates:
    """How often something happens to a byte, either way, and how often to a request or the answers to it."""

    lost: float = 0.003
    doubled: float = 0.003
    turned: float = 0.004  # one of its bits
    drawn: float = 0.002  # all of its bits anew
    delayed: float = 0.002  # with all behind it: of an answer by up to `LATEST`, of a request by twice `SILENCE`
    noise: float = 0.005  # random bytes, up to 12, before a request
    twice: float = 0.005  # a request goes over the line twice
    glitch: float = 0.01  # the level is the other one, for up to two bits
    unplugged: float = 0.004  # nothing arrives, through up to `UNPLUGGED` requests


BYTES = ("lost", "doubled", "turned", "drawn", "delayed")  # what happens to bytes


@dataclass
class Counted:
    """What was asked, what for answers were taken, and what the host took for none. `faults` by name."""

    frames: int = 0
    accepted: int = 0
    wrong: int = 0
    damaged: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@dataclass
class _Host:
    """What it waits for, class by tag, and what of an answer has come."""

    decoder: Decoder = field(default_factory=Decoder)
    waiting: dict[int, int] = field(default_factory=dict)
    tags: int = 0  # that were given

    def tag(self) -> int:
        self.tags += 1
        return self.tags % (TAGS - 1) + 1


class FaultyLine:
    """A board with the network `given` in each lane of a simulation, and its host. `ask` may be called again and again:
    lines and boards go on as they are.
    """

    def __init__(self, simulation: Simulation, given: Network, seed: int, rates: Rates | None = None):
        self._simulation, self._network, self._rates = simulation, given, rates or Rates()
        self._rng = np.random.default_rng(seed)
        self._hosts = [_Host() for _ in range(simulation.lanes)]
        self.counted = Counted()
        simulation.set(RX, 1)

    def ask(self, count: int) -> None:
        """So many more requests to every board, and what becomes of their answers."""
        lanes, size = self._simulation.lanes, self._network.core_bits
        samples = self._rng.integers(0, 2, (lanes, count, size)).astype(bool)
        classes = self._network.evaluate_bits(samples.reshape(-1, size)).reshape(lanes, count)
        line = np.ones((lanes, count * SLOT + QUIET), np.uint8)
        asked = [self._asked(host, *of) for host, *of in zip(self._hosts, line, samples, classes, strict=True)]
        back = self._simulation.run({RX: np.ascontiguousarray(line.T)}, record=[TX])[TX]
        for host, requests, coming in zip(self._hosts, asked, bytes_on(back, DIVISOR), strict=True):
            self._answered(host, requests, *coming)

    def _asked(
        self, host: _Host, line: np.ndarray, samples: np.ndarray, classes: np.ndarray
    ) -> list[tuple[int, int, int]]:
        """Sends requests on a line (cycles,): the cycle of each, its tag, and the class that is right."""
        tags = [host.tag() for _ in samples]
        frames = [encode(Frame(Kind.CLASSIFY, tag, pack_sample(x, 1))) for tag, x in zip(tags, samples, strict=True)]
        for place in self._happening("twice", len(frames)):
            frames[place] *= 2
        for place in self._happening("noise", len(frames)):
            frames[place] = self._rng.bytes(self._rng.integers(1, 13)) + frames[place]
        owner = np.repeat(np.arange(len(frames)), [len(each) for each in frames])
        data, source, gaps = self._faulty(np.frombuffer(b"".join(frames), np.uint8), 2 * SILENCE * BYTE)
        owner = owner[source]
        starts, found, begin, free = np.zeros(len(data), np.int64), [], -SLOT, 0
        edges = np.searchsorted(owner, np.arange(len(frames) + 1))
        for place, (low, high) in enumerate(pairwise(edges)):
            begin = max(begin + SLOT, free)
            times = begin + np.cumsum(gaps[low:high]) + BYTE * np.arange(high - low)
            free = int(times[-1]) + BYTE if high > low else begin
            if free >= len(line) - QUIET:  # too late to be answered in this time
                data, starts = data[:low], starts[:low]
                break
            starts[low:high] = times
            found.append((begin, tags[place], int(classes[place])))
        line[starts[:, None] + np.arange(BYTE)] = np.repeat(LEVELS[data], DIVISOR, axis=1)
        for _ in self._happening("glitch", len(found)):
            at = self._rng.integers(len(line) - QUIET)
            line[at : at + self._rng.integers(1, 2 * DIVISOR + 1)] ^= 1
        self.counted.frames += len(found)
        return found

    def _happening(self, what: str, count: int) -> list[int]:
        """Which of so many requests it happens to."""
        found = np.flatnonzero(self._rng.random(count) < getattr(self._rates, what)).tolist()
        self.counted.faults[what] += len(found)
        return found

    def _faulty(self, data: np.ndarray, latest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bytes with faults, where each comes from, and pauses before them, in cycles, up to `latest`."""
        bounds = np.cumsum([getattr(self._rates, each) for each in BYTES])
        kinds = np.searchsorted(bounds, self._rng.random(len(data)), side="right")
        chosen = {each: np.flatnonzero(kinds == place) for place, each in enumerate(BYTES)}
        self.counted.faults.update({name: len(places) for name, places in chosen.items()})
        data, gaps, copies = data.copy(), np.zeros(len(data), np.int64), np.ones(len(data), np.int64)
        data[chosen["turned"]] ^= (1 << self._rng.integers(0, 8, len(chosen["turned"]))).astype(np.uint8)
        data[chosen["drawn"]] = self._rng.integers(0, 256, len(chosen["drawn"]))
        gaps[chosen["delayed"]] = self._rng.integers(1, latest, len(chosen["delayed"]))
        copies[chosen["lost"]], copies[chosen["doubled"]] = 0, 2
        source = np.repeat(np.arange(len(data)), copies)
        again = np.concatenate([[False], source[1:] == source[:-1]]) if len(source) else np.zeros(0, bool)
        return data[source], source, np.where(again, 0, gaps[source])

    def _answered(
        self, host: _Host, requests: Sequence[tuple[int, int, int]], times: np.ndarray, data: np.ndarray
    ) -> None:
        """What a host makes of bytes (n,) at cycles (n,) that come while it sends requests."""
        data, source, gaps = self._faulty(data, LATEST)
        times = np.maximum.accumulate(times[source] + gaps) if len(source) else times[:0]
        here = np.ones(len(data), bool)
        for place in self._happening("unplugged", len(requests)):
            begin = requests[place][0] + self._rng.integers(SLOT)
            here &= (times < begin) | (times >= begin + self._rng.integers(1, UNPLUGGED * SLOT))
        times, stream = times[here], data[here].tobytes()
        at = 0
        for place, (_, tag, label) in enumerate(requests):
            while len(host.waiting) >= OUTSTANDING:
                del host.waiting[next(iter(host.waiting))]
            host.waiting[tag] = label
            is_last = place + 1 == len(requests)
            until = len(stream) if is_last else int(np.searchsorted(times, requests[place + 1][0]))
            for frame in host.decoder.feed(stream[at:until]):
                self._taken(host, frame)
            at = until

    def _taken(self, host: _Host, frame: Frame | Damage) -> None:
        label = None if isinstance(frame, Damage) else host.waiting.pop(frame.tag, None)
        if isinstance(frame, Damage) or label is None or frame.kind != Kind.CLASSIFY or len(frame.payload) != 1:
            self.counted.damaged += 1
            return
        self.counted.accepted += 1
        self.counted.wrong += frame.payload[0] != label


def bytes_on(line: np.ndarray, divisor: int) -> list[tuple[np.ndarray, np.ndarray]]:  # (cycles, lanes)
    """The cycles of the start bits of bytes on each lane's line, and the bytes."""
    cycles, lanes = line.shape
    every = np.ascontiguousarray(line.T.astype(np.uint8)).ravel()
    down = np.append(np.flatnonzero(every == 0), every.size)
    lane, at = np.arange(lanes), np.zeros(lanes, np.int64)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while True:  # a byte of every lane that has a further one
        starts = down[np.searchsorted(down, lane * cycles + at)] - lane * cycles
        lane, starts = lane[starts < cycles], starts[starts < cycles]
        if not len(lane):
            break
        middles = starts + divisor // 2 + divisor * np.arange(1, BITS)[:, None]
        bits = every[middles + lane * cycles]
        if not bits[-1].all():
            raise ValueError(f"a byte without a stop bit in lane {lane[bits[-1].argmin()]}")
        found.append((lane, starts, ((1 << np.arange(8)) @ bits[:8]).astype(np.uint8)))
        at = middles[-1]
    if not found:
        return [(np.zeros(0, np.int64), np.zeros(0, np.uint8))] * lanes
    lane, starts, values = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(lane, kind="stable")
    edges = np.searchsorted(lane[order], np.arange(1, lanes))
    return list(zip(np.split(starts[order], edges), np.split(values[order], edges), strict=True))
