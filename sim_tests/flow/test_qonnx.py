"""Binarized networks as QONNX files: what ONNX's own runtime and QONNX's quantizers make of them, and back again."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from logicnn import load
from logicnn.commands import cli
from logicnn.flow.qonnx import ExportRefused, exported
from logicnn.importers import Given
from logicnn.importers.qonnx import imported
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Interval,
    MaxPool2d,
    Network,
    Offset,
    Thermometer,
    Threshold,
    files,
    simplify,
)

BYTES = Interval(0, 255)


def convolutions(density: float, seed: int = 3) -> Network:
    rng = np.random.default_rng(seed)

    def signs(*shape: int) -> np.ndarray:
        return rng.choice([-1, 1], shape) * (rng.random(shape) < density)

    layers = [
        Thermometer(np.array([100])),
        BinaryConv2d(first := signs(5, 2, 3, 3), Threshold(np.count_nonzero(first.reshape(5, -1), 1) // 2 + 1)),
        MaxPool2d(2),
        BinaryConv2d(second := signs(6, 5, 2, 2), Threshold(np.count_nonzero(second.reshape(6, -1), 1) // 2), 2),
        Flatten(),
        BinaryDense(signs(4, 24), Offset(np.array([0, 2, 1, 3]))),
        Argmax(),
    ]
    return simplify(Network(Activations((2, 10, 10), BYTES), layers, "small"))


@pytest.mark.parametrize("density", (1.0, 0.7))
def test_round_trip(density, tmp_path):
    network = convolutions(density)
    (tmp_path / "small.onnx").write_bytes(exported(network))
    found = imported(tmp_path / "small.onnx", Given(BYTES, 1.0))
    x = np.random.default_rng(1).integers(0, 256, (400, 2, 10, 10))
    assert np.array_equal(found.network.evaluate(x), network.evaluate(x)) and len(set(network.evaluate(x).tolist())) > 1
    if density == 1.0:  # what is pruned away altogether has no channel left to be read
        assert found.network.digest() == network.digest()


def test_trained_module(tmp_path):
    """A module of our own, trained for a moment, by way of a file."""
    torch = pytest.importorskip("torch")
    from logicnn.data.dataset import Split
    from logicnn.nn.binary import BinaryNet, DenseNeurons, DenseScores, Recipe, export, fit

    torch.manual_seed(1)
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 256, (400, 1, 4, 4)), rng.integers(0, 3, 400)
    net = BinaryNet(Activations((1, 4, 4), BYTES), [128], [DenseNeurons(16, 12), DenseScores(12, 3)])
    fit(net, Split(x, y), Recipe(1, 0.01, 1), "round trip")
    network = export(net, "own", "", ("a", "b", "c"))
    files.save(network, tmp_path / "own.lnn")
    assert cli.main(["export", str(tmp_path / "own.lnn"), "--qonnx", str(tmp_path / "own.onnx")]) == 0
    assert imported(tmp_path / "own.onnx", Given(BYTES, 1.0)).network.digest() == network.digest()


def test_shipped(tmp_path):
    network = load("mnist-bnn")
    (tmp_path / "mnist.onnx").write_bytes(exported(network))
    assert imported(tmp_path / "mnist.onnx", Given(BYTES, 1.0)).network.digest() == network.digest()


def test_bits():
    """Of a network that reads bits, 1 stands for 1 and 0 for -1."""
    network = convolutions(1.0)
    bits = Network(network.activations[1], network.layers[1:], "bits")
    graph = onnx.ModelProto.FromString(exported(bits)).graph
    assert [each.op_type for each in graph.node[:2]] == ["Sub", "BipolarQuant"]


def test_refused():
    network = convolutions(1.0)
    first = network.layers[1]
    padded = BinaryConv2d(first.weights, first.activation, 1, 1)
    scores = BinaryDense(np.ones((2, 500), np.int8), Offset(np.zeros(2)))
    with pytest.raises(ExportRefused, match=r"^layer 1 pads with bits that stand for -1, where ONNX pads with 0$"):
        exported(Network(network.input, [network.layers[0], padded, Flatten(), scores, Argmax()]))
    with pytest.raises(ExportRefused, match=r"^the network must end in an Argmax, not a Flatten$"):
        exported(Network(network.input, network.layers[:5]))
    each = Network(network.input, [Thermometer([[100], [90]]), *network.layers[1:]])
    for other in (load("mnist-bcnn"), each):
        with pytest.raises(ExportRefused, match=r"^layer 0 is a Thermometer that QONNX files here do not have: "):
            exported(other)
