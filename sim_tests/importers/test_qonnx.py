"""QONNX files of binarized networks: each class as the file's own arithmetic gives it, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import TensorProto

from logicnn.importers import Given, ImportRefused, importers
from logicnn.importers.qonnx import imported
from logicnn.network import (
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Interval,
    MaxPool2d,
    Thermometer,
)
from sim_tests.qonnx_helpers import MODELS, QUANT, WORDS, Graph, check, samples


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
        (small().convolved(1, 2, 7).flat(), r"^output '\w+' must be a score of each of 2 neurons, not of 8$"),
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
