"""Frames as bytes, and what stands in them."""

import binascii
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn import load
from logicnn.bits import from_words
from logicnn.board.protocol import (
    CRC_START,
    LARGEST_ANSWER,
    LONGEST_NAME,
    Counters,
    Damage,
    Decoder,
    Fault,
    Frame,
    Identity,
    Kind,
    ProtocolError,
    encode,
    pack_sample,
    unpack_sample,
)
from logicnn.network import Activations, Argmax, BinaryDense, IntDense, Interval, Network, Offset


def test_known_frame():
    """Header, escapes as RFC 1662 says, and a CRC whose check value, that of "123456789", is 0x29B1 (reveng's
    catalogue).
    """
    assert binascii.crc_hqx(b"123456789", CRC_START) == 0x29B1
    crc = binascii.crc_hqx(b"\x52\x02\x00\x7e\x7d", CRC_START).to_bytes(2, "big")
    assert encode(Frame(Kind.CLASSIFY, 5, b"\x7e\x7d")) == b"\x7e\x52\x02\x00\x7d\x5e\x7d\x5d" + crc + b"\x7e"


@given(
    st.lists(st.builds(Frame, st.integers(0, 15), st.integers(0, 15), st.binary(max_size=40)), max_size=6), st.data()
)
def test_round_trip(frames, data):
    """In pieces of any length, with or without a flag of its own between two frames."""
    line = b"".join(encode(frame)[data.draw(st.integers(0, 1)) if index else 0 :] for index, frame in enumerate(frames))
    decoder, found = Decoder(), []
    while line:
        size = data.draw(st.integers(1, len(line)))
        found += decoder.feed(line[:size])
        line = line[size:]
    assert found == frames and not decoder.pending


@given(st.binary(max_size=20), st.integers(0, 63), st.integers(1, 255))
def test_one_byte_changed(payload, place, change):
    """No change of a byte passes for another frame, and the next frame is read."""
    good = encode(Frame(Kind.CLASSIFY, 5, payload))
    place %= len(good)
    bad = bytes(byte ^ change * (index == place) for index, byte in enumerate(good))
    found = Decoder().feed(bad + encode(Frame(Kind.COUNTERS, 1)))
    assert found[-1] == Frame(Kind.COUNTERS, 1)
    assert all(isinstance(each, Damage) for each in found[:-1]) or place in (0, len(good) - 1)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"\x01", Fault.CUT),
        (b"\x01\x05\x00\xaa\x00\x00", Fault.CUT),
        (b"\x01\x00\x00\xaa\x00\x00", Fault.LENGTH),
        (b"\x01\x00\x00\x00\x00", Fault.CRC),
        (b"\x01\x00\x00\x7d", Fault.CUT),
    ],
)
def test_damage(body, fault):
    assert Decoder().feed(b"\x7e" + body + b"\x7e") == [Damage(fault, body)]


def test_endless():
    decoder = Decoder()
    assert decoder.feed(b"x" * LARGEST_ANSWER) == []
    assert decoder.feed(b"x") == [Damage(Fault.LENGTH, b"x" * (LARGEST_ANSWER + 1))] and not decoder.pending


@pytest.mark.parametrize("word", [1, 4, 8, 11])
def test_pack_sample(word):
    values = np.random.default_rng(word).integers(-(1 << word - 1), 1 << word - 1, 13)
    bits = from_words(values[None] & ((1 << word) - 1), word)[0]
    assert pack_sample(values, word) == bytes(np.packbits(bits, bitorder="little"))
    assert pack_sample(np.array([1, 0, 1, 1]), 1) == b"\x0d"


def test_identity():
    identity = Identity.of(load("mnist-bnn"), 1)
    assert Identity.from_bytes(identity.to_bytes()) == identity
    assert (identity.input, identity.low, identity.high, identity.values, identity.classes) == (
        (1, 28, 28),
        0,
        255,
        784,
        10,
    )
    assert identity.sample_bytes == 98 and identity.digest == load("mnist-bnn").digest()
    assert Identity.of(load("lenet5-ikr"), 8).sample_bytes == 784


def test_outputs():
    """A network without a class answers with all it gives, and its identity says how; of a class it need not."""
    network = Network(Activations((3,), Interval(0, 7)), [IntDense(np.ones((5, 3), int) - 2, np.arange(5))])
    identity = Identity.of(network, 8)
    word = network.output.interval.word
    assert (identity.classes, identity.outputs, identity.output_word) == (0, 5, word) and identity.output_low < 0
    assert Identity.from_bytes(identity.to_bytes()) == identity and identity.answer_bytes == -(-5 * word // 8)
    outputs = network.evaluate(np.array([[7, 5, 3]]))[0]
    assert np.array_equal(identity.answer(pack_sample(outputs, word)), outputs) and outputs.min() < 0
    assert b"output" not in Identity.of(load("digits-bnn"), 1).to_bytes()
    with pytest.raises(ProtocolError, match=r"^the board's answer must have \d bytes, not 1$"):
        identity.answer(b"x")
    wide = Network(network.input, [IntDense(np.ones((5000, 3), int), np.zeros(5000))])
    with pytest.raises(ProtocolError, match=r"^an answer of 5000 outputs of 5 bits must have 1 to 2040 bytes$"):
        Identity.of(wide, 8)


@given(st.integers(1, 40), st.data())
def test_unpack_sample(word, data):
    signed = data.draw(st.booleans())
    low, high = (-(1 << word - 1), (1 << word - 1) - 1) if signed else (0, (1 << word) - 1)
    values = np.array(data.draw(st.lists(st.integers(low, high), min_size=1, max_size=9)))
    assert np.array_equal(unpack_sample(pack_sample(values, word), len(values), word, signed), values)


def test_long_name():
    named = replace(load("digits-bnn"), name="n" * 100)
    assert Identity.of(named, 1).name == "n" * LONGEST_NAME


def identity_with(**fields: int) -> bytes:
    return json.dumps(json.loads(Identity.of(load("digits-bnn"), 1).to_bytes()) | fields).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", r"^the board's identity must be JSON with the fields of version 1, not b'hello'$"),
        (b"[]", r"must be JSON with the fields"),
        (b"{}", r"must be JSON with the fields"),
        (b'{"logicnn":1}', r"must be JSON with the fields"),
        (b"[" * 2000, r"must be JSON with the fields"),
        (
            Identity.of(load("digits-bnn"), 1).to_bytes().replace(b'"digest":"', b'"digest":1,"x":"'),
            r"must be JSON with the fields",
        ),
        (
            re.sub(rb'"digest":"[^"]*"', b'"digest":null', Identity.of(load("digits-bnn"), 1).to_bytes()),
            r"must be JSON with the fields",
        ),
        (identity_with(word=0), r"must be JSON with the fields"),
        (identity_with(word=1 << 70), r"must be JSON with the fields"),
        (identity_with(values=-1), r"must be JSON with the fields"),
        (identity_with(output_word=1), r"must be JSON with the fields"),  # of a class, which is a byte
        (json.dumps({"logicnn": 2}).encode(), r"^the board speaks version 2 of the protocol, this is version 1$"),
    ],
)
def test_no_identity(data, message):
    with pytest.raises(ProtocolError, match=message):
        Identity.from_bytes(data)


def test_sample_too_long():
    wide = Network(
        Activations((1 << 19,), Interval(0, 1)), [BinaryDense(np.ones((2, 1 << 19), np.int8), Offset([0, 0])), Argmax()]
    )
    with pytest.raises(
        ProtocolError, match=r"^a sample of 524288 values of 1 bits has 65536 bytes; a frame holds 65535$"
    ):
        Identity.of(wide, 1)


def test_counters():
    assert Counters.from_bytes(Counters(70_000, 300).to_bytes()) == Counters(70_000, 300)
    timed = Counters(70_000, 300, 0x1234_56)
    assert Counters.from_bytes(timed.to_bytes()) == timed and len(timed.to_bytes()) == 9
    assert timed.since(Counters(69_990, 65_530, 5)) == Counters(10, 306, 0x1234_56)
    with pytest.raises(ProtocolError, match=r"^the board's counters must be 6 or 9 bytes, not 00$"):
        Counters.from_bytes(b"\0")
