"""What comes over a serial line or out of a flash chip, damaged: frames, what boards say, and images of weights."""

import json

import numpy as np
from hypothesis import strategies as st

from logicnn.board.flash import OFFSET, crc_state, image
from logicnn.board.host import TRIES, Connection
from logicnn.board.protocol import Counters, Decoder, Frame, Identity, ProtocolError, encode, pack_sample
from logicnn.errors import LogicnnError
from logicnn.gateware.board.flash import FlashLoader
from logicnn.netlist.flash_chip import FlashChip
from sim_tests.board_helpers import NETWORK, Board
from sim_tests.fuzz.files import JSON, damaged
from sim_tests.fuzz.networks import Draw
from sim_tests.gateware.board.test_flash import ref_words, rtl_load

__all__ = [
    "check_counters",
    "check_frames",
    "check_host",
    "check_identity",
    "check_image",
    "counters",
    "frames",
    "identities",
    "images",
    "lines",
]

DIGEST = "0123456789abcdef" * 4
SAMPLES = np.random.default_rng(5).integers(0, NETWORK.input.interval.high + 1, (3, *NETWORK.input.shape))


# -- frames


@st.composite
def frames(draw: Draw) -> tuple[list[Frame], int, bytes]:
    """Frames, which of them is damaged, and the bytes in its place."""
    made = draw(
        st.lists(
            st.builds(Frame, st.integers(0, 15), st.integers(0, 15), st.binary(max_size=30)), min_size=1, max_size=4
        )
    )
    place = draw(st.integers(0, len(made) - 1))
    return made, place, draw(damaged(encode(made[place])))


def check_frames(case: tuple[list[Frame], int, bytes]) -> None:
    """Frames before and behind the damage come through, in any pieces: their flags are their own."""
    made, place, instead = case
    parts = [instead if number == place else encode(frame) for number, frame in enumerate(made)]
    line = b"".join(parts)
    whole = Decoder().feed(line)
    decoder = Decoder()
    assert [each for byte in line for each in decoder.feed(bytes([byte]))] == whole
    found = [each for each in whole if isinstance(each, Frame)]
    assert found[:place] == made[:place], "frames before the damage"
    behind = len(made) - place - 1
    assert not behind or found[-behind:] == made[place + 1 :], "frames behind the damage"


# -- what a board says


@st.composite
def identities(draw: Draw) -> bytes:
    """The JSON of an identity with other values, names or bytes."""
    whole = Identity.of(NETWORK, 1).to_bytes()
    if draw(st.booleans()):
        return draw(damaged(whole))
    fields = json.loads(whole)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*fields, "outputs", "output_word", "output_low", "other"]))
        fields[name] = draw(JSON)
    return json.dumps(fields).encode()


def check_identity(data: bytes) -> None:
    """Refused, or one that says of itself what it was made of, and whose samples and answers have a size."""
    try:
        found = Identity.from_bytes(data)
    except ProtocolError as error:
        assert "\n" not in str(error)
        return
    assert Identity.from_bytes(found.to_bytes()) == found
    assert found.sample_bytes > 0 and found.answer_bytes > 0, f"{found.sample_bytes} and {found.answer_bytes} bytes"


@st.composite
def counters(draw: Draw) -> bytes:
    """Counters, or bytes that are about as many."""
    return draw(st.one_of(st.binary(max_size=12), damaged(Counters(7, 1, draw(st.sampled_from((None, 9)))).to_bytes())))


def check_counters(data: bytes) -> None:
    """Refused, or the same bytes again."""
    try:
        found = Counters.from_bytes(data)
    except ProtocolError as error:
        assert "\n" not in str(error)
        return
    assert found.to_bytes() == data


def lines() -> st.SearchStrategy[list[int]]:
    """Of each answer of a board, what the line does to it: 0 nothing."""
    return st.lists(st.integers(0, 99), max_size=8)


def _worn(answer: bytes, seed: int) -> bytes:
    """An answer as a bad line has it: lost, cut, with another bit, with noise around it, or twice."""
    rng = np.random.default_rng(seed)
    place = int(rng.integers(len(answer)))
    match seed % 6 if seed else -1:
        case 0:
            return b""
        case 1:
            return answer[:place]
        case 2:
            return answer[:place] + bytes([answer[place] ^ 1 << int(rng.integers(8))]) + answer[place + 1 :]
        case 3:
            return rng.bytes(9) + answer + rng.bytes(5)
        case 4:
            return 2 * answer
        case 5:
            return answer[place:]
    return answer


def check_host(worn: list[int]) -> None:
    """The host gives the classes of the samples, or an error in one line, soon."""

    def hook(number: int, asked: Frame, answer: bytes) -> bytes:
        return _worn(answer, worn[number]) if number < len(worn) else answer

    connection = Connection(Board(hook=hook), "PORT", 0.05, 10_000_000)
    found = np.full(len(SAMPLES), -1)
    try:
        identity = connection.check(NETWORK.digest(), NETWORK.name)
        packed = [pack_sample(each, identity.word) for each in NETWORK.encoded_words(SAMPLES)]
        for index, answer in connection.classify(identity, packed):
            found[index] = answer[0]
    except LogicnnError as error:
        assert sum(each > 0 for each in worn) >= TRIES, f"after {worn}: {error}"
        assert "\n" not in str(error)
        return
    assert np.array_equal(found, NETWORK.evaluate(SAMPLES))


# -- images in flash


@st.composite
def images(draw: Draw) -> tuple[np.ndarray, bytes]:
    """Words of an engine, and an image of them, or a damaged one."""
    count, size = draw(st.integers(1, 5)), draw(st.sampled_from((2, 4, 6)))
    words = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (count, size), np.uint8)
    whole = image([words], DIGEST)
    return words, draw(st.one_of(st.just(whole), damaged(whole)))


def check_image(case: tuple[np.ndarray, bytes]) -> None:
    """The loader trusts an image that begins as the whole one does, and no other."""
    words, content = case
    loader = FlashLoader(len(words), 8 * words.shape[1], crc_state(DIGEST), 20)
    loaded = rtl_load(loader, FlashChip(content, OFFSET, 20).step)
    whole = image([words], DIGEST)
    right = (content + b"\xff" * len(whole))[: len(whole)] == whole  # an erased chip is ones
    assert (loaded.done is not None) == right, f"trusts {content.hex()}" if loaded.done else "refuses a whole image"
    assert (loaded.error is not None) == (not right)
    assert not right or loaded.words == ref_words(words)
