"""Words of a network in a board's SPI flash: the image that `gateware.board.flash.FlashLoader` reads and trusts.

An image is the words of one engine after the other, each filled up to whole pieces (`pieces`), and four bytes of
CRC-32 (IEEE 802.3, as `zlib.crc32`), lowest first. The CRC is that of the first `DIGEST_BYTES` bytes of the network's
digest and the words. The digest itself is not stored: the loader starts from the state of the CRC after it, so that
the image of another network is refused as a corrupt one is.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["CRC_BYTES", "DIGEST_BYTES", "OFFSET", "PIECE_BITS", "RESOURCE", "crc_state", "image", "pieces"]

RESOURCE = "spi_flash_1x", 0  # of an Amaranth platform: the chip

# where an image lies, in bytes: behind the bitstream (104,090 bytes on iCE40UP5K), at the start of an erasable block
OFFSET = 0x100000
PIECE_BITS = 16  # of what is loaded into memories at once: a word of the large memory of iCE40 UltraPlus
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


def pieces(words: np.ndarray) -> np.ndarray:
    """Words (n, bytes a word) uint8, the byte with a word's lowest bits first, as pieces (m, 2), with zeros at the
    end where they are no whole ones.
    """
    if words.dtype != np.uint8 or words.ndim != 2 or not words.size:
        raise LogicnnError(f"words must be a non-empty (n, bytes) array of uint8, not {words.shape} of {words.dtype}")
    piece = PIECE_BITS // 8
    return np.pad(words.ravel(), (0, -words.size % piece)).reshape(-1, piece)


def image(words: Sequence[np.ndarray], digest: str) -> bytes:
    """The image of the words of each engine, as `pieces` takes them, for the network with this digest (hex)."""
    payload = b"".join(pieces(each).tobytes() for each in words)
    return payload + zlib.crc32(payload, crc_state(digest) ^ 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")
