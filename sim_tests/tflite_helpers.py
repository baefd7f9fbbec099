"""Small TFLite models of eight-bit integers, made layer by layer, and what LiteRT answers."""

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

OPS = schema.BuiltinOperator
INT8, UINT8, INT32, INT64, FLOAT = (
    getattr(schema.TensorType, name) for name in ("INT8", "UINT8", "INT32", "INT64", "FLOAT32")
)
ACTIVATIONS = schema.ActivationFunctionType
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID


@dataclass
class Model:
    """Operators one after the other; the last tensor is what the next one reads."""

    shape: tuple[int, ...]
    scale: float = 0.05
    zero: int = 3
    seed: int = 1
    kind: int = INT8
    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[int] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.at = self.tensor(self.shape, self.kind, [self.scale], [self.zero])

    def tensor(self, shape, kind, scale=(), zero=(), data: np.ndarray | None = None, axis: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = list(shape), kind, f"t{len(self.tensors)}", 0
        if len(scale):
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = list(map(float, scale)), list(map(int, zero))
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add(
        self, code: int, inputs, shape, scale: float, zero: int, options: Any = None, kind: int = 0, gives: int = INT8
    ) -> "Model":
        operator = schema.OperatorT()
        if code not in self.codes:
            self.codes.append(code)
        operator.opcodeIndex = self.codes.index(code)
        out = self.tensor(shape, gives, [scale], [zero]) if scale else self.tensor(shape, gives)
        operator.inputs, operator.outputs = [self.at, *inputs], [out]
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.operators.append(operator)
        self.at, self.shape, self.scale, self.zero = out, tuple(shape), scale, zero
        return self

    def weights(self, shape, axis: int, neurons: int, per_channel: bool) -> tuple[int, int]:
        """Random weights and biases, of which sums are neither all too large nor all alike."""
        scale = self.rng.uniform(0.01, 0.03, neurons if per_channel else 1)
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        bias = self.rng.integers(-3000, 3000, neurons).astype(np.int32)
        zeros = np.zeros(len(scale))
        return (
            self.tensor(shape, INT8, scale, zeros, weights, axis),
            self.tensor((neurons,), INT32, scale * self.scale, zeros, bias),
        )

    def dense(self, neurons: int, activation=ACTIVATIONS.RELU, scale=0.1, zero=-128, per_channel=False) -> "Model":
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        given = self.weights((neurons, self.shape[-1]), 0, neurons, per_channel)
        kind = schema.BuiltinOptions.FullyConnectedOptions
        return self.add(OPS.FULLY_CONNECTED, given, (1, neurons), scale, zero, options, kind)

    def conv(
        self, neurons: int, size=(3, 3), stride=1, padding=VALID, activation=ACTIVATIONS.RELU, scale=0.15, zero=-128,
        per_channel=True, dilation=1,
    ) -> "Model":  # fmt: skip
        options = schema.Conv2DOptionsT()
        options.padding, options.fusedActivationFunction = padding, activation
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = dilation
        given = self.weights((neurons, *size, self.shape[3]), 0, neurons, per_channel)
        fields = self.fields(((size[0] - 1) * dilation + 1, (size[1] - 1) * dilation + 1), stride, padding)
        kind = schema.BuiltinOptions.Conv2DOptions
        return self.add(OPS.CONV_2D, given, (1, *fields, neurons), scale, zero, options, kind)

    def depthwise(
        self, size=(3, 3), stride=1, padding=VALID, activation=ACTIVATIONS.RELU, scale=0.1, zero=-128, times=1
    ) -> "Model":
        options = schema.DepthwiseConv2DOptionsT()
        options.padding, options.fusedActivationFunction, options.depthMultiplier = padding, activation, times
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        neurons = self.shape[3] * times
        given = self.weights((1, *size, neurons), 3, neurons, True)
        kind = schema.BuiltinOptions.DepthwiseConv2DOptions
        fields = self.fields(size, stride, padding)
        return self.add(OPS.DEPTHWISE_CONV_2D, given, (1, *fields, neurons), scale, zero, options, kind)

    def pool(self, code: int, size=(2, 2), stride=2, padding=VALID) -> "Model":
        options = schema.Pool2DOptionsT()
        options.padding, options.filterHeight, options.filterWidth = padding, *size
        options.strideH = options.strideW = stride
        shape = (1, *self.fields(size, stride, padding), self.shape[3])
        return self.add(code, (), shape, self.scale, self.zero, options, schema.BuiltinOptions.Pool2DOptions)

    def reshape(self, *shape: int) -> "Model":
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        given = self.tensor((len(shape),), INT32, data=np.array(shape, np.int32))
        kind = schema.BuiltinOptions.ReshapeOptions
        return self.add(OPS.RESHAPE, (given,), shape, self.scale, self.zero, options, kind)

    def quantized(self, scale: float, zero: int, gives: int = INT8) -> "Model":
        return self.add(OPS.QUANTIZE, (), self.shape, scale, zero, gives=gives)

    def real(self) -> "Model":
        return self.add(OPS.DEQUANTIZE, (), self.shape, 0, 0, gives=FLOAT)

    def greatest(self, axis: int = -1) -> "Model":
        options = schema.ArgMaxOptionsT()
        options.outputType = INT64
        given = self.tensor((), INT32, data=np.array(axis, np.int32))
        kind = schema.BuiltinOptions.ArgMaxOptions
        return self.add(OPS.ARG_MAX, (given,), self.shape[:1], 0, 0, options, kind, INT64)

    def softmax(self) -> "Model":
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        kind = schema.BuiltinOptions.SoftmaxOptions
        return self.add(OPS.SOFTMAX, (), self.shape, 1 / 256, -128, options, kind)

    def fields(self, size, stride: int, padding: int) -> tuple[int, int]:
        if padding == SAME:
            return -(-self.shape[1] // stride), -(-self.shape[2] // stride)
        return (self.shape[1] - size[0]) // stride + 1, (self.shape[2] - size[1]) // stride + 1

    @property
    def data(self) -> bytes:
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.description, model.buffers, model.subgraphs = 3, "made", self.buffers, [graph]
        model.operatorCodes = []
        for code in self.codes:
            made = schema.OperatorCodeT()
            made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), 1
            model.operatorCodes.append(made)
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self.operators, [0], [self.at]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def inputs(self, count: int) -> np.ndarray:  # (count, ...) int8
        low, kind = (0, np.uint8) if self.kind == UINT8 else (-128, np.int8)
        return self.rng.integers(low, low + 256, (count, *self.tensors[0].shape[1:])).astype(kind)


def answers(data: bytes, inputs: np.ndarray, reference: bool = False) -> np.ndarray:  # (n, ...) int8
    """What LiteRT gives, by its fast kernels or by those that define what is right."""
    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    runs = Interpreter(model_content=data, experimental_op_resolver_type=kernels)
    runs.allocate_tensors()
    found = []
    for each in inputs:
        runs.set_tensor(runs.get_input_details()[0]["index"], each[None])
        runs.invoke()
        found.append(runs.get_tensor(runs.get_output_details()[0]["index"])[0].copy())
    return np.array(found)
