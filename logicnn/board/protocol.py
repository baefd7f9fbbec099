"""What a board and its host say to each other over a serial line: requests and answers in frames, a frame an answer.

A frame is a header of three bytes, a payload, and a CRC, between two flag bytes (0x7E), as in HDLC (RFC 1662): a flag
or escape byte (0x7D) within is sent as 0x7D and itself with bit 5 inverted, so that a flag begins a new frame whatever
came before. The header is a byte with the `Kind` in its low and a tag in its high four bits, which the answer repeats,
and the payload's length, lowest byte first; the CRC is CRC-16/IBM-3740 (polynomial 0x1021, from 0xFFFF) over header and
payload, highest byte first.

A board answers IDENTIFY with what it runs (`Identity`), CLASSIFY (a sample, `pack_sample`) with the class, a byte, or
with its network's outputs packed in the same way, COUNTERS with `Counters`. It answers ERROR, with a `Fault`, to
everything that it does not accept, and forgets only that: a sample that it accepted is answered in any case. A frame
ends with the next flag, or when no byte came for `SILENCE` byte times.
"""

import binascii
import itertools
import json
from dataclasses import asdict, dataclass
from enum import IntEnum

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Network

__all__ = [
    "BAUD",
    "Counters",
    "Damage",
    "Decoder",
    "Fault",
    "Frame",
    "Identity",
    "Kind",
    "ProtocolError",
    "encode",
    "pack_sample",
    "unpack_sample",
]

BAUD = 115_200
FLAG, ESCAPE, TOGGLE = 0x7E, 0x7D, 0x20
SILENCE = 256  # byte times without a byte after which a frame counts as cut
TAGS = 16
HEADER_BYTES, CRC_BYTES = 3, 2
CRC_START = 0xFFFF
IMAGES_BYTES, ERRORS_BYTES, CYCLES_BYTES = 4, 2, 3
VERSION = 1
LARGEST_PAYLOAD = (1 << 16) - 1
LONGEST_NAME = 32  # characters of a network's name that a board keeps
LARGEST_ANSWER = 4096  # bytes on the line; what is longer is no answer of a board
FRAME_BYTES = 16  # of those at most beside its payload
MOST_OUTPUTS = (LARGEST_ANSWER - FRAME_BYTES) // 2  # bytes, each of which may be escaped


class ProtocolError(LogicnnError):
    """Bytes that are no answer of a board, or a sample that fits no frame."""


class Kind(IntEnum):
    """What a frame asks for, or answers."""

    IDENTIFY = 1
    CLASSIFY = 2
    COUNTERS = 3
    ERROR = 15


class Fault(IntEnum):
    """Why a board did not accept a frame."""

    COMMAND = 1  # it knows no such request
    LENGTH = 2  # the length is not that of the request, or more bytes came than the header says
    CUT = 3  # the frame ended early
    CRC = 4
    BUSY = 5  # an earlier request is not yet answered; with tag 0 also: errors came faster than they could be answered
    WEIGHTS = 6  # its flash holds other weights than those of its network
    LOADING = 7  # its weights are still read from flash


@dataclass(frozen=True)
class Frame:
    """A request or an answer; `kind` is a `Kind`, or any number below 16 where it came over the line."""

    kind: int
    tag: int
    payload: bytes = b""


@dataclass(frozen=True)
class Damage:
    """Bytes between two flags that are no frame, and why."""

    fault: Fault
    data: bytes


def _crc(data: bytes | bytearray) -> bytes:
    return binascii.crc_hqx(data, CRC_START).to_bytes(CRC_BYTES, "big")


def encode(frame: Frame) -> bytes:
    """The bytes of a frame on the line."""
    body = bytes([frame.kind | frame.tag << 4]) + len(frame.payload).to_bytes(2, "little") + frame.payload
    body += _crc(body)
    for special in (ESCAPE, FLAG):
        body = body.replace(bytes([special]), bytes([ESCAPE, special ^ TOGGLE]))
    return bytes([FLAG]) + body + bytes([FLAG])


def _decoded(data: bytes) -> Frame | Damage:
    """What lies between two flags."""
    body, escaped = bytearray(), False
    for byte in data:
        if byte == ESCAPE and not escaped:
            escaped = True
            continue
        body.append(byte ^ TOGGLE * escaped)
        escaped = False
    length = len(body) - HEADER_BYTES - CRC_BYTES
    if escaped or length < 0:
        return Damage(Fault.CUT, data)
    announced = int.from_bytes(body[1:HEADER_BYTES], "little")
    if announced != length:
        return Damage(Fault.CUT if announced > length else Fault.LENGTH, data)
    if _crc(body[:-CRC_BYTES]) != body[-CRC_BYTES:]:
        return Damage(Fault.CRC, data)
    return Frame(body[0] & 15, body[0] >> 4, bytes(body[HEADER_BYTES:-CRC_BYTES]))


class Decoder:
    """Frames from bytes as they come, in pieces of any length."""

    def __init__(self) -> None:
        self.pending = b""  # of a frame that is not yet whole

    def feed(self, data: bytes) -> list[Frame | Damage]:
        """The frames that these bytes complete. What is too long for an answer of a board counts as damage."""
        *parts, self.pending = (self.pending + data).split(bytes([FLAG]))
        found = [_decoded(part) for part in parts if part]
        if len(self.pending) > LARGEST_ANSWER:
            found.append(Damage(Fault.LENGTH, self.pending))
            self.pending = b""
        return found


def pack_sample(values: np.ndarray, word: int) -> bytes:
    """Values (n,) of a sample in `word` bits each, two's complement, the first in the first byte's lowest bits; zeros
    fill the last.
    """
    places = (np.asarray(values, np.int64)[:, None] >> np.arange(word) & 1).astype(np.uint8)
    return np.packbits(places.ravel(), bitorder="little").tobytes()


def unpack_sample(data: bytes, count: int, word: int, signed: bool) -> np.ndarray:  # (count,) int64
    """The values that `pack_sample` packs."""
    places = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: count * word].reshape(count, word)
    weights = np.int64(1) << np.arange(word, dtype=np.int64)
    weights[-1] *= -1 if signed else 1
    return places.astype(np.int64) @ weights


@dataclass(frozen=True)
class Identity:
    """What a board runs: the network's digest (hex, SHA-256), the first `LONGEST_NAME` characters of its name, its
    input and classes.

    A CLASSIFY request holds `values` values of `word` bits: those of the input of shape `input` in `low` ... `high`, or
    bits that a thermometer makes of them. The answer is a byte, the class; of a network that gives none, whose
    `classes` are 0, `outputs` numbers of `output_word` bits, signed where `output_low` is below 0.
    """

    digest: str
    name: str
    input: tuple[int, ...]
    low: int
    high: int
    values: int
    word: int
    classes: int
    outputs: int = 1
    output_word: int = 8
    output_low: int = 0

    @classmethod
    def of(cls, network: Network, word: int) -> "Identity":
        """The identity of a network whose samples come in words of `word` bits."""
        given, low, high = network.input, network.input.interval.low, network.input.interval.high
        gives, values = network.output, network.core_input.size
        answer = (gives.interval.high + 1,) if network.decides else (0, gives.size, gives.interval.word)
        more = () if network.decides else (gives.interval.low,)
        made = cls(network.digest(), network.name[:LONGEST_NAME], given.shape, low, high, values, word, *answer, *more)
        if made.sample_bytes > LARGEST_PAYLOAD:
            raise ProtocolError(
                f"a sample of {values} values of {word} bits has {made.sample_bytes} bytes; a frame holds "
                f"{LARGEST_PAYLOAD}"
            )
        return made

    def __post_init__(self) -> None:
        words = self.digest, self.name
        numbers = *self.input, self.low, self.high, self.values, self.word, self.classes
        numbers += self.outputs, self.output_word, self.output_low
        if not all(isinstance(each, str) for each in words) or not all(isinstance(each, int) for each in numbers):
            raise ProtocolError(f"an identity must hold texts and integers, not {words} and {numbers}")
        if not (1 <= self.word <= 63 and self.values >= 1):
            raise ProtocolError(
                f"a sample must be of 1 value at least of 1 to 63 bits, not {self.values} of {self.word}"
            )
        if self.classes and (self.outputs, self.output_word, self.output_low) != (1, 8, 0):
            raise ProtocolError(
                f"a class must be answered by a byte, not by {self.outputs} outputs of {self.output_word} bits from "
                f"{self.output_low}"
            )
        if not (1 <= self.output_word <= 63 and 1 <= self.answer_bytes <= MOST_OUTPUTS):
            raise ProtocolError(
                f"an answer of {self.outputs} outputs of {self.output_word} bits must have 1 to {MOST_OUTPUTS} bytes"
            )

    @property
    def sample_bytes(self) -> int:
        return -(-self.values * self.word // 8)

    @property
    def answer_bytes(self) -> int:
        """Of the payload."""
        return -(-self.outputs * self.output_word // 8)

    @property
    def answer_on_line(self) -> int:
        """Bytes of the longest answer with its frame."""
        return 2 * self.answer_bytes + FRAME_BYTES

    def answer(self, payload: bytes) -> np.ndarray:  # (outputs,) int64
        """The class or the outputs in a CLASSIFY answer. Raises `ProtocolError` for one of another length."""
        if len(payload) != self.answer_bytes:
            raise ProtocolError(f"the board's answer must have {self.answer_bytes} bytes, not {len(payload)}")
        return unpack_sample(payload, self.outputs, self.output_word, self.output_low < 0)

    def to_bytes(self) -> bytes:
        """JSON, as the board sends it; of a class it need not say that it is a byte."""
        fields = asdict(self)
        if self.classes:
            fields = {name: value for name, value in fields.items() if not name.startswith("output")}
        return json.dumps({"logicnn": VERSION} | fields, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Identity":
        """Raises `ProtocolError` for anything that `to_bytes` does not make."""
        try:
            fields = json.loads(data)
            version = fields.pop("logicnn")
            found = cls(**(fields | {"input": tuple(fields["input"])})) if version == VERSION else None
        except (ProtocolError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ProtocolError(
                f"the board's identity must be JSON with the fields of version {VERSION}, not {data[:80]!r}"
            ) from None
        if found is None:
            raise ProtocolError(f"the board speaks version {version!r} of the protocol, this is version {VERSION}")
        return found


@dataclass(frozen=True)
class Counters:
    """Since the board was configured: images that were classified, modulo 2^32, and frames with a fault, modulo
    2^16. `cycles` from the last value of the latest image to its class, modulo 2^24, or so far; None of a board whose
    images all take the few cycles of its pipeline, which it does not count.
    """

    images: int
    errors: int
    cycles: int | None = None

    def to_bytes(self) -> bytes:
        counted = self.images.to_bytes(IMAGES_BYTES, "little") + self.errors.to_bytes(ERRORS_BYTES, "little")
        return counted if self.cycles is None else counted + self.cycles.to_bytes(CYCLES_BYTES, "little")

    def since(self, before: "Counters") -> "Counters":
        """What was counted after `before`, where neither counter came round more than once."""
        images, errors = self.images - before.images, self.errors - before.errors
        return Counters(images % 256**IMAGES_BYTES, errors % 256**ERRORS_BYTES, self.cycles)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Counters":
        sizes = IMAGES_BYTES, ERRORS_BYTES, CYCLES_BYTES
        if len(data) not in (sum(sizes[:2]), sum(sizes)):
            raise ProtocolError(
                f"the board's counters must be {sum(sizes[:2])} or {sum(sizes)} bytes, not {data.hex()}"
            )
        parts = itertools.pairwise(itertools.accumulate(sizes, initial=0))
        return cls(*(int.from_bytes(data[start:stop], "little") for start, stop in parts if stop <= len(data)))
