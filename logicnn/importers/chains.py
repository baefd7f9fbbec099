"""TFLite files: their operators one after the other, and what tensors hold. Branches are no chain, and refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.importers.imported import ImportRefused

__all__ = ["Chain", "Operator", "Tensor", "read_chain"]

LARGEST_FILE = 1 << 28
MOST = 4096  # tensors, operators, buffers
MOST_VALUES = 1 << 24  # of a tensor
IDENTIFIER = b"TFL3"
DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64, "FLOAT32": np.float32}
OPTIONS = {
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("FusedActivationFunction", "WeightsFormat")),
    "CONV_2D": (
        "Conv2DOptions",
        ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    **dict.fromkeys(
        ("MAX_POOL_2D", "AVERAGE_POOL_2D"),
        ("Pool2DOptions", ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction")),
    ),
}
ENUMS = {"FusedActivationFunction": "ActivationFunctionType", "Padding": "Padding"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers of some `kind`, as INT8, of a `shape` with the batch; each is its integer less the zero point, times the
    scale: one, or one for each index of an axis. `data` are those of a constant.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    scales: np.ndarray
    zeros: np.ndarray
    data: np.ndarray | None

    def __str__(self) -> str:
        return f"{self.name!r} of shape {list(self.shape)}"


@dataclass(frozen=True, eq=False)
class Operator:
    """What makes `output` of the first of its inputs; the others are constants."""

    kind: str
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.output.name!r}"


@dataclass(frozen=True, eq=False)
class Chain:
    given: Tensor
    operators: tuple[Operator, ...]


def read_chain(path: Path) -> Chain:
    """Raises `ImportRefused` for a file that is none, is damaged, or whose operators are not one after the other."""
    try:
        import tflite
    except ImportError:
        raise ImportRefused("tflite is not installed; pip install logicnn[import]") from None
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ImportRefused(f"{path} has {size} bytes; at most {LARGEST_FILE} are read")
        content = path.read_bytes()
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from None
    if content[4:8] != IDENTIFIER:
        raise ImportRefused(f"{path} is no TFLite file")
    try:
        return _chain(tflite, content)
    except ImportRefused:
        raise
    except Exception as error:  # offsets that point anywhere fail in as many ways as struct and numpy have
        raise ImportRefused(f"{path} is damaged: {error}") from None


def _chain(tflite: Any, content: bytes) -> Chain:
    model = tflite.Model.GetRootAs(content, 0)
    if model.SubgraphsLength() != 1:
        raise ImportRefused(f"the file must have one graph, not {model.SubgraphsLength()}")
    graph = model.Subgraphs(0)
    for what, count in (
        ("tensors", graph.TensorsLength()),
        ("operators", graph.OperatorsLength()),
        ("buffers", model.BuffersLength()),
        ("inputs", graph.InputsLength()),
        ("outputs", graph.OutputsLength()),
    ):
        if not 0 < count <= MOST:
            raise ImportRefused(f"the file must have 1 to {MOST} {what}, not {count}")
    if graph.InputsLength() != 1 or graph.OutputsLength() != 1:
        raise ImportRefused(
            f"the file must have one input and one output, not {graph.InputsLength()} and {graph.OutputsLength()}"
        )
    kinds = _names(tflite.TensorType)
    tensors = [_tensor(model, graph.Tensors(place), place, kinds) for place in range(graph.TensorsLength())]
    given = _at(tensors, graph.Inputs(0))
    operators, before = [], given
    for place in range(graph.OperatorsLength()):
        operators.append(_operator(tflite, model, graph.Operators(place), tensors, before))
        before = operators[-1].output
    if before.index != graph.Outputs(0):
        raise ImportRefused(f"{operators[-1]} must give the output, after which nothing may stand")
    return Chain(given, tuple(operators))


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _at(tensors: list[Tensor], place: int) -> Tensor:
    if not 0 <= place < len(tensors):
        raise ImportRefused(f"the file has no tensor {place}")
    return tensors[place]


def _tensor(model: Any, of: Any, index: int, kinds: Mapping[int, str]) -> Tensor:
    name = (of.Name() or b"").decode("utf-8", "replace")
    shape = tuple(int(of.Shape(place)) for place in range(min(of.ShapeLength(), 8)))
    if any(each < 0 for each in shape) or int(np.prod(shape, dtype=object)) > MOST_VALUES:
        raise ImportRefused(f"tensor {name!r} must have a fixed shape of at most {MOST_VALUES} values: {list(shape)}")
    quantized = of.Quantization()
    scales = zeros = np.zeros(0)
    if quantized is not None and quantized.ScaleLength():
        scales, zeros = np.array(quantized.ScaleAsNumpy()), np.array(quantized.ZeroPointAsNumpy())
        if not np.isfinite(scales).all() or (scales <= 0).any() or len(zeros) not in (1, len(scales)):
            raise ImportRefused(f"tensor {name!r} must have scales above 0, and a zero point for each")
    if not 0 <= of.Buffer() < model.BuffersLength():
        raise ImportRefused(f"the file has no buffer {of.Buffer()}")
    buffer, kind = model.Buffers(of.Buffer()), kinds.get(of.Type(), str(of.Type()))
    data = None
    if buffer.DataLength():
        if kind not in DTYPES:
            raise ImportRefused(f"tensor {name!r} must be of {', '.join(DTYPES)}, not {kind}")
        if of.Sparsity() is not None:
            raise ImportRefused(f"tensor {name!r} must not be sparse")
        data = np.frombuffer(buffer.DataAsNumpy(), DTYPES[kind]).reshape(shape)
    return Tensor(index, name, kind, shape, scales.astype(np.float32), zeros.astype(np.int64), data)


def _operator(tflite: Any, model: Any, of: Any, tensors: list[Tensor], before: Tensor) -> Operator:
    if not 0 <= of.OpcodeIndex() < model.OperatorCodesLength():
        raise ImportRefused(f"the file has no operator code {of.OpcodeIndex()}")
    code = model.OperatorCodes(of.OpcodeIndex())
    # codes below 127 stand in the older field alone in older files
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = _names(tflite.BuiltinOperator).get(number, f"operator {number}")
    if kind == "CUSTOM":
        kind = f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', 'replace')}"
    if not 0 < of.InputsLength() <= MOST or of.OutputsLength() != 1:
        raise ImportRefused(f"{kind} must have inputs and one output")
    read = [of.Inputs(place) for place in range(of.InputsLength())]
    inputs = tuple(None if place == -1 else _at(tensors, place) for place in read)
    operator = Operator(kind, inputs, _at(tensors, of.Outputs(0)), _options(tflite, kind, of))
    branches = [each for each in inputs[1:] if each is not None and each.data is None]
    if inputs[0] is None or inputs[0].index != before.index or branches:
        raise ImportRefused(f"{operator} must read what the operator before it gives, and constants: networks here "
                            f"have no branches")  # fmt: skip
    return operator


def _options(tflite: Any, kind: str, of: Any) -> dict[str, Any]:
    if kind not in OPTIONS:
        return {}
    name, wanted = OPTIONS[kind]
    table, options = of.BuiltinOptions(), getattr(tflite, name)()
    if table is None:
        raise ImportRefused(f"{kind} lacks its options")
    options.Init(table.Bytes, table.Pos)
    found = {each: getattr(options, each)() for each in wanted}
    for each, enumeration in ENUMS.items():
        if each in found:
            found[each] = _names(getattr(tflite, enumeration)).get(found[each], str(found[each]))
    return found
