"""Damaged files, lines and flash images, some of each with another seed each time; and what was found so."""

import gzip

import pytest

from logicnn.data.dataset import DatasetError
from logicnn.data.digits import unzipped_idx
from sim_tests.fuzz.files import FILES, bounded, check_file
from sim_tests.fuzz.kinds import KINDS, SEED, explore, repeated


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith(("file", "line", "flash"))])
def test_damaged(name):
    kind = KINDS[name]
    assert not (found := repeated(name, SEED, explore(kind, SEED, kind.in_test))), found


@pytest.mark.parametrize("name", FILES)
def test_whole(name):
    """What is not damaged is read."""
    for content in FILES[name].whole():
        check_file(name, content)


def test_zipped_zeros():
    """A file of kilobytes that holds gigabytes is not unpacked: no more than its header announces."""
    zeros = gzip.compress(bytes(1 << 27))
    with bounded():
        assert len(unzipped_idx(zeros, "x")) == 20
        announced = gzip.compress(b"\0\0\x08\x01\x20\0\0\0" + bytes(99))
        assert len(unzipped_idx(announced, "x")) == 107  # and not half a gigabyte
        with pytest.raises(DatasetError, match=r"^x should hold 4294967303 bytes; at most \d+ are read$"):
            unzipped_idx(gzip.compress(b"\0\0\x08\x01\xff\xff\xff\xff" + bytes(99)), "x")


def test_picture_of_a_long_chunk():
    """Pillow asks for as many bytes as a chunk has by its own length, of which there are few."""
    content = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000050000000408000000006358aa9c080000214944415478"
        "9c63bc74f446d27c465fd68fb7c398f80ea67e3ac1b881abc38a0f008ba80a6204ff3d700000000049454e44ae426082"
    )
    check_file("pictures", content)
