"""Images for a serial flash."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from logicnn.board.flash import CRC_BYTES, crc_state, image, pieces
from logicnn.errors import LogicnnError

DIGEST = "00112233445566778899aabbccddeeff" * 2
words_of_bytes = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=8))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)

# Text and CRC-32: https://rosettacode.org/wiki/CRC-32
FOX, FOX_CRC = b"The quick brown fox jumps over the lazy dog", 0x414FA339


def test_crc_of_a_text():
    """Its first 16 bytes as a digest."""
    assert zlib.crc32(FOX[16:], crc_state(FOX[:16].hex()) ^ 0xFFFFFFFF) == FOX_CRC


@given(st.lists(words_of_bytes, min_size=1, max_size=3), digests)
def test_image(words, digest):
    """Each engine's words begin at a whole piece of two bytes."""
    payload = b"".join(each.tobytes() + bytes(each.size % 2) for each in words)
    data = image(words, digest)
    assert data[:-CRC_BYTES] == payload
    assert int.from_bytes(data[-CRC_BYTES:], "little") == zlib.crc32(bytes.fromhex(digest)[:16] + payload)
    assert sum(map(len, map(pieces, words))) == len(payload) // 2


@pytest.mark.parametrize("words", [np.zeros((2, 2), np.int64), np.zeros(4, np.uint8), np.zeros((0, 8), np.uint8)])
def test_pieces_refuse_words(words):
    with pytest.raises(LogicnnError, match=r"^words must be a non-empty \(n, bytes\) array of uint8, not \("):
        pieces(words)


@pytest.mark.parametrize("digest", ["", "00" * 15, "no hex" * 10])
def test_image_refuses_digest(digest):
    with pytest.raises(LogicnnError, match=f"^digest must be at least 16 bytes in hex, not '{digest}'$"):
        crc_state(digest)
