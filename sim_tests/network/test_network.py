"""`Network.evaluate` against products in -1 and +1, and what a network refuses."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn import load
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Interval,
    MaxPool2d,
    Network,
    NetworkError,
    Offset,
    Thermometer,
    Threshold,
)
from sim_tests.helpers import all_bits, conv_network, dense_network
from sim_tests.reference import ref_evaluate

BITS = Interval(0, 1)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_dense_exhaustive(seed, argmax):
    network = dense_network(np.random.default_rng(seed), 7, 5, 4, 3, argmax=argmax)
    x = all_bits(7).astype(np.int64)
    assert np.array_equal(network.evaluate(x), ref_evaluate(network, x))


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 1), (1, 2), (2, 1)])
def test_conv(padding, stride):
    rng = np.random.default_rng(padding * 10 + stride)
    network = conv_network(rng, padding, stride)
    x = rng.integers(0, 4, (300, 1, 4, 4))
    assert np.array_equal(network.evaluate(x), ref_evaluate(network, x))


def test_bits_out():
    network = Network(Activations((3,), BITS), [BinaryDense([[1, 0, -1], [1, 1, 1]], Threshold([2, 2]))])
    assert network.evaluate(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]])).tolist() == [[1, 0], [1, 1], [0, 1]]


def test_no_samples():
    assert dense_network(np.random.default_rng(1), 4, 3, 2).evaluate(np.zeros((0, 4), int)).shape == (0,)


def test_many_chunks():
    network = dense_network(np.random.default_rng(2), 6, 4, 3)
    x = np.random.default_rng(3).integers(0, 2, (20_000, 6))
    assert np.array_equal(network.evaluate(x), network.evaluate(x[::-1])[::-1])


def test_values_of_every_layer():
    """Each is what the network that ends with its layer gives, also one that only encodes."""
    network = load("digits-bnn")
    x = np.random.default_rng(5).integers(0, 17, (70, *network.input.shape))
    found = list(network.values(network.encode(x)))
    for index, values in enumerate(found, network.core_start + 1):
        part = Network(network.input, network.layers[:index])
        assert np.array_equal(part.evaluate(x).reshape(70, -1), values)
    assert len(found) == len(network.layers) - network.core_start
    encoder = Network(network.input, network.layers[:1])
    assert np.array_equal(encoder.evaluate(x).reshape(70, -1), network.encode(x))


def test_argmax_tie_lowest():
    network = Network(Activations((2,), BITS), [BinaryDense([[1, 0], [0, 1], [1, 0]], Offset([0, 0, 0])), Argmax()])
    assert network.evaluate(np.array([[0, 0], [1, 1], [0, 1]])).tolist() == [0, 0, 1]


def test_argmax_of_integers():
    network = Network(Activations((3,), Interval(-4, 3)), [Argmax()])
    assert network.evaluate(np.array([[-4, -1, -2], [3, 3, 0]])).tolist() == [1, 0]


def test_argmax_of_bits():
    network = Network(Activations((2,), BITS), [Argmax()])
    assert network.evaluate(np.array([[0, 0], [0, 1], [1, 1]])).tolist() == [0, 1, 0]


def test_thermometer_order():
    network = Network(
        Activations((2, 1, 1), Interval(0, 9)),
        [Thermometer([3, 6]), Flatten(), BinaryDense(np.eye(4, dtype=int), Threshold([1] * 4))],
    )
    assert network.evaluate(np.array([[[[3]], [[9]]], [[[6]], [[2]]]])).tolist() == [[1, 0, 1, 1], [1, 1, 0, 0]]


def test_thermometer_of_each_channel():
    """Its own thresholds, also the same one twice; in a file, too."""
    network = Network(
        Activations((2, 1, 2), Interval(-4, 9)),
        [Thermometer([[-3, 6, 6], [1, 2, 9]]), Flatten(), BinaryDense(np.eye(12, dtype=int), Threshold([1] * 12))],
    )
    expected = [[1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]]
    assert network.evaluate(np.array([[[[-3, 6]], [[1, 0]]]])).tolist() == expected
    again = Network(network.input, [Thermometer([[-3, 6, 6], [1, 3, 9]]), *network.layers[1:]])
    assert again.digest() != network.digest()


def test_read_inputs():
    network = Network(Activations((4,), BITS), [BinaryDense([[0, 1, 0, -1]], Offset([0]))])
    assert network.read_inputs() == (1, 3)


def test_digest_names_do_not_count():
    network = dense_network(np.random.default_rng(1), 4, 3, 2)
    renamed = Network(network.input, network.layers, "other", "digits", ("a", "b"))
    assert renamed == network and renamed.digest() == network.digest()


def test_digest_every_value_counts():
    digests = {
        Network(Activations((2,), BITS), [BinaryDense([[1, weight]], Threshold([minimum]))]).digest()
        for weight in (-1, 0, 1)
        for minimum in (1, 2)
    }
    assert len(digests) == 6


def test_arrays_are_read_only():
    layer = BinaryDense([[1, -1]], Threshold([1]))
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 0


def test_width_is_the_narrowest():
    for low in range(-9, 10):
        for high in range(low, 10):
            fits = [
                high < 1 << bits if low >= 0 else bits and -(1 << bits - 1) <= low and high < 1 << bits - 1
                for bits in range(7)
            ]
            assert Interval(low, high).width == fits.index(True), (low, high)


@pytest.mark.parametrize(
    ("interval", "width"),
    [((0, 0), 0), ((0, 1), 1), ((0, 7), 3), ((0, 8), 4), ((-1, 0), 1), ((-8, 7), 4), ((-9, 7), 5), ((-1, 8), 5)],
)
def test_interval_width(interval, width):
    assert Interval(*interval).width == width


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinaryDense([[2, 0]], Threshold([1])), r"^BinaryDense.weights must be -1, 0 or \+1, but hold 2$"),
        (
            lambda: BinaryDense([[float("nan"), 0]], Threshold([1])),
            r"^BinaryDense.weights must be finite, but holds nan$",
        ),
        (lambda: BinaryDense([[0.5, 0]], Threshold([1])), r"^BinaryDense.weights must be integers, but holds 0.5$"),
        (
            lambda: BinaryDense([1, 0], Threshold([1])),
            r"^BinaryDense.weights must be a non-empty array of 2 dimension\(s\), not shape \(2,\)$",
        ),
        (lambda: BinaryDense([[1, 0]], Threshold([1, 2])), r"^BinaryDense has 1 neurons but 2 threshold values$"),
        (
            lambda: BinaryDense([[1, 0]], "sign"),
            r"^BinaryDense.activation must be a Threshold or an Offset, not 'sign'$",
        ),
        (lambda: Threshold([float("inf")]), r"^Threshold.minimum must be finite"),
        (lambda: Threshold([1 << 40]), r"^Threshold.minimum must lie in -2147483648 ... 2147483647, not "),
        (
            lambda: BinaryConv2d(np.ones((1, 1, 2, 2)), Threshold([1]), stride=0),
            r"^BinaryConv2d.stride must be a positive integer, not 0$",
        ),
        (
            lambda: BinaryConv2d(np.ones((1, 1, 2, 2)), Threshold([1]), padding=2),
            r"^BinaryConv2d.padding must be .* not 2$",
        ),
        (lambda: MaxPool2d(0), r"^MaxPool2d.size must be a positive integer, not 0$"),
        (lambda: Thermometer([3, 3]), r"^Thermometer.thresholds must increase, not \[3, 3\]$"),
        (lambda: Thermometer([[1, 1], [3, 2]]), r"^Thermometer.thresholds must not fall, but do in row 1: \[3, 2\]$"),
        (
            lambda: Network(Activations((3,), Interval(0, 9)), [Thermometer([[1], [2]])]),
            r"^layer 0: Thermometer.thresholds have 2 rows, but its input of shape \(3,\) has 3 channels or columns$",
        ),
        (
            lambda: Network(Activations((2,), Interval(0, 9)), [Thermometer([[1, 2], [0, 9]])]),
            r"^layer 0: Thermometer.thresholds must lie in 1 ... 9, the range of its input, not in 0 ... 9$",
        ),
        (lambda: Interval(2, 1), r"^interval low must not exceed high, not 2 > 1$"),
        (lambda: Interval(0, float("inf")), r"^interval high must be an integer, not inf$"),
        (
            lambda: Activations((1, 1_000_000, 1_000_000), BITS),
            r"^shape .* has 1000000000000 values; at most 16777216 are accepted$",
        ),
        (
            lambda: Network(Activations((2,), BITS), [Argmax()], "my/net"),
            r"^name must be at most 100 letters, digits, .* not 'my/net'$",
        ),
        (
            lambda: Network(Activations((2,), BITS), [Argmax()], labels=(1, 2)),
            r"^dataset and labels must be text, not '' and \(1, 2\)$",
        ),
        (lambda: Activations((0,), BITS), r"^shape must be "),
        (lambda: Network(Activations((3,), BITS), []), r"^a network needs at least one layer$"),
        (
            lambda: Network(Activations((3,), BITS), [BinaryDense([[1, 0]], Threshold([1]))]),
            r"^layer 0: BinaryDense.weights \(1, 2\) read 2 inputs",
        ),
        (
            lambda: Network(Activations((3,), Interval(0, 9)), [BinaryDense([[1, 0, 0]], Threshold([1]))]),
            r"^layer 0: BinaryDense reads bits",
        ),
        (
            lambda: Network(Activations((3,), Interval(0, 9)), [Thermometer([10])]),
            r"^layer 0: Thermometer.thresholds must lie in 1 ... 9",
        ),
        (
            lambda: Network(Activations((3,), BITS), [MaxPool2d(1)]),
            r"^layer 0: MaxPool2d reads \(channels, height, width\), not shape \(3,\)$",
        ),
        (lambda: Network(Activations((2,), BITS), [Argmax()], labels=("a",)), r"^labels must name 2 classes, not 1$"),
        (lambda: Network(Activations((2,), BITS), ["dense"]), r"^layer 0 must be a Layer, not 'dense'$"),
        (
            lambda: Network(Activations((2,), Interval(0, 3)), [Argmax(), Thermometer([1])]),
            r"^layer 1: a Thermometer makes the input's bits and must be the first layer$",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 3), int), r"^samples must have shape \(n, 4\), not \(5, 3\)$"),
        (np.zeros((5, 4)), r"^samples must be integers, not float64$"),
        (np.full((5, 4), 2), r"^samples must lie in 0 ... 1, not 2 ... 2$"),
        (np.array(1), r"^samples must have shape \(n, 4\), not \(\)$"),
    ],
)
def test_samples_refused(x, message):
    with pytest.raises(NetworkError, match=message):
        dense_network(np.random.default_rng(1), 4, 3, 2).evaluate(x)


def test_mnist_model_equals_products(dataset):
    """The shipped network on all 10,000 test images, by matrix products, and in less than a second."""
    network, test = load("mnist-bnn"), dataset("mnist").test
    start = time.process_time()
    labels = network.evaluate(test.x)
    assert time.process_time() - start < 1
    value = np.where(test.x.reshape(len(test.x), -1) >= network.layers[0].thresholds[0], 1, -1).astype(np.float32)
    for layer in network.layers[1:]:
        if isinstance(layer, BinaryDense):
            weights = layer.weights.astype(np.float32)
            agreeing = (value @ weights.T + np.abs(weights).sum(1)) / 2
            value = (
                np.where(agreeing >= layer.activation.level, 1, -1).astype(np.float32)
                if isinstance(layer.activation, Threshold)
                else agreeing + layer.activation.level
            )
    assert np.array_equal(labels, value.argmax(1))
    assert np.mean(labels == test.y) >= 0.95
