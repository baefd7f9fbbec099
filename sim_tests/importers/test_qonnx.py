"""QONNX files of quantized networks: each class as the file's own arithmetic gives it, and what is refused."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from logicnn.engines.reused import Reused
from logicnn.importers import Given, ImportRefused, importers
from logicnn.importers.qonnx import imported
from logicnn.importers.words import WordSums, requantized, thresholds
from logicnn.network import (
    Affine,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Even,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Thermometer,
)
from logicnn.resources import DEVICES

WORDS = Given(Interval(0, 15), 1 / 15)
QUANT = "qonnx.custom_op.general"


class Graph:
    """A model that is written node by node, and what it makes of samples: by numpy, in 32 bits, sample by sample."""

    def __init__(self, shape: Sequence[int], seed: int = 1):
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shape = [1, *shape]
        self.last = "x"
        self.steps: list[Any] = []

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, getattr(value, "dtype", np.float32)), name))
        return name

    def node(self, kind: str, *more: Any, first: bool = True, domain: str = "", **options: Any) -> str:
        """Of what flows and constants."""
        out = f"t{len(self.nodes)}"
        names = [each if isinstance(each, str) else self.constant(each) for each in more]
        names = [self.last, *names] if first else names
        self.nodes.append(
            helper.make_node(kind, names, [out], name=f"{kind}_{len(self.nodes)}", domain=domain, **options)
        )
        return out

    def then(self, kind: str, *more: Any, **options: Any) -> "Graph":
        self.last = self.node(kind, *more, **options)
        return self

    def does(self, step: Any) -> "Graph":
        """What numpy makes of the same (n, ...)."""
        self.steps.append(step)
        return self

    def affine(self, scale: float, offset: float) -> "Graph":
        self.then("Mul", np.float32(scale)).then("Sub", np.float32(offset))
        return self.does(lambda x: x * np.float32(scale) - np.float32(offset))

    def sign(self, scale: float = 1.0) -> "Graph":
        self.then("BipolarQuant", np.float32(scale), domain=QUANT)
        return self.does(lambda x: np.where(x >= 0, np.float32(scale), np.float32(-scale)))

    def quant(self, scale: float, bits: int, signed: int = 1, narrow: int = 0) -> "Graph":
        self.then("Quant", *map(np.float32, (scale, 0, bits)), signed=signed, narrow=narrow, domain=QUANT)
        low, high = (-(1 << bits - 1) + narrow, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        scale = np.float32(scale)
        return self.does(lambda x: np.rint(np.clip(x / scale, low, high)) * scale)

    def relu(self) -> "Graph":
        return self.then("Relu").does(lambda x: np.maximum(x, 0))

    def words(self, inputs: int, outputs: int, bits: int = 3, each: bool = True) -> "Graph":
        """Weights of so many bits, with a scale of `each` neuron, or one for all."""
        latent = self.rng.normal(size=(outputs, inputs)).astype(np.float32)
        scale = self.rng.uniform(0.1, 0.9, (outputs, 1) if each else (1, 1)).astype(np.float32)
        zero = [np.float32(0), np.float32(bits)]
        name = self.node("Quant", latent, scale, *zero, first=False, signed=1, narrow=1, domain=QUANT)
        self.then("MatMul", self.node("Transpose", name, first=False, perm=[1, 0]))
        most = (1 << bits - 1) - 1
        integers = np.rint(np.clip(latent / scale, -most, most)).astype(np.float64)
        return self.does(
            lambda x: ((x.astype(np.float64) @ integers.T) * scale[:, 0].astype(np.float64)).astype(np.float32)
        )

    def weights(self, shape: Sequence[int], scale: float) -> tuple[str, np.ndarray]:
        latent = self.rng.normal(size=shape).astype(np.float32)
        name = self.node("BipolarQuant", latent, np.float32(scale), first=False, domain=QUANT)
        return name, np.where(latent >= 0, np.float32(scale), np.float32(-scale))

    def dense(self, inputs: int, outputs: int, scale: float = 1.0) -> "Graph":
        name, weights = self.weights((outputs, inputs), scale)
        self.then("MatMul", self.node("Transpose", name, first=False, perm=[1, 0]))
        return self.does(lambda x: x @ weights.T)

    def normalised(self, channels: int) -> "Graph":
        """Batch norm with gains of both signs."""
        rng = self.rng
        gain, bias, mean = (rng.normal(size=channels).astype(np.float32) for _ in range(3))
        variance = rng.uniform(0.5, 3, channels).astype(np.float32)
        self.then("BatchNormalization", gain, bias, mean, variance, epsilon=1e-5)

        def step(x):
            across = (1, -1, *[1] * (x.ndim - 2))
            values = (x - mean.reshape(across)) / np.sqrt(variance + np.float32(1e-5)).reshape(across)
            return values * gain.reshape(across) + bias.reshape(across)

        return self.does(step)

    def convolved(self, channels: int, kernels: int, size: int, stride: int = 1) -> "Graph":
        name, weights = self.weights((kernels, channels, size, size), 0.5)
        self.then("Conv", name, kernel_shape=[size, size], strides=[stride, stride])

        def step(x):
            windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride]
            return np.einsum("ncyxab,kcab->nkyx", windows, weights).astype(np.float32)

        return self.does(step)

    def pooled(self, size: int) -> "Graph":
        self.then("MaxPool", kernel_shape=[size, size], strides=[size, size])

        def step(x):
            rows, columns = (each // size * size for each in x.shape[2:])
            x = x[:, :, :rows, :columns].reshape(*x.shape[:2], rows // size, size, columns // size, size)
            return x.max((3, 5))

        return self.does(step)

    def flat(self) -> "Graph":
        self.then("Flatten", axis=1)
        return self.does(lambda x: x.reshape(len(x), -1))

    def saved(self, folder: Path, opset: int = 13) -> Path:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape) for name in ("x", self.last))
        graph = helper.make_graph(self.nodes, "small", [x], [y], self.constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(QUANT, 1)]
        path = folder / "small.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
        return path

    def ref_scores(self, x: np.ndarray) -> np.ndarray:
        for step in self.steps:
            x = step(x)
        return x


def check(graph: Graph, folder: Path, samples: np.ndarray) -> Any:
    """The network has the classes of the file's own scores, and gives those scores themselves."""
    made = imported(graph.saved(folder), WORDS)
    scores = graph.ref_scores((samples * WORDS.scale).astype(np.float32))
    classes = made.network.evaluate(samples)
    best = scores.max(1, keepdims=True)
    assert (np.take_along_axis(scores, classes[:, None], 1) >= best - 1e-4).all()
    assert len(set(classes.tolist())) > 1
    return made


def samples(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 16, (count, *shape))


@pytest.mark.parametrize("seed", range(1, 5))
def test_dense(tmp_path, seed):
    """Batch norms of both signs; scales that are no power of two."""
    graph = Graph([12], seed).affine(2, 1).sign(0.7).dense(12, 20, 0.3).normalised(20).sign(1.3).dense(20, 5)
    made = check(graph.affine(0.25, 3), tmp_path, samples(500, 12))
    assert [type(each) for each in made.network.layers] == [Thermometer, BinaryDense, BinaryDense, Argmax]
    assert made.network.layers[0].thresholds.tolist() == [8]
    assert any("20 neurons of 12 synapses" in part for part in made.parts)


@pytest.mark.parametrize("seed", range(3))
def test_convolutions(tmp_path, seed):
    graph = Graph([1, 9, 9], seed).affine(2, 1).sign().convolved(1, 6, 2).normalised(6).sign().pooled(2)
    graph = graph.convolved(6, 8, 2, 2).normalised(8).sign().flat().dense(32, 4)
    made = check(graph, tmp_path, samples(300, 1, 9, 9))
    kinds = [type(each) for each in made.network.layers]
    assert kinds == [Thermometer, BinaryConv2d, MaxPool2d, BinaryConv2d, Flatten, BinaryDense, Argmax]


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("signed", [False, True])
def test_words(tmp_path, seed, signed):
    """Weights and activations of several bits, a scale a neuron, batch norms of both signs: as few thresholds apart as
    the file has them, for every sum that there is.
    """
    graph = Graph([12], seed).words(12, 20).normalised(20)
    graph = (graph if signed else graph.relu()).quant(0.4, 3, int(signed))
    graph = graph.words(20, 9, 4).normalised(9).relu().quant(1 / 3, 3, 0).words(9, 5, 3, each=False)
    made = check(graph, tmp_path, samples(800, 12))
    assert [type(each) for each in made.network.layers] == [IntDense, IntDense, IntDense, Argmax]
    assert made.network.activations[1].interval == (Interval(-4, 3) if signed else Interval(0, 7))
    assert sum("with 7 thresholds" in part for part in made.parts) == 2


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("image", [False, True])
def test_three_levels(tmp_path, seed, image):
    """-1, 0 and 1, of the input, too: two bits of it that count."""
    graph = Graph([2, 2, 3] if image else [12], seed).affine(2, 1).quant(1, 2, narrow=1)
    graph = (graph.flat() if image else graph).words(12, 16, 2).normalised(16).quant(1, 2, narrow=1)
    made = check(graph.words(16, 4, 2, each=False), tmp_path, samples(400, *([2, 2, 3] if image else [12])))
    flat = [Flatten] if image else []
    assert [type(each) for each in made.network.layers] == [Thermometer, *flat, IntDense, IntDense, Argmax]
    assert made.network.activations[-3].interval == Interval(-1, 1)


def test_three_levels_of_convolutions(tmp_path):
    graph = Graph([2, 5, 5], 3).affine(2, 1).quant(1, 2, narrow=1).convolved(2, 6, 2).normalised(6)
    graph = graph.quant(1, 2, narrow=1).flat().words(96, 4, 2, each=False)
    check(graph, tmp_path, samples(300, 2, 5, 5))


def test_words_of_images(tmp_path):
    graph = Graph([1, 9, 9], 3).convolved(1, 6, 2).normalised(6).relu().quant(0.21, 4, 0).pooled(2)
    made = check(graph.flat().words(96, 4, 3, each=False), tmp_path, samples(300, 1, 9, 9))
    assert [type(each) for each in made.network.layers] == [IntConv2d, MaxPool2d, Flatten, IntDense, Argmax]


@pytest.mark.parametrize("seed", range(3))
def test_bits_of_words(tmp_path, seed):
    """A first layer of integers, and bits from there on."""
    graph = Graph([12], seed).words(12, 20).normalised(20).sign(0.7).dense(20, 9).normalised(9).sign().dense(9, 4)
    made = check(graph, tmp_path, samples(400, 12))
    assert [type(each) for each in made.network.layers] == [IntDense, BinaryDense, BinaryDense, Argmax]


def test_words_as_they_are_given(tmp_path):
    """A quantizer of the input that changes none of the integers, and one that would."""
    graph = Graph([8], 2).quant(1 / 15, 8).words(8, 4, each=False)
    assert "integers, as they are given" in check(graph, tmp_path, samples(200, 8)).parts[0]
    check(Graph([8], 2).quant(1 / 15, 3).words(8, 4, each=False), tmp_path, samples(200, 8))  # 0, 1, 2, and 3 beyond
    with pytest.raises(ImportRefused, match=r"must give levels that follow each other, .*: are range and scale"):
        imported(Graph([8], 2).quant(1 / 45, 8).words(8, 4, each=False).saved(tmp_path), WORDS)


@pytest.mark.parametrize("seed", range(1, 4))
def test_ties(tmp_path, seed):
    """Scales that are powers of two: sums between two levels are rounded to the even one."""
    graph = Graph([12], seed)
    scale = np.float32(2**-3)
    latent = graph.rng.normal(size=(12, 9)).astype(np.float32)
    name = graph.node("Quant", latent, scale, np.float32(0), np.float32(5), first=False, signed=1, domain=QUANT)
    weights = np.rint(np.clip(latent / scale, -16, 15)) * scale
    graph.then("MatMul", name).does(lambda x: x @ weights).relu().quant(2**-3, 4, 0).words(9, 4, each=False)
    path, given = graph.saved(tmp_path), Given(Interval(0, 15), 1 / 16)
    network, x = imported(path, given).network, samples(600, 12)
    assert isinstance(network.layers[0].activation, Even)
    sums = x / 16 @ weights
    assert (sums * 8 % 1 == 0.5).mean() > 0.01  # ties there are
    first = replace(network, layers=network.layers[:1]).evaluate(x)
    assert np.array_equal(first, np.rint(np.clip(sums * 8, 0, 15)))
    scores = graph.ref_scores((x / 16).astype(np.float32))
    assert (np.take_along_axis(scores, network.evaluate(x)[:, None], 1) >= scores.max(1, keepdims=True) - 1e-4).all()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-300, 0),
    st.integers(1, 300),
    st.integers(1, 9),
    st.integers(-300, 300),
    st.sampled_from([(0, 7), (-4, 3), (0, 1), (0, 63)]),
)
def test_every_even_rounding_is_found(low, high, shift, bias, word):
    one = np.array([1])
    sums = WordSums(np.array([[1]]), one * 1.0, np.float32([0]), one * low, one * high, lambda *_: None, 1)  # pyright: ignore

    def level(x):
        return np.clip(np.rint((x.astype(np.float64) + bias) / 2**shift), *word)

    turned, starts = thresholds(sums, level, *word, "here")
    added, made = requantized(turned, starts, *word, "here")
    every = np.arange(low, high + 1)[:, None, None]
    held = (every + added[:, None]) * made.multiplier[:, None].astype(np.int64) + made.added[:, None]
    assert np.array_equal(made.levels(held).ravel(), level(every.ravel()))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-300, 0),
    st.integers(1, 300),
    st.integers(-3000, 3000).filter(bool).map(lambda slope: slope / 1024),  # exact, as a file's numbers may not be
    st.integers(-20000, 20000).map(lambda offset: offset / 1024),
    st.sampled_from([(0, 7), (-4, 3), (0, 1), (0, 63)]),
)
def test_every_straight_line_is_found(low, high, slope, offset, word):
    """Thresholds of any line, for every sum: by integers alone, those that are never or always reached among them."""
    one = np.array([1])
    sums = WordSums(np.array([[1]]), one * 1.0, np.float32([0]), one * low, one * high, lambda *_: None, 1)  # pyright: ignore

    def level(x):
        return np.clip(np.floor(x.astype(np.float64) * slope + offset), *word)

    turned, starts = thresholds(sums, level, *word, "here")
    bias, made = requantized(turned, starts, *word, "here")
    assert not bias.any() and isinstance(made, Affine)
    sign = turned.weights[0, 0]
    every = np.arange(low, high + 1)
    held = sign * every * int(made.multiplier[0]) + int(made.added[0])
    assert np.array_equal(np.clip(held >> int(made.shift[0]), *word), level(every))


def test_classes_of_multiples(tmp_path):
    """Weights of one class that are all multiples of 3 count three times."""
    graph = Graph([6])
    weights = np.array([[3, -3, 0, 3, 0, 3], [1, 2, -3, 0, 1, 1], [2, 0, 2, -2, 0, 0]], np.float32) * np.float32(0.3)
    graph.then("MatMul", weights.T.copy()).does(lambda x: x @ weights.T)
    made = check(graph, tmp_path, samples(300, 6))
    assert np.array_equal(made.network.layers[0].weights, np.rint(weights / 0.3))


def divided() -> Graph:
    """1 by sums: neither grows with them nor falls."""
    graph = Graph([12], 1).words(12, 20)
    graph.last = graph.node("Div", np.float32(1), graph.last, first=False)
    return graph.quant(0.05, 4).words(20, 5, each=False)


def scores(weights: np.ndarray, *more: np.ndarray) -> Graph:
    graph = Graph([weights.shape[1]]).then("MatMul", weights.T.astype(np.float32))
    return graph.then("Add", more[0].astype(np.float32)) if more else graph


CLIPPED = np.full((2, 100), 127.0)
CLIPPED[0, :3], CLIPPED[1, :3] = [126, -1, 127], [126, 0, 127]
LARGE = np.random.default_rng(1).integers(60, 128, 60) * np.array([[1.0], [1.00009]])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (divided(), r"^Div \w+ must not divide by what depends on the input$"),
        (scores(np.array([[1, 5e-5], [1, 5e-5]])), r"weights of neuron 0 must be multiples of one number"),
        (scores(CLIPPED).then("Relu"), r"scores must be sums, not bounded or quantized once more$"),
        (scores(LARGE), r"all classes' scores must grow by the same with their sums"),
        (scores(np.ones((2, 60)) * 100, np.array([0, 5.0])), r"class 1 is ahead by 0\.7500 steps of a sum"),
        (Graph([12]).words(12, 4).quant(0.01, 32), r"must have 2 to 256 levels, not 429496729"),
        (Graph([12]).words(12, 4).quant(1, 1, narrow=1), r"must have 2 to 256 levels, not 1$"),
        (Graph([4]).then("MatMul"), r"^MatMul MatMul_0 cannot be read: "),
        (Graph([1, 4, 4]).then("Conv"), r"^Conv Conv_0 cannot be read: "),
        (Graph([4]).then("BipolarQuant", domain=QUANT), r"^BipolarQuant BipolarQuant_0 cannot be read: "),
        (Graph([4]).words(4, 3).then("Quant", np.float32(1), domain=QUANT), r"^Quant \w+ cannot be read: "),
        (
            Graph([1, 4, 4]).then("Conv", np.ones((2, 1, 2, 2), np.float32), strides=[0, 0]),
            r"^Conv Conv_0 cannot be read: ",
        ),
        (Graph([2]).then("MatMul", np.array([["a"], ["b"]], object)), r"^MatMul MatMul_0"),
        (Graph([4]).words(4, 3).quant(1, 3).sign(), r"^BipolarQuant \w+ quantizes integers once more$"),
    ],
)
def test_what_would_be_other_words(tmp_path, graph, message):
    """Refused, not misread."""
    with pytest.raises(ImportRefused, match=message):
        imported(graph.saved(tmp_path), WORDS)


def test_quantized_twice(tmp_path):
    """Integers that are counted by bits stay so."""
    graph = Graph([12], 1).affine(1, 1).quant(1, 2, narrow=1).quant(1, 2, narrow=1)
    check(graph.words(12, 5, 3, each=False), tmp_path, samples(500, 12))


def test_signed_after_relu(tmp_path):
    """What no sum reaches is no level."""
    graph = Graph([12], 1).words(12, 20).relu().quant(0.4, 3, 1).words(20, 5, 3, each=False)
    made = check(graph, tmp_path, samples(500, 12))
    assert made.network.activations[1].interval == Interval(0, 3)


def test_many_scores(tmp_path):
    """More than are written down."""
    made = imported(scores(np.ones((2, 400)) * [[127], [126]]).saved(tmp_path), Given(Interval(0, 65535), 1))
    assert made.scores.size == 0 and made.network.evaluate(np.ones((1, 400), int)).tolist() == [0]


def test_no_straight_line():
    """Steps that grow."""
    one = np.array([1])
    sums = WordSums(np.array([[1]]), one * 1.0, np.float32([0]), one * 0, one * 99, lambda *_: None, 1)  # pyright: ignore
    with pytest.raises(
        ImportRefused, match=r"^here, neuron 0: no straight line passes its 7 thresholds, \[1, 4, 9, 16\]"
    ):
        requantized(sums, np.array([[1, 4, 9, 16, 25, 36, 49]]), 0, 7, "here")


def test_classes_that_follow_scores(tmp_path):
    """Softmax, and the greatest of them."""
    graph = Graph([10]).affine(2, 1).sign().dense(10, 4)
    plain = check(graph, tmp_path, samples(200, 10)).network.digest()
    assert imported(graph.then("Softmax", axis=1).saved(tmp_path), WORDS).network.digest() == plain
    assert imported(graph.then("ArgMax", axis=1).saved(tmp_path), WORDS).network.digest() == plain


def test_biases_of_classes(tmp_path):
    """Whole synapses that a class is ahead, by the bias of a Gemm."""
    graph = Graph([12]).affine(2, 1).sign()
    name, weights = graph.weights((3, 12), 1.0)
    bias = np.array([2, -4, 0], np.float32)
    graph.then("Gemm", name, bias, transB=1).does(lambda x: x @ weights.T + bias)
    check(graph, tmp_path, samples(300, 12))


def test_scores_of_the_file(tmp_path):
    graph = Graph([14]).affine(2, 1).sign().dense(14, 3, 0.25).affine(1.5, 0.125)
    made, x = imported(graph.saved(tmp_path), WORDS), samples(100, 14)
    counts = replace(made.network, layers=made.network.layers[:-1]).evaluate(x)
    expected = graph.ref_scores((x * WORDS.scale).astype(np.float32))
    np.testing.assert_allclose(made.scores[counts], expected, rtol=1e-5)


def small() -> Graph:
    return Graph([1, 8, 8]).affine(2, 1).sign()


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (small().then("Tanh"), r"^Tanh Tanh_3 of shape \[1, 8, 8\] is not supported; a sign instead"),
        (small().then("Relu").flat().dense(64, 2), r"must read -s and s, not 0\.0 and 1\.0$"),
        (small().then("Resize", np.ones(4, np.float32)), r"^Resize Resize_3 of shape .* is not supported$"),
        (small().then("Conv", np.ones((2, 1, 3, 3), np.float32), pads=[1] * 4), r"^Conv Conv_3 pads with zeros"),
        (
            small().flat().then("MatMul", np.arange(128.0, dtype=np.float32).reshape(64, 2)),
            r"weights must be -s, 0 and s",
        ),
        (small().flat().then("MatMul", np.ones((63, 2), np.float32)), r"^MatMul MatMul_4: weights of 63 inputs on 64$"),
        (Graph([4]).affine(1, 5).dense(4, 2), r"^MatMul \w+ must read integers times one number, and have weights$"),
        (
            Graph([4]).then("MatMul", np.array([[0.5, 1], [0.501, 2]] * 2, np.float32)),
            r"weights of neuron 0 must be mult",
        ),
        (Graph([4]).dense(4, 3).then("Quant", *map(np.float32, (1, 3, 4)), domain=QUANT), r"a zero point of 0, not 3$"),
        (Graph([4]).dense(4, 3).relu().flat(), r"^Flatten \w+ reshapes sums that are to be quantized first$"),
        (Graph([4]).dense(4, 3).relu(), r"^output '\w+': scores must be sums, not bounded or quantized once more$"),
        (Graph([4]).dense(4, 3).then("Mul", np.array([1, 2, 1], np.float32)), r"must grow by the same with their sums"),
        (
            Graph([4]).dense(4, 3).then("Add", np.array([0, 0.02, 0], np.float32)),
            r"class 1 is ahead by 0\.3000 steps of",
        ),
        (Graph([4]).affine(1, 5).sign().dense(4, 3), r"always the same: are range and scale right\?$"),
        (small().then("MaxPool", kernel_shape=[2, 2], strides=[1, 1]), r"must pool what is quantized, in squares"),
        (small(), r"^output 't2' must be scores of classes"),
        (small().then("Add", "nowhere"), r"^Add Add_3 reads nowhere, which nothing gives$"),
        (small().then("Add", "x"), r"^Add Add_3 joins two branches"),
        (small().then("Add", np.ones((1, 1, 8, 8), np.float32)), r"one constant a channel, not one a position$"),
        (small().then("Mul", np.float32(np.inf)), r"^Mul Mul_3 gives what is no finite number$"),
        (small().then("Reshape", np.array([64, 1], np.int64)), r"^Reshape Reshape_3 mixes samples"),
        (small().then("Quant", *map(np.float32, (1, 0, 2)), domain=QUANT), r"must quantize sums, or give the integers"),
    ],
)
def test_refused(tmp_path, graph, message):
    with pytest.raises(ImportRefused, match=message):
        imported(graph.saved(tmp_path), WORDS)


def branched() -> Graph:
    """Two layers on the same bits, the first of which nobody reads."""
    graph = small().flat()
    kept = graph.last
    graph.dense(64, 8).sign()
    graph.last = kept
    return graph.dense(64, 3)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (branched(), r"^MatMul \w+ is a second branch; networks here have one$"),
        (
            small().flat().dense(64, 3).then("Softmax", axis=1).affine(2, 1),
            r"^Mul \w+ reads classes, which must be the",
        ),
        (small().flat().dense(64, 3).then("Softmax", axis=0), r"^Softmax \w+ must be over the classes, axis 1$"),
        (small().flat().dense(64, 3).then("ArgMax"), r"^ArgMax \w+ must be over the classes, axis 1$"),
        (
            small().flat().dense(64, 3).then("ArgMax", axis=1, select_last_index=1),
            r"^ArgMax \w+ must take the greatest, and the first of equal ones$",
        ),
        (
            small().flat().dense(64, 3).then("TopK", np.array([1], np.int64), largest=0),
            r"^TopK \w+ must take the greatest",
        ),
        (
            small().then("Mul", np.array([[1], [2]], np.float32).reshape(2, 1, 1, 1)),
            r"must have constants for one sample",
        ),
        (small().affine(-1, 0).pooled(2), r"must pool what is quantized, in squares side by side"),
        (
            small().then("Mul", np.ones((1 << 14, 1), np.float32).reshape(1, -1, 1, 1)),
            r"^Mul Mul_3 must have one constant a channel",
        ),
    ],
)
def test_what_would_be_another_network(tmp_path, graph, message):
    """Refused, not misread."""
    with pytest.raises(ImportRefused, match=message):
        imported(graph.saved(tmp_path), WORDS)


def test_signs_that_are_turned(tmp_path):
    """Bits whose numbers are -s for 1 and s for 0."""
    graph = Graph([12], 2).affine(2, 1).sign(0.5).affine(-1, 0).dense(12, 9).normalised(9).sign().affine(-3, 0)
    check(graph.dense(9, 3), tmp_path, samples(300, 12))


def test_constants_of_any_size(tmp_path):
    """Nothing that would be computed is larger than a bound."""
    graph = small()
    wide, tall = graph.constant(np.ones((1, 1 << 14), np.float32)), graph.constant(np.ones((1 << 14, 1), np.float32))
    graph.node("Add", wide, tall, first=False)
    with pytest.raises(
        ImportRefused, match=r"^Add Add_3 has the shape \[16384, 16384\]; at most 67108864 elements are"
    ):
        imported(graph.saved(tmp_path), WORDS)
    graph = small()
    graph.node("Expand", np.float32(1), np.array([1 << 20, 1 << 20], np.int64), first=False)
    with pytest.raises(ImportRefused, match=r"^Expand Expand_3 is not supported; fold constants first"):
        imported(graph.saved(tmp_path), WORDS)


def test_classes_of_different_scales(tmp_path):
    """Scores that no integers compare as."""
    graph = Graph([12]).affine(2, 1).sign().dense(12, 3)
    ahead = graph.then("Add", np.array([0, 0.5, 0], np.float32))
    with pytest.raises(ImportRefused, match=r"^output '\w+': class 1 is ahead by 0\.2500 synapses; integers would be"):
        imported(ahead.saved(tmp_path), WORDS)
    steeper = graph.then("Mul", np.array([1, 2, 1], np.float32))
    with pytest.raises(ImportRefused, match=r"must grow by the same for a synapse that agrees, not by 2 to 4$"):
        imported(steeper.saved(tmp_path), WORDS)


def test_inputs(tmp_path):
    for shape, seen in (([], [1]), ([0, 3], [1, 0, 3])):
        graph = Graph(shape).affine(2, 1)
        with pytest.raises(ImportRefused, match="must have one sample and a fixed shape") as error:
            imported(graph.saved(tmp_path), WORDS)
        assert str(error.value).endswith(f"not {seen}")
    with pytest.raises(ImportRefused, match=r"^scale must be above 0 and finite, not 0$"):
        Given(Interval(0, 1), 0)


def test_files(tmp_path):
    """Damaged ones, and constants in other files."""
    with pytest.raises(ImportRefused, match=r"nowhere\.onnx cannot be read: No such file"):
        imported(tmp_path / "nowhere.onnx", WORDS)
    for data in (b"", b"text", b"\xff" * 100):
        (tmp_path / "bad.onnx").write_bytes(data)
        with pytest.raises(ImportRefused, match=r"bad\.onnx is no ONNX file"):
            imported(tmp_path / "bad.onnx", WORDS)
    path = small().flat().dense(64, 2).saved(tmp_path)
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ImportRefused, match=r"lies in another file; save the model as one file$"):
        imported(path, WORDS)


BYTES = Graph([6]).affine(2, 1).sign().dense(6, 3).normalised(3).sign().dense(3, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4), st.booleans()
)
def test_any_bytes(tmp_path_factory, changes, cut):
    """A file with changed bytes is a network, or refused in one line."""
    path = BYTES.saved(tmp_path_factory.mktemp("any"))
    data = bytearray(path.read_bytes())
    for place, byte in changes:
        data[int(place * len(data))] = byte
    path.write_bytes(bytes(data[: int(changes[0][0] * len(data))] if cut else data))
    try:
        imported(path, WORDS)
    except ImportRefused as error:
        assert "\n" not in str(error)


def test_importers():
    assert importers()[".onnx"].read is imported


MODELS = Path(os.environ.get("LOGICNN_MODELS", "../shared/models"))


def test_network_that_brevitas_wrote():
    """TFC_1W1A of the QONNX model zoo: its own runtime's answers on 400 digits, scores too."""
    if not (MODELS / "TFC_1W1A.onnx").exists():
        pytest.skip("TFC_1W1A.onnx is not on this machine")
    vectors = np.load(MODELS / "TFC_1W1A.vectors.npz")
    made = imported(MODELS / "TFC_1W1A.onnx", Given(Interval(0, 255), 1 / 255))
    x = vectors["inputs"].reshape(-1, 1, 28, 28)
    assert np.array_equal(made.network.evaluate(x), vectors["outputs"].argmax(1))
    counts = replace(made.network, layers=made.network.layers[:-1]).evaluate(x)
    np.testing.assert_allclose(made.scores[counts], vectors["outputs"], rtol=1e-6)


def test_keywords():
    """KWS W3A3 of MLPerf Tiny (hls4ml-finn): the classes of its own runtime on 1,000 clips, but where two tie; and the
    cycles of the icebreaker's engine beside those of its weights' memory, 20 of three bits a cycle.
    """
    if not (MODELS / "kws_w3a3.onnx").exists():
        pytest.skip("kws_w3a3.onnx is not on this machine")
    vectors = np.load(MODELS / "kws_w3a3.vectors.npz")
    network = imported(MODELS / "kws_w3a3.onnx", Given(Interval(-127, 127), 0.33674246072769165)).network
    classes, outputs = network.evaluate(vectors["inputs"].reshape(-1, *network.input.shape)), vectors["outputs"]
    assert np.array_equal(outputs[np.arange(len(classes)), classes], outputs.max(1))
    assert np.mean(classes == vectors["labels"]) == 0.825
    engine = Reused.of(network, 0, len(network.layers), DEVICES["iCE40UP5K"])
    assert 12_980 <= engine.latency.most <= 1.05 * 12_980


def test_jets():
    """The jet classifier of the QONNX model zoo, as QKeras wrote it: classes of its own runtime on 256 inputs."""
    if not (MODELS / "qkeras_jettagging.onnx").exists():
        pytest.skip("qkeras_jettagging.onnx is not on this machine")
    vectors = np.load(MODELS / "qkeras_jettagging.vectors.npz")
    network = imported(MODELS / "qkeras_jettagging.onnx", Given(Interval(-8192, 8191), 1 / 1024)).network
    classes, outputs = network.evaluate((vectors["inputs"] * 1024).astype(np.int64)), vectors["outputs"]
    assert np.array_equal(outputs[np.arange(len(classes)), classes], outputs.max(1))


def test_three_levels_of_brevitas():
    """TFC_1W2A: the classes of its own runtime on 400 digits."""
    if not (MODELS / "TFC_1W2A.onnx").exists():
        pytest.skip("TFC_1W2A.onnx is not on this machine")
    vectors = np.load(MODELS / "TFC_1W2A.vectors.npz")
    network = imported(MODELS / "TFC_1W2A.onnx", Given(Interval(0, 255), 1 / 255)).network
    classes, outputs = network.evaluate(vectors["inputs"].reshape(-1, 1, 28, 28)), vectors["outputs"]
    assert np.array_equal(outputs[np.arange(len(classes)), classes], outputs.max(1))
