"""Binarized networks as QONNX files, as Brevitas writes them and `logicnn.importers.qonnx` reads them: for FINN, hls4ml
and others.

A neuron's sum over inputs of -1 and 1 is twice the synapses that agree, less all; its threshold is taken from that, and
a sign follows. Integers are exact in the 32 bits of the file.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import (
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    MaxPool2d,
    Network,
    Thermometer,
    Threshold,
)

__all__ = ["ExportRefused", "exported"]

DOMAIN = "qonnx.custom_op.general"
OPSET, IR_VERSION = 13, 8


class ExportRefused(LogicnnError):
    """A network that QONNX does not say, or not as others read it."""


def exported(network: Network) -> bytes:
    """The file's content: it reads the network's own integers as floats, one sample, and gives a score a class.

    Raises `ExportRefused` for layers that are not binarized, thermometers of several bits, and padding, which is with
    bits of -1 here and with 0 there.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise ExportRefused("onnx is not installed; pip install logicnn[import]") from None
    if not isinstance(network.layers[-1], Argmax):
        raise ExportRefused(f"the network must end in an Argmax, not a {type(network.layers[-1]).__name__}")
    graph = _Graph(helper)
    if network.input.is_bits:
        graph.sign_from(np.array(0.5))
    for index, layer in enumerate(network.layers):
        _layer(graph, network, index, layer)
    scores = network.activations[-2].size
    shapes = ("x", [1, *network.input.shape]), (graph.at, [1, scores])
    given, gives = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    made = helper.make_graph(graph.nodes, network.name or "network", [given], [gives], graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="logicnn")
    onnx.checker.check_model(model)
    return model.SerializeToString()


@dataclass
class _Graph:
    """Nodes one after the other; `at` is what the last one gives."""

    helper: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    at: str = "x"

    def constant(self, value: np.ndarray | float) -> str:
        array, name = np.asarray(value, np.float32), f"constant{len(self.constants)}"
        self.constants.append(self.helper.make_tensor(name, 1, array.shape, array.ravel().tolist()))
        return name

    def node(self, kind: str, inputs: list[str], **options: Any) -> str:
        domain = {"domain": DOMAIN} if kind in ("BipolarQuant", "Quant") else {}
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, inputs, [f"{name}_out"], name, **domain, **options))
        return f"{name}_out"

    def then(self, kind: str, *more: str, **options: Any) -> None:
        self.at = self.node(kind, [self.at, *more], **options)

    def sign_from(self, first: np.ndarray) -> None:
        """1 where a number is at least `first`, else -1."""
        self.then("Sub", self.constant(first))
        self.then("BipolarQuant", self.constant(1.0))

    def weights(self, values: np.ndarray) -> str:
        """Of -1 and 1, and 0 where some are pruned."""
        if values.all():
            return self.node("BipolarQuant", [self.constant(values), self.constant(1.0)])
        scale, zero, bits = (self.constant(each) for each in (1.0, 0.0, 2.0))
        options = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
        return self.node("Quant", [self.constant(values), scale, zero, bits], **options)


def _layer(graph: _Graph, network: Network, index: int, layer: Any) -> None:
    match layer:
        case Thermometer() if layer.thresholds.shape == (1,):
            graph.sign_from(layer.thresholds[0] - 0.5)
        case BinaryDense() | BinaryConv2d():
            _summed(graph, index, layer)
        case MaxPool2d():
            graph.then("MaxPool", kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
        case Flatten():
            graph.then("Flatten", axis=1)
        case Argmax() if index == len(network.layers) - 1:
            pass
        case _:
            raise ExportRefused(
                f"layer {index} is a {type(layer).__name__} that QONNX files here do not have: they are of one bit a "
                f"pixel, binarized layers and a class"
            )


def _summed(graph: _Graph, index: int, layer: BinaryDense | BinaryConv2d) -> None:
    flat = layer.weights.reshape(len(layer.weights), -1)
    across = (1, -1) if isinstance(layer, BinaryDense) else (1, -1, 1, 1)
    if isinstance(layer, BinaryDense):
        graph.then("MatMul", graph.node("Transpose", [graph.weights(layer.weights)], perm=[1, 0]))
    else:
        if layer.padding:
            raise ExportRefused(f"layer {index} pads with bits that stand for -1, where ONNX pads with 0")
        size = list(layer.weights.shape[2:])
        graph.then("Conv", graph.weights(layer.weights), kernel_shape=size, strides=[layer.stride] * 2)
    fan_in = np.count_nonzero(flat, axis=1)
    if isinstance(layer.activation, Threshold):
        graph.sign_from((2 * layer.activation.minimum - fan_in).reshape(across))
    else:
        graph.then("Mul", graph.constant(0.5))
        graph.then("Add", graph.constant((layer.activation.value + fan_in / 2).reshape(across)))
