"""Words of a network in a board's SPI flash: the image that `gateware.board.flash.FlashLoader` reads and trusts.

An image is the words, one after the other, and four bytes of CRC-32 (IEEE 802.3, as `zlib.crc32`), lowest first. The
CRC is that of the first `DIGEST_BYTES` bytes of the network's digest and the words. The digest itself is not stored:
the loader starts from the state of the CRC after it, so that the image of another network is refused as a corrupt one
is.
"""

import zlib

import numpy as np

from logicnn.errors import CheckFailed, LogicnnError

__all__ = ["CRC_BYTES", "DIGEST_BYTES", "OFFSET", "RESOURCE", "check", "crc_state", "image"]

RESOURCE = "spi_flash_1x", 0  # of an Amaranth platform: the chip

# where an image lies, in bytes: behind the bitstream (104,090 bytes on iCE40UP5K), at the start of an erasable block
OFFSET = 0x100000
DIGEST_BYTES = 16
CRC_BYTES = 4


def crc_state(digest: str) -> int:
    """The CRC's register, 32 bits, after the digest (hex, SHA-256): what the loader starts from."""
    try:
        start = bytes.fromhex(digest)[:DIGEST_BYTES]
    except ValueError:
        start = b""
    if len(start) < DIGEST_BYTES:
        raise LogicnnError(f"digest must be at least {DIGEST_BYTES} bytes in hex, not {digest!r}")
    return zlib.crc32(start) ^ 0xFFFFFFFF


def image(words: np.ndarray, digest: str) -> bytes:
    """The image of words (n, bytes a word) uint8, the byte with a word's lowest bits first, for the network with this
    digest (hex).
    """
    words = np.asarray(words)
    if words.dtype != np.uint8 or words.ndim != 2 or not words.size:
        raise LogicnnError(f"words must be a non-empty (n, bytes) array of uint8, not {words.shape} of {words.dtype}")
    payload = words.tobytes()
    return payload + zlib.crc32(payload, crc_state(digest) ^ 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")


def check(data: bytes, words: np.ndarray, digest: str) -> None:
    """Raises `CheckFailed`, which says what differs first, unless `data`, read back from a flash, is the image of these
    words.
    """
    expected = image(words, digest)
    if len(data) != len(expected):
        raise CheckFailed(f"flash image must have {len(expected)} bytes, not {len(data)}")
    differing = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(expected, np.uint8))
    if not len(differing):
        return
    first = int(differing[0])
    if first >= len(expected) - CRC_BYTES:
        found, wanted = (int.from_bytes(each[-CRC_BYTES:], "little") for each in (data, expected))
        raise CheckFailed(
            f"flash image has the CRC {found:#010x}, not {wanted:#010x}; its words are right, its network may be "
            f"another one"
        )
    word = first // np.asarray(words).shape[1]
    raise CheckFailed(
        f"flash image differs in {len(differing)} of {len(expected)} bytes, first in word {word}: "
        f"byte {first} is {data[first]:#04x}, not {expected[first]:#04x}"
    )
