"""QONNX files of integers: every level from the sum on from which the file gives it, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")


from logicnn.engines.reused import Reused
from logicnn.importers import Given, ImportRefused
from logicnn.importers.qonnx import imported
from logicnn.importers.words import WordSums, requantized, thresholds
from logicnn.network import (
    Affine,
    Argmax,
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
from sim_tests.qonnx_helpers import MODELS, QUANT, WORDS, Graph, check, samples


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


def test_words_with_padding(tmp_path):
    """Zeros are integers, and stand for 0; thermometer bits do not."""
    graph = Graph([1, 6, 6], 3).convolved(1, 6, 3, padding=1).normalised(6).relu().quant(0.21, 4, 0)
    graph.convolved(6, 4, 3, 2, padding=1).relu().quant(0.3, 4, 0).flat().words(36, 5, 3, each=False)
    made = check(graph, tmp_path, samples(300, 1, 6, 6))
    assert [each.padding for each in made.network.layers if isinstance(each, IntConv2d)] == [1, 1]
    wrong = Graph([1, 6, 6], 3)
    wrong.then("Conv", wrong.weights((2, 1, 3, 3), 0.5)[0], kernel_shape=[3, 3], pads=[1, 1, 0, 0])
    with pytest.raises(ImportRefused, match=r"must pad all sides by the same, and say by how much, not \[1, 1, 0, 0\]"):
        imported(wrong.saved(tmp_path), WORDS)


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
