"""Pictures and rows of numbers as a network's integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from logicnn import load
from logicnn.network import NetworkError, Picture, Quantiles, Standardised, shipped
from logicnn.network.files import from_bytes, to_bytes
from logicnn.network.preparation import PreparationError

GREY = Picture("L", 2, 3, 255)
COLOUR = Picture("RGB", 2, 3, 16)
PIXELS = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)


def test_grey():
    assert np.array_equal(GREY.values(Image.fromarray(PIXELS)), PIXELS[None])
    assert np.array_equal(GREY.values(Image.fromarray(PIXELS), invert=True), 255 - PIXELS[None])


def test_levels():
    """Rounded to the nearest level, half up; what a level looks like comes back as that level."""
    sixteenths = Picture("L", 1, 256, 16)
    ramp = np.arange(256)[None]
    assert np.array_equal(sixteenths.values(Image.fromarray(ramp.astype(np.uint8)))[0], np.floor(ramp * 16 / 255 + 0.5))
    levels = np.rint(np.arange(17) * 255 / 16).astype(np.uint8)[None]
    assert np.array_equal(Picture("L", 1, 17, 16).values(Image.fromarray(levels))[0, 0], np.arange(17))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_modes(mode):
    """Black and white are that in every mode of eight bits; what is opaque may have an alpha channel."""
    image = Image.fromarray(np.where(PIXELS >= 128, 255, 0).astype(np.uint8)).convert(mode)
    assert np.array_equal(GREY.values(image), np.where(PIXELS >= 128, 255, 0)[None])
    assert np.array_equal(COLOUR.values(image), np.repeat(np.where(PIXELS >= 128, 16, 0)[None], 3, axis=0))


def test_colour_to_grey():
    """ITU-R 601-2: 0.299 red, 0.587 green, 0.114 blue."""
    image = Image.new("RGB", (3, 2), (200, 100, 50))
    assert GREY.values(image).ravel().tolist() == [124] * 6


def test_resize():
    """Areas are averaged."""
    large = np.kron(PIXELS, np.ones((4, 4), np.uint8))
    assert np.array_equal(GREY.values(Image.fromarray(large), resize=True), PIXELS[None])


def test_resize_keeps_proportions():
    """What is as high as wide stays so; its edge goes on to both sides."""
    square = np.array([[10, 20], [30, 40]], np.uint8)
    wide = Picture("L", 2, 4, 255).values(Image.fromarray(square), resize=True)
    assert wide[0].tolist() == [[10, 10, 20, 20], [30, 30, 40, 40]]
    high = Picture("L", 3, 1, 255).values(Image.fromarray(square), resize=True)
    assert high[0].ravel().tolist() == [25, 25, 25]
    thin = Picture("L", 2, 2, 255).values(Image.new("L", (500, 1), 7), resize=True)
    assert thin.tolist() == [[[7, 7], [7, 7]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(tmp_path, orientation):
    """As its EXIF says, for pictures in memory and in files."""
    stored = np.arange(6, dtype=np.uint8).reshape((3, 2) if orientation > 4 else (2, 3)) * 40
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    rows, columns = (-1 if orientation in where else 1 for where in ((3, 4, 6, 7), (2, 3, 7, 8)))
    upright = stored[::rows, ::columns]  # row 0 is at the bottom, or the right; column 0 at the right, or the bottom
    upright = upright.T if orientation > 4 else upright
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(GREY.values(image), upright[None])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("L", (4, 2)), r"^4 x 2 pixels; it must be 3 x 2, or give --resize$"),
        (Image.new("I;16", (3, 2)), r"^mode I;16 has more than eight bits a channel; save it with eight$"),
        (Image.new("F", (3, 2)), r"^mode F has more than eight bits"),
        (
            Image.new("RGBA", (3, 2), (0, 0, 0, 128)),
            r"^mode RGBA with transparent pixels has no one colour there; put it on a background$",
        ),
        (Image.new("LA", (3, 2), (0, 0)), r"^mode LA with transparent pixels"),
    ],
)
def test_refused(image, message):
    with pytest.raises(PreparationError, match=message):
        GREY.values(image)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Picture("CMYK", 2, 2, 255), r"^Picture.mode must be one of L, RGB, not 'CMYK'$"),
        (lambda: Picture("L", 0, 2, 255), r"^Picture.height must be a positive integer, and high at most 255, not 0$"),
        (lambda: Picture("L", 2, 2, 256), r"^Picture.high must be"),
        (
            lambda: Standardised(["a"], [1.0, 2.0], [1.0], 32, -8, 7),
            r"^Standardised.mean must be a float for each of 1 columns$",
        ),
        (lambda: Quantiles(["a"], [[2.0, 1.0]]), r"^Quantiles.edges must be finite and must not fall$"),
        (lambda: Quantiles(["a", "b"], [[1.0], [1.0, 2.0]]), r"^Quantiles.edges must be equally many"),
        (lambda: Quantiles([], []), r"^Quantiles.edges must be equally many"),
        (lambda: Quantiles(["a"], [[]]), r"^Quantiles.edges must be equally many"),
        (lambda: Quantiles([1], [[1.0]]), r"^columns must be names, not \(1,\)$"),
        (lambda: Standardised(["a"], [1.0], [-1.0], 32, -8, 7), r"must be finite, the last two not negative$"),
        (lambda: Standardised(["a"], [1.0], [float("nan")], 32, -8, 7), r"must be finite"),
        (lambda: Standardised(["a"], [1.0], [1.0], 32, 7, 7), r"^Standardised.low must be below high, not 7 and 7$"),
    ],
)
def test_bad_arguments(made, message):
    with pytest.raises(PreparationError, match=message):
        made()


def test_quantiles():
    """As many rows between two edges as can be, values that are few each by itself, a constant, and what lies
    beyond."""
    x = np.stack([np.arange(80.0), np.repeat([0.0, 5.0], 40), np.full(80, 3.0), np.arange(80.0) ** 9], 1)
    made = Quantiles.of(x, ["a", "b", "c", "d"], 3)
    values = made.values(x)
    assert made.range == (0, 3) and made.shape == (4,)
    assert np.bincount(values[:, 0]).tolist() == [20, 20, 20, 20] == np.bincount(values[:, 3]).tolist()
    assert set(values[:40, 1]) == {0} and set(values[40:, 1]) == {3} and len(set(values[:, 2])) == 1
    assert made.values(np.array([[-1e308, 1e308, 2.0, 0.0]])).tolist() == [[0, 3, 0, 0]]
    network = load("digits-bnn")
    with pytest.raises(NetworkError, match="preparation must give the input's shape"):
        replace(network, preparation=made)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e300, 1e300)))
def test_quantiles_count_edges(x):
    made = Quantiles.of(x, [str(place) for place in range(x.shape[1])], 4)
    expected = [
        [sum(value >= edge for edge in edges) for value, edges in zip(row, made.edges, strict=True)] for row in x
    ]
    assert made.values(x).tolist() == expected
    order = np.argsort(x[:, 0])
    assert (np.diff(made.values(x)[order, 0]) >= 0).all()


def test_standardised():
    """Columns that never change stay at 0; the rest is clipped to its word."""
    rows = np.random.default_rng(4).normal(5, 3, (1000, 2))
    rows[:, 1] = 7
    made = Standardised.of(rows, ("x", "y"), 32, -128, 127)
    values = made.values(rows)
    assert abs(values[:, 0].mean()) < 1 and abs(values[:, 0].std() - 32) < 1 and not values[:, 1].any()
    assert made.values(np.array([[1e9, 7], [-1e9, 7]]))[:, 0].tolist() == [127, -128]
    assert made.values(np.array([[made.mean[0] + made.deviation[0], 8]])).tolist() == [[32, 32]]


@pytest.mark.parametrize("name", shipped())
def test_travels_with_the_network(name, dataset):
    """A shipped network has the preparation of its data set, in its file, and not in its digest."""
    network = load(name)
    made = dataset(network.dataset).preparation
    assert network.preparation == made
    assert from_bytes(to_bytes(network)).preparation == made
    assert replace(network, preparation=None).digest() == network.digest()


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        (
            Picture("L", 28, 28, 255),
            r"^preparation must give the input's shape and range \(\(1, 8, 8\), \(0, 16\)\), not \(\(1, 28, 28\),",
        ),
        ("grey", r"^preparation must be a Preparation, not 'grey'$"),
    ],
)
def test_not_this_network(preparation, message):
    with pytest.raises(NetworkError, match=message):
        replace(load("digits-bnn"), preparation=preparation)
