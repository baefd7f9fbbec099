"""Images for a serial flash: their CRC, and every change found."""

import re
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from logicnn.board.flash import CRC_BYTES, check, crc_state, image
from logicnn.errors import CheckFailed, LogicnnError

DIGEST = "00112233445566778899aabbccddeeff" * 2
OTHER = "00112233445566778899aabbccddeefe" * 2
words_of_bytes = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=8))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)

# Text and CRC-32: https://rosettacode.org/wiki/CRC-32
FOX, FOX_CRC = b"The quick brown fox jumps over the lazy dog", 0x414FA339


def test_crc_of_image():
    """A digest of 16 bytes of text, and the other 27 as words of three."""
    data = image(np.frombuffer(FOX[16:], np.uint8).reshape(9, 3), FOX[:16].hex())
    assert data == FOX[16:] + FOX_CRC.to_bytes(4, "little")


@given(words_of_bytes, digests)
def test_image(words, digest):
    data = image(words, digest)
    assert data[:-CRC_BYTES] == words.tobytes()
    assert int.from_bytes(data[-CRC_BYTES:], "little") == zlib.crc32(bytes.fromhex(digest)[:16] + words.tobytes())
    check(data, words, digest)


@given(words_of_bytes, digests, st.data())
def test_check_finds_any_change(words, digest, draw):
    data = bytearray(image(words, digest))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(CheckFailed, match=f"byte {place} is" if place < words.size else r"has the CRC 0x.{8}, not 0x"):
        check(bytes(data), words, digest)


def test_check_messages():
    words = np.arange(6, dtype=np.uint8).reshape(3, 2)
    data = image(words, DIGEST)
    for wrong, message in [
        (data[:-1], "flash image must have 10 bytes, not 9"),
        (
            data[:2] + b"\xff" + data[3:],
            "flash image differs in 1 of 10 bytes, first in word 1: byte 2 is 0xff, not 0x02",
        ),
        (b"\xff" * 10, "flash image differs in 10 of 10 bytes, first in word 0: byte 0 is 0xff, not 0x00"),
    ]:
        with pytest.raises(CheckFailed, match=f"^{re.escape(message)}$"):
            check(wrong, words, DIGEST)
    with pytest.raises(
        CheckFailed,
        match=r"^flash image has the CRC 0x.{8}, not 0x.{8}; its words are right, its network may be another one$",
    ):
        check(image(words, OTHER), words, DIGEST)


@pytest.mark.parametrize("words", [np.zeros((2, 2), np.int64), np.zeros(4, np.uint8), np.zeros((0, 8), np.uint8)])
def test_image_refuses_words(words):
    with pytest.raises(LogicnnError, match=r"^words must be a non-empty \(n, bytes\) array of uint8, not \("):
        image(words, DIGEST)


@pytest.mark.parametrize("digest", ["", "00" * 15, "no hex" * 10])
def test_image_refuses_digest(digest):
    with pytest.raises(LogicnnError, match=f"^digest must be at least 16 bytes in hex, not '{digest}'$"):
        crc_state(digest)
