"""QONNX models that are written node by node, what they make of samples, and the models of other people."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from logicnn.importers import Given
from logicnn.importers.qonnx import imported
from logicnn.network import (
    Interval,
)

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

    def convolved(self, channels: int, kernels: int, size: int, stride: int = 1, padding: int = 0) -> "Graph":
        name, weights = self.weights((kernels, channels, size, size), 0.5)
        self.then("Conv", name, kernel_shape=[size, size], strides=[stride, stride], pads=[padding] * 4)

        def step(x):
            x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
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


MODELS = Path(os.environ.get("LOGICNN_MODELS", "../shared/models"))
