"""Integer layers against the same sums written out one by one."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.network import (
    Activations,
    Affine,
    Argmax,
    Even,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    NetworkError,
    Requantize,
    Slicer,
)
from logicnn.network.files import from_bytes, to_bytes
from sim_tests.helpers import int_network

BYTES = Interval(-128, 127)


def ref_neuron(
    weights,
    bias: int,
    x,
    multiplier: int = 1,
    offset: int = 0,
    shift: int = 0,
    low: int | None = None,
    high: int = 0,
    width: int | None = None,
):
    """One neuron in Python integers."""
    value = (sum(int(w) * int(v) for w, v in zip(weights, x, strict=True)) + bias) * multiplier
    value += offset + ((1 << (shift - 1)) if shift else 0)
    if width is not None:
        value %= 1 << width
        value -= (1 << width) * (value >= 1 << (width - 1))
    return value if low is None else min(high, max(low, value >> shift))


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(0, 9), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_dense(seed, width, shift, signed, wraps):
    rng = np.random.default_rng(seed)
    weights, bias, multiplier = rng.integers(-128, 128, (3, 5)), rng.integers(-1000, 1000, 3), rng.integers(1, 30, 3)
    low, high = (-8, 7) if signed else (0, 15)
    layer = IntDense(
        weights, bias, Requantize(multiplier, np.full(3, shift), low, high), np.full(3, width) if wraps else None
    )
    x = rng.integers(-128, 128, (20, 5))
    actual = Network(Activations((5,), BYTES), [layer]).evaluate(x)
    neuron = partial(ref_neuron, shift=shift, low=low, high=high, width=width if wraps else None)
    expected = [[neuron(w, int(b), v, int(m)) for w, b, m in zip(weights, bias, multiplier, strict=True)] for v in x]
    assert actual.tolist() == expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_steps_that_begin_anywhere(seed, shift, signed):
    """An `Affine`, in a file, too."""
    rng = np.random.default_rng(seed)
    weights, bias, multiplier = rng.integers(-128, 128, (3, 5)), rng.integers(-1000, 1000, 3), rng.integers(1, 30, 3)
    offset, (low, high) = rng.integers(-5000, 5000, 3), (-8, 7) if signed else (0, 15)
    layer = IntDense(weights, bias, Affine(multiplier, np.full(3, shift), low, high, offset))
    network, x = Network(Activations((5,), BYTES), [layer]), rng.integers(-128, 128, (20, 5))
    expected = [
        [
            ref_neuron(weights[n], int(bias[n]), v, int(multiplier[n]), int(offset[n]), shift, low, high)
            for n in range(3)
        ]
        for v in x
    ]
    assert network.evaluate(x).tolist() == expected
    again = from_bytes(to_bytes(network))
    assert again.evaluate(x).tolist() == expected and again.digest() == network.digest()
    plain = replace(layer, activation=Requantize(multiplier, np.full(3, shift), low, high))
    assert replace(network, layers=[plain]).digest() != network.digest()


@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(1, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_ties_to_even(seed, shift, multiplier, signed):
    """As numpy rounds halves."""
    rng = np.random.default_rng(seed)
    weights, bias, (low, high) = rng.integers(-9, 9, (3, 5)), rng.integers(-9, 9, 3), (-8, 7) if signed else (0, 15)
    layer = IntDense(weights, bias, Even(np.full(3, multiplier), np.full(3, shift), low, high))
    network, x = Network(Activations((5,), BYTES), [layer]), rng.integers(-9, 9, (40, 5))
    expected = np.clip(np.rint((x @ weights.T + bias) * multiplier / 2**shift), low, high)
    assert np.array_equal(network.evaluate(x), expected)
    again = from_bytes(to_bytes(network))
    assert np.array_equal(again.evaluate(x), expected) and again.digest() == network.digest()


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1), (2, 0)])
def test_convolution_is_its_matrix(stride, padding):
    rng = np.random.default_rng(1)
    layer = IntConv2d(rng.integers(-8, 8, (3, 2, 3, 3)), rng.integers(-9, 9, 3), None, None, stride, padding)
    shape = Activations((2, 5, 6), Interval(-4, 9))
    x = rng.integers(-4, 10, (7, 2, 5, 6))
    bias = layer.bias[layer.neuron_of_rows(shape)]
    assert np.array_equal(
        Network(shape, [layer]).evaluate(x).reshape(7, -1), x.reshape(7, -1) @ layer.matrix(shape).T + bias
    )


def test_convolution_known_values():
    layer = IntConv2d(np.array([[[[1, 0], [0, -1]]]]), [10])
    x = np.arange(9).reshape(1, 1, 3, 3)
    assert Network(Activations((1, 3, 3), Interval(0, 8)), [layer]).evaluate(x).tolist() == [[[[6, 6], [6, 6]]]]


def test_intervals_are_exact():
    layer = IntDense([[3, -2]], [5], Requantize([2], [3], 0, 255))
    given = Activations((2,), Interval(-1, 4))
    reached = [(3 * a - 2 * b + 5) * 2 + 4 for a in range(-1, 5) for b in range(-1, 5)]
    assert layer.held_intervals(given) == [Interval(min(reached), max(reached))]


def test_wrapped_range():
    given = Activations((1,), Interval(0, 100))
    assert IntDense([[1]], [0], None, [7]).infer(given).interval == Interval(-64, 63)
    assert IntDense([[1]], [0], None, [8]).infer(given).interval == Interval(0, 100)


def test_slicer():
    net = Network(Activations((1,), Interval(-9, 9)), [Slicer([-3, 0, 5])], labels=("a", "b", "c", "d"))
    assert net.evaluate(np.array([[-9], [-4], [-3], [-1], [0], [4], [5], [9]])).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_files_keep_every_field():
    net = int_network(np.random.default_rng(2), 6, 5, 3, width=9)
    conv = Network(
        Activations((1, 4, 4), Interval(0, 15)),
        [
            IntConv2d(np.full((2, 1, 2, 2), 300), [1, -1], Requantize([3, 1], [4, 5], 0, 15), None, 2, 1),
            Flatten(),
            Argmax(),
        ],
    )
    slicer = Network(Activations((2,), Interval(0, 3)), [IntDense([[1, -2]], [3]), Slicer([0])])
    for each in (net, conv, slicer):
        assert from_bytes(to_bytes(each)) == each


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Requantize([0], [1], 0, 255), r"^Requantize.multiplier must be positive, but holds 0$"),
        (lambda: Requantize([1], [41], 0, 255), r"^Requantize.shift must lie in 0 ... 40, not 41 ... 41$"),
        (lambda: Affine([1], [1], 1, 1, [0]), r"^Affine.low must be below high, and both of 32 bits, not 1 and 1$"),
        (lambda: IntDense([[1]], [0], Affine([1], [1], 0, 1, [0, 0])), r"1 neurons but 2 values of offset$"),
        (lambda: Requantize([1], [1], 0, 200), r"^Requantize.low and high must bound a whole word"),
        (lambda: IntDense([[1.5]], [0]), r"^IntDense.weights must be integers, but holds 1.5$"),
        (lambda: IntDense([[1]], [float("nan")]), r"^IntDense.bias must be finite, but holds nan$"),
        (lambda: IntDense([[1], [2]], [0]), r"^IntDense has 2 neurons but 1 biases$"),
        (
            lambda: IntDense([[1]], [0], Requantize([1, 1], [0, 0], 0, 1)),
            r"^IntDense has 1 neurons but 2 values of multiplier$",
        ),
        (lambda: IntDense([[1]], [0], None, [60]), r"^IntDense.width must be 1 bit counts of 1 ... 54, not \[60\]$"),
        (lambda: IntConv2d(np.ones((1, 1, 2, 2)), [0], padding=2), r"^IntConv2d.padding must be an integer"),
        (lambda: Slicer([1, 1]), r"^Slicer.thresholds must increase"),
        (
            lambda: Network(Activations((2,), BYTES), [IntDense([[1]], [0])]),
            r"^layer 0: IntDense.weights \(1, 1\) read 1 inputs",
        ),
        (
            lambda: Network(Activations((2,), BYTES), [Slicer([0])]),
            r"^layer 0: Slicer reads one score, not shape \(2,\)$",
        ),
        (
            lambda: Network(Activations((1,), Interval(0, 1 << 40)), [IntDense([[1 << 20]], [0])]),
            r"^layer 0: IntDense has held values of 61 bits; at most 53 are supported$",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


@pytest.mark.parametrize(("shape", "size"), [((2, 4, 6), 2), ((1, 7, 5), 2), ((3, 3, 3), 3), ((1, 2, 2), 1)])
def test_max_pool_of_words(shape, size):
    """Against loops; rows and columns that fill no tile are dropped."""
    x = np.random.default_rng(1).integers(-8, 8, (20, *shape))
    network = Network(Activations(shape, Interval(-8, 7)), [MaxPool2d(size)])
    rows, columns = shape[1] // size, shape[2] // size
    expected = np.array(
        [
            [
                [[image[c, y * size :, u * size :][:size, :size].max() for u in range(columns)] for y in range(rows)]
                for c in range(shape[0])
            ]
            for image in x
        ]
    )
    assert np.array_equal(network.evaluate(x), expected) and network.output.interval == Interval(-8, 7)
    assert from_bytes(to_bytes(network)) == network
    read = np.arange(np.prod(shape)).reshape(shape)[:, : rows * size, : columns * size].ravel()
    assert network.read_inputs() == tuple((read[:, None] * 4 + np.arange(4)).ravel().tolist())
