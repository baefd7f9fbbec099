"""A board that is a few lines of Python."""

from collections.abc import Callable

import numpy as np

from logicnn import load
from logicnn.board.protocol import Counters, Decoder, Frame, Identity, Kind, encode, pack_sample

NETWORK = load("digits-bnn")


class Board:
    """A board on an in-memory line. `hook` sees each request, by number from 0, and the bytes of its answer, and
    returns what goes back.
    """

    def __init__(
        self, network=NETWORK, hook: Callable[[int, Frame, bytes], bytes] = lambda number, asked, answer: answer
    ):
        self.network, self.hook = network, hook
        self.identity = Identity.of(network, network.core_input.interval.word)
        self.decoder, self.coming = Decoder(), b""
        self.requests: list[Frame] = []
        self.images = 0
        self.cycles: int | None = None  # of each sample, where they are counted
        self.timeout: float | None = None
        self.closed = False

    @property
    def in_waiting(self) -> int:
        return len(self.coming)

    def close(self) -> None:
        self.closed = True

    def read(self, size: int = 1) -> bytes:
        data, self.coming = self.coming[:size], self.coming[size:]
        return data

    def write(self, data: bytes) -> int:
        for asked in self.decoder.feed(data):
            assert isinstance(asked, Frame)
            self.requests.append(asked)
            self.coming += self.hook(
                len(self.requests) - 1, asked, encode(Frame(asked.kind, asked.tag, self.answer(asked)))
            )
        return len(data)

    def answer(self, asked: Frame) -> bytes:
        match asked.kind:
            case Kind.IDENTIFY:
                return self.identity.to_bytes()
            case Kind.COUNTERS:
                return Counters(self.images, 0, self.cycles and self.cycles + self.images).to_bytes()
        self.images += 1
        bits = np.unpackbits(np.frombuffer(asked.payload, np.uint8), bitorder="little")[: self.network.core_bits]
        outputs = self.network.evaluate_bits(bits[None].astype(bool))
        return pack_sample(outputs.ravel(), self.identity.output_word)
