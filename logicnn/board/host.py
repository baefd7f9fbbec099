"""The host's end of the serial line: asks a board what it runs, sends it samples, and takes what the line loses in its
stride.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from logicnn.board.protocol import (
    BAUD,
    TAGS,
    Counters,
    Damage,
    Decoder,
    Fault,
    Frame,
    Identity,
    Kind,
    ProtocolError,
    encode,
)
from logicnn.errors import CheckFailed, LogicnnError

__all__ = ["Connection", "HostError", "Line", "found_port", "open_port"]

# requests on their way: the next sample is sent while one is answered, until a board is found that cannot take it then
WINDOW = 2
TRIES = 4  # of one request
WAIT_S = 0.1  # before a request is repeated that came too early
LATEST_S = 5.0  # ten times what the largest image of weights takes to load
LONGEST_ANSWER = 300  # bytes on the line, of what is no sample's
SHOWN = 16  # bytes of what was sent, in a message
NO_SERIAL = "pyserial is not installed; pip install logicnn[host]"
ASKED_S = 0.25  # for an answer, while a port is looked for
PERMISSION = "you may not use it; on Linux its group, often dialout, must be yours"


Result = TypeVar("Result")


class HostError(LogicnnError):
    """A port that cannot be used, or a board that is not there, or is another one than was meant."""


class Line(Protocol):
    """What a `Connection` needs of a port, as pyserial's `Serial` has it: `read` returns after `timeout` seconds at the
    latest.
    """

    @property
    def timeout(self) -> float | None: ...

    @timeout.setter
    def timeout(self, seconds: float | None, /) -> None: ...

    def read(self, size: int = 1) -> bytes: ...

    def write(self, data: bytes, /) -> int | None: ...

    def close(self) -> None: ...

    @property
    def in_waiting(self) -> int: ...


def open_port(port: str, baud: int = BAUD) -> Line:
    """A serial port, for this process alone. Raises `HostError` where there is none, or it is busy."""
    try:
        import serial
        from serial.tools import list_ports
    except ImportError:
        raise HostError(NO_SERIAL) from None
    try:
        return serial.Serial(port, baud, exclusive=True)
    except serial.SerialException as error:
        if error.errno == 2 or isinstance(error.__context__, FileNotFoundError):
            there = ", ".join(sorted(each.device for each in list_ports.comports())) or "none"
            raise HostError(f"no port {port}; ports here: {there}; `sim` simulates a board") from None
        busy = "another program uses it" if "exclusively lock" in str(error) or error.errno in (11, 16) else None
        why = busy or (PERMISSION if error.errno == 13 else str(error))
        raise HostError(f"port {port} cannot be opened: {why}") from None
    except (OSError, ValueError) as error:
        raise HostError(f"port {port} cannot be opened: {error}") from None


def found_port(usb: Collection[tuple[int, int]], baud: int = BAUD) -> str:
    """The port of the one board that answers, of those whose USB vendor and product are among `usb`. Raises `HostError`
    where none does, or more than one.
    """
    try:
        from serial.tools import list_ports
    except ImportError:
        raise HostError(NO_SERIAL) from None
    there = sorted(
        (each for each in list_ports.comports() if (each.vid, each.pid) in usb), key=lambda each: each.device
    )
    if not there:
        others = ", ".join(sorted(each.device for each in list_ports.comports())) or "none"
        raise HostError(
            f"no serial port has the USB identity of a board; ports here: {others}; give --port one of them"
        )
    answers, silent = {}, []
    for each in reversed(there):  # of two channels of one chip the first one programs the board
        try:
            line = open_port(each.device, baud)
            try:
                answers[each.device] = Connection(line, each.device, ASKED_S, baud).identify()
            finally:
                line.close()
        except LogicnnError as error:
            silent.append(str(error))
    if len(answers) > 1:
        known = ", ".join(f"{port} ({identity.name})" for port, identity in sorted(answers.items()))
        raise HostError(f"more than one board answers: {known}; give --port one of them")
    if not answers:
        raise HostError(f"no board answers: {'; '.join(silent)}")
    (port,) = answers
    return port


def _shown(data: bytes) -> str:
    return data[:SHOWN].hex(" ") + (f" ... ({len(data)} bytes)" if len(data) > SHOWN else "")


@dataclass
class _Request:
    """A request on its way, and what became of it so far."""

    index: int
    payload: bytes
    tries: int = 0
    waited_s: float = 0.0
    fault: Fault | None = None  # the last answer, if it was an error
    tag: int | None = None  # of the last try, while it is to be tried with that again
    sent: bytes = b""
    due: float = 0.0  # when its answer counts as lost


class Connection:
    """A board on a `line` of `baud`; `name` is what messages call it, `timeout_s` how long the board may take for an
    answer. A board that is `new` has had no other host.

    `damaged` counts what came over the line and was no answer: damaged frames, and errors whose request is not known.
    """

    def __init__(self, line: Line, name: str, timeout_s: float = 2.0, baud: int = BAUD, *, new: bool = False):
        self._line, self._name, self._timeout_s, self._baud = line, name, timeout_s, baud
        self._read_s = 0.0  # when the line was last looked at: what had come by then was read
        self._left = not new  # whether answers may come that another host was waiting for
        self._decoder = Decoder()
        self._tags = itertools.cycle(range(1, TAGS))  # not 0, which is that of errors about noise
        self._window = WINDOW
        self._longest = LONGEST_ANSWER
        self._noise = b""  # the last of what was no frame
        self.damaged = 0

    def identify(self) -> Identity:
        """What the board runs."""
        return Identity.from_bytes(self._ask(Kind.IDENTIFY))

    def counters(self) -> Counters:
        return Counters.from_bytes(self._ask(Kind.COUNTERS))

    def check(self, digest: str, name: str) -> Identity:
        """The board's identity; raises `HostError` unless it runs the network with this digest, called `name`."""
        found = self.identify()
        if found.digest != digest:
            raise HostError(
                f"the board at {self._name} runs {found.name or 'a network'} {found.digest[:12]}, not "
                f"{name or 'the network'} "
                f"{digest[:12]}; flash it, or give --model the network that it runs"
            )
        self._longest = max(LONGEST_ANSWER, found.answer_on_line)
        self._settle(found)
        return found

    def _settle(self, identity: Identity) -> None:
        """Lets the board answer what a host that was ended has left there: `WINDOW` samples, whose tags may be any.

        Samples are answered in the order in which they were accepted, so that as many of ours are the last that their
        answers may be taken for. Then only those of ours are still to come, with tags that all others come before.
        """
        if self._left:
            for _ in range(WINDOW):
                list(self._answers(Kind.CLASSIFY, [bytes(identity.sample_bytes)]))
            self._left = False

    def _ask(self, kind: Kind) -> bytes:
        ((_, payload),) = self._answers(kind, [b""])
        return payload

    def classify(self, identity: Identity, samples: Sequence[bytes]) -> Iterator[tuple[int, np.ndarray]]:
        """(index, outputs or class) of packed samples (`logicnn.board.protocol.pack_sample`), in the order in which the
        board, which has this identity, answers.
        """
        for index, payload in self._answers(Kind.CLASSIFY, samples):
            try:
                yield index, identity.answer(payload)
            except ProtocolError as error:
                raise HostError(f"{self._name}, CLASSIFY answered with {_shown(payload)}: {error}") from None

    def _answers(self, kind: Kind, payloads: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
        """(index, payload) of the answers to requests of one kind, a few of them at a time. What is lost is sent again,
        newly tagged.
        """
        waiting: dict[int, _Request] = {}  # by tag
        held: deque[_Request] = deque()  # until the board has answered what it was busy with
        coming = (_Request(index, payload) for index, payload in enumerate(payloads))
        while True:
            while len(waiting) < self._window and (request := held.popleft() if held else next(coming, None)):
                self._send(kind, request, waiting, {each.tag for each in held})
            if not waiting:
                return
            for frame in self._receive(min(request.due for request in waiting.values())):
                request = None if isinstance(frame, Damage) else waiting.pop(frame.tag, None)
                if isinstance(frame, Damage) or request is None:
                    self.damaged += 1
                    self._noise = frame.data if isinstance(frame, Damage) else b""
                elif frame.kind == kind:
                    yield request.index, frame.payload
                else:
                    self._refused(frame, request, alone=not waiting)
                    held.append(request)
            for tag in [tag for tag, request in waiting.items() if request.due <= self._read_s]:
                request = waiting.pop(tag)
                request.fault = request.tag = None
                held.append(request)

    def _send(self, kind: Kind, request: _Request, waiting: dict[int, _Request], kept: Collection[int | None]) -> None:
        """With a tag that no other request waits for or has kept. Raises `HostError` when a request was sent often
        enough.
        """
        if request.tries == TRIES:
            noise = self._noise or self._decoder.pending
            what = f"sends what are no frames ({_shown(noise)})" if noise else "is silent"
            raise HostError(
                f"the board at {self._name} {f'answers {request.fault.name}' if request.fault else what}: {kind.name} "
                f"was sent "
                f"{TRIES} times ({_shown(request.sent)}), with {self._timeout_s:g} s for each answer; is it "
                f"configured, at this baud rate?"
            )
        if request.tag is None:
            request.tag = next(each for each in self._tags if each not in waiting and each not in kept)
        tag = request.tag
        request.sent = encode(Frame(kind, tag, request.payload))
        request.tries += 1
        waiting[tag] = request
        self._guarded(lambda: self._line.write(request.sent))
        on_line = sum(len(each.sent) + self._longest for each in waiting.values())
        request.due = time.monotonic() + self._timeout_s + on_line * 10 / self._baud

    def _refused(self, frame: Frame, request: _Request, *, alone: bool) -> None:
        """An error of the board: nothing more to do, or to be tried again at once, or later, which is no fault of the
        request.
        """
        try:
            request.fault = Fault(frame.payload[0]) if frame.kind == Kind.ERROR else None
        except (IndexError, ValueError):
            request.fault = None
        if request.fault not in (Fault.BUSY, Fault.LOADING):
            request.tag = None
        if request.fault == Fault.WEIGHTS:
            raise CheckFailed(
                f"the board at {self._name} has other weights in its flash than its network's; write its build's "
                f".flash.bin"
            )
        if request.fault in (Fault.BUSY, Fault.LOADING):
            # With the same tag again: tags come round in the time for which a board may say so, and the answer that
            # it is busy with would be taken for that of another request.
            self._window = 1
            request.tries -= 1
            if alone:  # else the answers that come first are time enough
                time.sleep(WAIT_S)
                request.waited_s += WAIT_S
        most = max(LATEST_S, self._timeout_s)
        if request.fault and request.waited_s > most:
            raise HostError(f"the board at {self._name} has answered {request.fault.name} for {most:g} s; reset it")

    def _receive(self, until: float) -> list[Frame | Damage]:
        """The next frames; none where none came by then."""
        while True:  # once at least: what is there has come, however late we look
            self._read_s = time.monotonic()
            left = until - self._read_s
            frames = self._decoder.feed(self._guarded(lambda left=left: self._read(max(0.0, left))))
            if frames or left <= 0:
                return frames

    def _read(self, seconds: float) -> bytes:
        self._line.timeout = seconds
        return self._line.read(max(1, self._line.in_waiting))

    def _guarded(self, act: Callable[[], Result]) -> Result:
        """The port's own errors are ours: a board that is unplugged, above all."""
        try:
            return act()
        except OSError as error:
            raise HostError(f"port {self._name} failed: {error}; is the board still connected?") from None
