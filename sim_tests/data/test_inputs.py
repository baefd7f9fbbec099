"""Samples from files: tables that name themselves, and pictures that say how they are to be turned."""

import io
import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from logicnn import load
from logicnn.data.dataset import DatasetError
from logicnn.data.inputs import read_samples
from logicnn.data.own import read_own
from logicnn.data.pictures import PictureError
from logicnn.errors import LogicnnError

JETS, DIGITS = load("jsc-a"), load("digits-bnn")
NAMES = JETS.preparation.columns
ROWS = np.random.default_rng(1).normal(JETS.preparation.mean, JETS.preparation.deviation, (5, 16))


def written(path: Path, names: list[str], columns: list[list], separator: str = ",") -> Path:
    lines = [separator.join(map(str, row)) for row in [names, *zip(*columns, strict=True)]]
    path.write_text("\n".join(lines) + "\n")
    return path


def column(name: str) -> list[float]:
    return ROWS[:, NAMES.index(name)].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_columns_by_name(tmp_path, seed):
    """In any order, among others, labels by name or number."""
    order = [NAMES[each] for each in np.random.default_rng(seed).permutation(16)]
    expected = JETS.preparation.values(ROWS)
    path = written(tmp_path / "t.csv", order, [column(name) for name in order])
    found = read_samples(JETS, [path])
    assert np.array_equal(found.x, expected) and found.labels is None and len(found.names) == 5
    labels = [JETS.labels[2], 0, "4", JETS.labels[1], "1"]
    names, columns = ["time", *order, "Label"], [["noon"] * 5, *(column(name) for name in order), labels]
    found = read_samples(JETS, [written(path, names, columns, ";")])
    assert np.array_equal(found.x, expected)
    assert found.labels is not None and found.labels.tolist() == [2, 0, 4, 1, 1]
    both = read_samples(JETS, [path, written(tmp_path / "u.csv", order, [column(name) for name in order])])
    assert np.array_equal(both.x, np.concatenate([expected, expected])) and both.labels is None


def test_columns_without_names(tmp_path):
    np.savetxt(tmp_path / "t.csv", ROWS, delimiter=",", fmt="%.17g")
    assert np.array_equal(read_samples(JETS, [tmp_path / "t.csv"]).x, JETS.preparation.values(ROWS))


def test_labels_of_another_name(tmp_path):
    """The only column that the network does not read and that holds its classes' names; of two, none."""
    x = [column(name) for name in NAMES]
    kinds = [JETS.labels[each] for each in (2, 0, 4, 1, 1)]
    found = read_samples(JETS, [written(tmp_path / "t.csv", [*NAMES, "site", "kind"], [*x, list("abcde"), kinds])])
    assert found.labels is not None and found.labels.tolist() == [2, 0, 4, 1, 1]
    found = read_samples(JETS, [written(tmp_path / "u.csv", [*NAMES, "kind", "guess"], [*x, kinds, kinds])])
    assert found.labels is None


def test_labels_beside_integers(tmp_path):
    network = load("nid-a")
    x = np.random.default_rng(2).integers(0, 2, (3, 593))
    names = [f"f{each}" for each in range(593)]
    path = written(tmp_path / "t.csv", ["label", *names], [[1, 0, 1], *x.T.tolist()])
    found = read_samples(network, [path])
    assert np.array_equal(found.x, x) and found.labels is not None and found.labels.tolist() == [1, 0, 1]


def test_columns_that_are_not_there(tmp_path):
    path = written(tmp_path / "t.csv", ["a", *NAMES[1:]], [column(name) for name in NAMES])
    with pytest.raises(LogicnnError) as error:
        read_samples(JETS, [path])
    assert str(error.value).startswith(f"{path} lacks 1 of 16 columns: {NAMES[0]}; it has a. Without a line of names")
    path = written(path, [*NAMES, "label"], [*(column(name) for name in NAMES), ["0", "1", "x", "2", "3"]])
    with pytest.raises(LogicnnError, match=f"row 3 has the label 'x'; the network's are {', '.join(JETS.labels)}$"):
        read_samples(JETS, [path])
    path.write_text(",".join([*NAMES, "more"]) + "\n" + ",".join(["1"] * 16) + "\n")
    with pytest.raises(LogicnnError, match=r"row 1 must be 16 numbers in 17 columns, not '1,1"):
        read_samples(JETS, [path])


def test_huge_numbers_saturate(tmp_path):
    rows = np.where(np.arange(16) % 2, 1e308, -1e308)[None]
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", fmt="%.17g")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = read_samples(JETS, [tmp_path / "t.csv"]).x
    preparation = JETS.preparation
    assert x.tolist() == [[preparation.high if each % 2 else preparation.low for each in range(16)]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned(tmp_path, orientation):
    """As viewers show them."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, :], pixels[:, 0], pixels[5, 6] = 255, 128, 70
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "p.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO((tmp_path / "p.png").read_bytes())))
    found = read_samples(DIGITS, [tmp_path / "p.png"]).x
    assert np.array_equal(found[0], DIGITS.preparation.values(upright))
    assert np.array_equal(found[0], DIGITS.preparation.values(Image.fromarray(pixels))) == (orientation == 1)


def test_pictures_of_several_frames(tmp_path):
    frames = [Image.fromarray(np.full((8, 8), each, np.uint8)) for each in (0, 90, 200)]
    frames[0].save(tmp_path / "p.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(LogicnnError, match=r"p\.gif: 3 frames; save the one that is meant as a picture of its own$"):
        read_samples(DIGITS, [tmp_path / "p.gif"])


def test_no_files():
    assert read_samples(replace(JETS), []).x.shape == (0, 16)


@pytest.mark.parametrize("size", [9_500, 30_000])
def test_pictures_that_unpack_without_end(tmp_path, size, recwarn):
    """A file of some kilobytes with 90 or 900 million pixels: refused before they are there, without a warning."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + (size + 7) // 8)  # of black and white
    rows = b"".join(deflate.compress(row) for _ in range(size)) + deflate.flush()
    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    data = [
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in chunks
    ]
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(data))
    assert path.stat().st_size < 200_000
    with pytest.raises(PictureError, match=r"bomb.png cannot be read as a picture: DecompressionBomb"):
        read_samples(DIGITS, [path], resize=True)
    with pytest.raises(DatasetError, match=r"bomb.png cannot be read as a picture: Image size "):
        read_own(tmp_path, size=(8, 8))
    assert not recwarn.list


def test_pictures_that_are_large(tmp_path):
    """To learn from, pictures of millions of pixels are averaged first."""
    (tmp_path / "a").mkdir()
    Image.new("L", (3_000, 3_000)).save(tmp_path / "a" / "x.png")
    with pytest.raises(DatasetError, match=r"x.png is of 3000 x 3000 pixels; at most 4194304 are .*: give --size$"):
        read_own(tmp_path)
