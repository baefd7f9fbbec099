"""Binarized networks out of QONNX files (Pappalardo et al., arXiv 2206.07527), as Brevitas writes them: exact.

The graph is walked once. What depends on nothing but constants is computed. What flows from the input is, at every
place, integers of the network and a table of the number that each of them stands for in the file, in its precision of
32 bits: scales, biases and batch norms change the table alone, by ONNX's own reference, and a quantizer asks it which
integers reach its next step. So thresholds are those of the file whatever its scales are, with nothing rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.importers.imported import Given, Imported, Importer, ImportRefused
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Layer,
    MaxPool2d,
    Network,
    Offset,
    Thermometer,
    Threshold,
    simplify,
)
from logicnn.network.fold import FoldError, fold_steps
from logicnn.network.values import NetworkError

__all__ = ["IMPORTER", "imported"]

BATCH = 1
LEVELS = 2  # of a bit
LARGEST_FILE = 1 << 28
LARGEST_CONSTANT = 1 << 26  # elements, of what is computed on the way
DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")  # of quantizers
TABLED = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Identity", "BatchNormalization"})  # number by number
SHAPED = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
LAST = frozenset({"Softmax", "LogSoftmax", "ArgMax", "TopK"})  # change no class
BROADCAST = TABLED - {"BatchNormalization"} | {"Pow"}
COMPUTED = BROADCAST | SHAPED | {"Abs", "Cast", "Concat", "Constant", "Gather", "Shape", "Slice", "Sqrt", "Transpose"}
ATTRIBUTES = dict.fromkeys(("kernel_shape", "strides", "pads", "dilations"), list) | {
    **dict.fromkeys(("group", "transA", "transB", "ceil_mode", "training_mode", "signed", "narrow"), int),
    **dict.fromkeys(("axis", "largest", "select_last_index"), int),
    **dict.fromkeys(("alpha", "beta", "epsilon"), float),
    **dict.fromkeys(("auto_pad", "rounding_mode"), bytes),
}
STRAIGHT = 1e-4  # of a step between scores, by which rounded ones may lie beside a line


@dataclass(frozen=True)
class _Sum:
    """Weights (out, ...) of -1, 0 and +1 whose threshold is not known yet, and what makes a layer of both."""

    weights: np.ndarray
    layer: Callable[[np.ndarray, Any], Layer]

    @property
    def fan_in(self) -> np.ndarray:  # (out,)
        return np.count_nonzero(self.weights.reshape(len(self.weights), -1), axis=1)


@dataclass(frozen=True)
class _Flow:
    """What flows: its shape in the file without the batch, and the numbers (levels, 1 or channels, ...) that its
    integers stand for, from the lowest on. `of` is what has summed them up, if nothing has quantized that yet; `layers`
    are behind it; what is `last` are classes.
    """

    shape: tuple[int, ...]
    table: np.ndarray
    of: _Sum | None = None
    bits: bool = False
    layers: int = 0
    last: bool = False


Value = np.ndarray | _Flow


def imported(path: Path, given: Given) -> Imported:
    """The network in a file, which reads `given`. Raises `ImportRefused` for what it cannot be made of."""
    graph, opsets = _read(path)
    walk = _Walk(given, opsets)
    for tensor in graph.initializer:
        walk.values[tensor.name] = _array(tensor)
    inputs = [each for each in graph.input if each.name not in walk.values]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ImportRefused(f"{path} must have one input and one output, not {len(inputs)} and {len(graph.output)}")
    walk.begin(inputs[0])
    for node in graph.node:
        walk.take(node)
    return walk.ended(graph.output[0].name, path.stem)


def _read(path: Path) -> tuple[Any, dict[str, int]]:
    """The graph, and the versions of its operators by domain."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ImportRefused("onnx is not installed; pip install logicnn[import]") from None
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ImportRefused(f"{path} has {path.stat().st_size} bytes; at most {LARGEST_FILE} are read")
        model = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from None
    except DecodeError:
        raise ImportRefused(f"{path} is no ONNX file") from None
    if not model.graph.node:
        raise ImportRefused(f"{path} is no ONNX file, or has no nodes")
    return model.graph, {each.domain: each.version for each in model.opset_import}


def _array(tensor: Any) -> np.ndarray:
    """A constant of the file."""
    import onnx
    from onnx import numpy_helper

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ImportRefused(f"constant {tensor.name!r} lies in another file; save the model as one file")
    _bounded(tuple(tensor.dims), f"constant {tensor.name!r}")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise ImportRefused(f"constant {tensor.name!r} is damaged: {error}") from None


def _bounded(shape: Sequence[int], what: str) -> None:
    size = 1
    for each in shape:
        size *= each
        if each < 0 or size > LARGEST_CONSTANT:
            raise ImportRefused(f"{what} has the shape {list(shape)}; at most {LARGEST_CONSTANT} elements are computed")


def _called(node: Any) -> str:
    """A node in messages."""
    given = node.output[0] if node.output else ""
    return f"{node.op_type} {node.name or f'that gives {given}'}"


def _in_use(node: Any) -> Any:
    """Batch norm by the statistics that are in the file; ONNX's reference of old versions takes new ones."""
    from onnx import helper

    options = _attributes(node)
    if options.get("training_mode") or any(node.output[1:]):
        raise ImportRefused(f"{_called(node)} is in training mode; export the model in evaluation mode")
    epsilon = options.get("epsilon", 1e-5)
    return helper.make_node(node.op_type, node.input, node.output[:1], epsilon=epsilon)


def _attributes(node: Any) -> dict[str, Any]:
    """By name; those that are read are what ONNX says that they are."""
    import onnx

    found = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    for name, kind in ATTRIBUTES.items():
        value = found.get(name, kind())
        if not isinstance(value, kind) or (kind is list and not (value or name not in found)):
            raise ImportRefused(f"{_called(node)}: attribute {name} must be of kind {kind.__name__}")
    return found


@dataclass
class _Walk:
    """Along a graph: the values of its tensors so far, and the layers that they have needed."""

    given: Given
    opsets: Mapping[str, int]
    values: dict[str, Value] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    activations: Activations | None = None  # behind the layers
    start: Activations | None = None

    def begin(self, tensor: Any) -> None:
        """The input, a sample at a time."""
        dims = [each.dim_value for each in tensor.type.tensor_type.shape.dim]
        if len(dims) < 2 or dims[0] > BATCH or min(dims[1:]) < 1:
            raise ImportRefused(
                f"input {tensor.name!r} must have one sample and a fixed shape, as 1 x 28 x 28 or 16, not {dims}"
            )
        shape = tuple(dims[1:])
        _bounded(shape, f"input {tensor.name!r}")
        interval = self.given.interval
        levels = np.arange(interval.low, interval.high + 1) * self.given.scale
        self.values[tensor.name] = _Flow(shape, levels.astype(np.float32).reshape(-1, *[1] * len(shape)))
        self.start = self.activations = Activations(shape, interval)

    def take(self, node: Any) -> None:
        """What a node makes of its inputs."""
        if not all(isinstance(each, str) for each in (*node.input, *node.output, node.op_type, node.name)):
            raise ImportRefused("a node has names that are no text; the file is damaged")
        missing = [each for each in node.input if each and each not in self.values]
        if missing or not node.output:
            raise ImportRefused(f"{_called(node)} reads {', '.join(missing) or 'something'}, which nothing gives")
        inputs = [self.values[each] if each else np.zeros(0, np.float32) for each in node.input]
        flows = [each for each in inputs if isinstance(each, _Flow)]
        if not flows:
            self._compute(node, inputs)
        elif node.op_type == "Shape":
            self.values[node.output[0]] = np.array([BATCH, *flows[0].shape], np.int64)
        elif len(flows) > 1 or not (isinstance(inputs[0], _Flow) or node.op_type in TABLED):
            raise ImportRefused(f"{_called(node)} joins two branches, or reads as a constant what depends on the input")
        elif flows[0].layers != len(self.layers):
            raise ImportRefused(f"{_called(node)} is a second branch; networks here have one")
        elif flows[0].last and node.op_type not in LAST:
            raise ImportRefused(f"{_called(node)} reads classes, which must be the output")
        else:
            flow = flows[0]
            constants = [each for each in inputs if isinstance(each, np.ndarray)]
            for output in node.output:
                self.values[output] = self._flowed(node, flow, constants, inputs)

    def _compute(self, node: Any, inputs: Sequence[Value]) -> None:
        """Of constants alone."""
        arrays = [np.asarray(each) for each in inputs]
        if node.op_type in BROADCAST:
            _bounded(_broadcast(node, arrays), _called(node))
        elif node.op_type == "Gather":
            _bounded([each.size for each in arrays], _called(node))
        if node.domain in DOMAINS or node.op_type in QUANTIZERS:
            found = [_quantizer(node)(node, *arrays)]
        else:
            found = self._by_reference(node, dict(zip(node.input, arrays, strict=True)))
        for output, value in zip(node.output, found, strict=False):
            _bounded(value.shape, _called(node))
            self.values[output] = value

    def _by_reference(self, node: Any, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
        """By ONNX's own reference."""
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        if node.op_type not in COMPUTED | TABLED:
            raise ImportRefused(
                f"{_called(node)} is not supported; fold constants first, as onnxsim and qonnx-cleanup do"
            )
        opsets = self.opsets
        if node.op_type == "BatchNormalization":
            node, opsets = _in_use(node), {"": 15}
        try:
            inputs, outputs = (
                [helper.make_tensor_value_info(each, TensorProto.UNDEFINED, None) for each in names if each]
                for names in (dict.fromkeys(node.input), node.output)
            )
            model = helper.make_model(
                helper.make_graph([node], "node", inputs, outputs),
                opset_imports=[helper.make_opsetid(*each) for each in opsets.items()],
            )
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(model).run(None, {name: each for name, each in arrays.items() if name})
            return [np.asarray(each) for each in found]
        except Exception as error:  # of every kind, for a node that is not as ONNX wants it
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ImportRefused(f"{_called(node)} cannot be computed: {reason}") from None

    def _flowed(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray], inputs: Sequence[Value]) -> _Flow:
        kind = node.op_type
        if kind in TABLED:
            return self._tabled(node, flow, inputs)
        if kind in SHAPED:
            return self._shaped(node, flow, inputs)
        if kind == "BipolarQuant":
            return self._quantized(node, flow, constants)
        if kind in ("MatMul", "Gemm"):
            return self._dense(node, flow, constants)
        if kind == "Conv":
            return self._convolved(node, flow, constants)
        if kind == "MaxPool":
            return self._pooled(node, flow)
        if kind in LAST:
            self.parts.append(f"{kind}: changes no class")
            return _last(node, flow)
        if kind == "Quant":
            raise ImportRefused(f"{_called(node)}: activations must be of two levels, as of BipolarQuant")
        hint = "; a sign instead, as of BipolarQuant" if kind in ("Relu", "Sigmoid", "Tanh", "HardTanh") else ""
        raise ImportRefused(f"{_called(node)} of shape {list(flow.shape)} is not supported{hint}")

    # -- the table

    def _tabled(self, node: Any, flow: _Flow, inputs: Sequence[Value]) -> _Flow:
        """Number by number: the table in place of what flows."""
        arrays = {
            name: flow.table if isinstance(each, _Flow) else each
            for name, each in zip(node.input, inputs, strict=True)
            if name
        }
        channels = flow.shape[0]
        if any(each.ndim > len(flow.shape) and each.shape[0] != 1 for each in inputs if isinstance(each, np.ndarray)):
            raise ImportRefused(f"{_called(node)} must have constants for one sample")
        if node.op_type == "BatchNormalization" and flow.table.shape[1] != channels:
            tables = np.repeat(flow.table, channels, 1)
            arrays = {name: tables if each is flow.table else each for name, each in arrays.items()}
        (table, *_) = self._by_reference(node, arrays)
        sizes = table.shape[1:]
        if len(table) != len(flow.table) or len(sizes) != len(flow.shape) or sizes[0] not in (1, channels):
            raise ImportRefused(f"{_called(node)} must have one constant a channel, or one for all")
        if max(sizes[1:], default=1) > 1:
            raise ImportRefused(f"{_called(node)} must have one constant a channel, not one a position")
        if not np.isfinite(table).all():
            raise ImportRefused(f"{_called(node)} gives what is no finite number")
        return replace(flow, table=table.astype(np.float32))

    def _shaped(self, node: Any, flow: _Flow, inputs: Sequence[Value]) -> _Flow:
        """Another shape of the same order: of images and of numbers in a row."""
        size = int(np.prod(flow.shape))
        places = np.arange(size, dtype=np.float32).reshape(BATCH, *flow.shape)
        arrays = {
            name: places if isinstance(each, _Flow) else each for name, each in zip(node.input, inputs, strict=True)
        }
        (found, *_) = self._by_reference(node, arrays)
        if found.ndim < 2 or len(found) != BATCH or found.size != size:
            raise ImportRefused(f"{_called(node)} mixes samples: it gives the shape {list(found.shape)}")
        shape = found.shape[1:]
        table = flow.table
        if table.shape[1] > 1 and shape[0] != flow.shape[0]:
            table = np.repeat(table.reshape(len(table), -1), size // flow.shape[0], 1)
            if len(shape) > 1:
                raise ImportRefused(f"{_called(node)} of shape {list(flow.shape)} to {list(shape)} is not supported")
        return replace(flow, shape=shape, table=table.reshape(len(table), -1, *[1] * (len(shape) - 1)))

    # -- layers

    def _add(self, layer: Layer, what: str) -> None:
        assert self.activations is not None
        try:
            self.activations = layer.infer(self.activations)
        except NetworkError as error:
            raise ImportRefused(f"{what}: {error}") from None
        self.layers.append(layer)

    def _quantized(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        """To bits: what has been summed up gets its thresholds, the input a thermometer."""
        scale = _single(node, constants[0])
        levels = flow.table.reshape(len(flow.table), -1)
        fires = levels + 0.0 >= 0
        if flow.of is None and flow.bits:
            if fires[0].any() or not fires[1].all():
                raise ImportRefused(f"{_called(node)} quantizes bits once more, and not to themselves")
        elif flow.of is None:
            step = _step(node, fires, self.given.interval.low)
            self._add(Thermometer(step), _called(node))
            self.parts.append(f"{_called(node)}: a bit of each input, from {step[0]} on")
        else:
            fan_in = flow.of.fan_in
            fires = np.broadcast_to(fires, (len(fires), len(fan_in)))
            try:
                minimum, inverted = fold_steps(fires.T, fan_in)
            except FoldError as error:
                raise ImportRefused(f"{_called(node)}: {error}") from None
            weights = flow.of.weights.copy()
            weights[inverted] *= -1
            self._add(flow.of.layer(weights, Threshold(minimum)), _called(node))
            constant = int(np.count_nonzero((minimum <= 0) | (minimum > fan_in)))
            more = f", {constant} of them constant" if constant else ""
            self.parts.append(f"{_called(node)}: {len(fan_in)} neurons of {int(fan_in.max(initial=0))} synapses{more}")
        table = np.array([-scale, scale], np.float32).reshape(-1, *[1] * len(flow.shape))
        return _Flow(flow.shape, table, bits=True, layers=len(self.layers))

    def _dense(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        options = _attributes(node)
        weights = np.asarray(constants[0])
        if options.get("transA"):
            raise ImportRefused(f"{_called(node)} must not have transA")
        if weights.ndim != 2 or len(flow.shape) != 1:
            raise ImportRefused(
                f"{_called(node)} must be of rows and a matrix, not of {list(flow.shape)} and {list(weights.shape)}"
            )
        rows = weights if options.get("transB") else weights.T
        if rows.shape[1] != flow.shape[0]:
            raise ImportRefused(f"{_called(node)}: weights of {rows.shape[1]} inputs on {flow.shape[0]}")
        bias = constants[1] * options.get("beta", 1.0) if len(constants) > 1 else np.zeros(1)
        if self.activations is not None and len(self.activations.shape) == 3:
            self._add(Flatten(), _called(node))
        rows = rows * np.float32(options.get("alpha", 1.0))
        return self._summed(node, flow, rows, bias, BinaryDense, (len(rows),))

    def _convolved(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        options = _attributes(node)
        weights = np.asarray(constants[0])
        strides, pads = options.get("strides", [1, 1]), options.get("pads", [0])
        if any(pads) or options.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise ImportRefused(f"{_called(node)} pads with zeros, which bits are not; train it without padding")
        if options.get("group", 1) != 1 or any(each != 1 for each in options.get("dilations", [1])):
            raise ImportRefused(f"{_called(node)} must have one group and no dilation")
        if weights.ndim != 4 or len(flow.shape) != 3 or len(set(strides)) != 1:
            raise ImportRefused(f"{_called(node)} must be of images, with one stride, not {list(strides)}")

        def layer(signs: np.ndarray, activation: Any) -> Layer:
            return BinaryConv2d(signs, activation, int(strides[0]))

        fields = [
            (size - kernel) // strides[0] + 1 for size, kernel in zip(flow.shape[1:], weights.shape[2:], strict=True)
        ]
        if weights.shape[1] != flow.shape[0] or min(fields) < 1:
            raise ImportRefused(f"{_called(node)}: kernels of {list(weights.shape)} on {list(flow.shape)}")
        bias = constants[1] if len(constants) > 1 else np.zeros(1)
        return self._summed(node, flow, weights, bias, layer, (len(weights), *fields))

    def _summed(
        self, node: Any, flow: _Flow, weights: np.ndarray, bias: np.ndarray, layer: Any, shape: tuple[int, ...]
    ) -> _Flow:
        """Sums of bits: for each count of synapses that agree the number that it stands for."""
        if not flow.bits or flow.table.size != LEVELS:
            raise ImportRefused(f"{_called(node)} reads what is not quantized to two levels, the same in all channels")
        if not weights.size:
            raise ImportRefused(f"{_called(node)} has no weights")
        flat = weights.reshape(len(weights), -1)
        sizes = np.abs(flat).max(1)
        signs = np.sign(weights).astype(np.int8)
        if not np.all((flat == 0) | (np.abs(flat) == sizes[:, None])) or not np.isfinite(flat).all():
            raise ImportRefused(f"{_called(node)}: weights must be -s, 0 and s, one s a neuron")
        low, high = flow.table.ravel()
        made = _Sum(signs if high > 0 else -signs, layer)
        counts = np.arange(made.fan_in.max(initial=0) + 1)[:, None]
        if bias.size not in (1, len(weights)):
            raise ImportRefused(f"{_called(node)}: {bias.size} biases for {len(weights)} neurons")
        if high != -low:
            raise ImportRefused(f"{_called(node)} must read -s and s, not {low} and {high}")
        sums = (2 * counts - made.fan_in).astype(np.float32) * (sizes * abs(high)).astype(np.float32) + bias.ravel()
        table = sums.astype(np.float32).reshape(len(counts), -1, *[1] * (len(shape) - 1))
        return _Flow(shape, table, made, layers=len(self.layers))

    def _pooled(self, node: Any, flow: _Flow) -> _Flow:
        options = _attributes(node)
        size = options.get("kernel_shape", [0])
        plain = not any(options.get("pads", [0])) and not options.get("ceil_mode")
        if (
            not flow.bits
            or not (flow.table[0] < flow.table[1]).all()
            or len(flow.shape) != 3
            or len(set(size)) != 1
            or options.get("strides", [1]) != size
            or not plain
        ):
            raise ImportRefused(f"{_called(node)} must pool bits, in squares side by side, without padding")
        self._add(MaxPool2d(int(size[0])), _called(node))
        assert self.activations is not None
        self.parts.append(f"{_called(node)}: {size[0]} x {size[0]}")
        return replace(flow, shape=self.activations.shape, layers=len(self.layers))

    def ended(self, output: str, name: str) -> Imported:
        """The network up to the class."""
        last = self.values.get(output)
        if not isinstance(last, _Flow) or last.of is None or len(last.shape) != 1 or last.layers != len(self.layers):
            raise ImportRefused(f"output {output!r} must be scores of classes, which nothing quantizes")
        offsets, scores = _offsets(output, last.table.reshape(len(last.table), -1), last.of.fan_in)
        self._add(last.of.layer(last.of.weights, Offset(offsets)), f"output {output!r}")
        self._add(Argmax(), f"output {output!r}")
        self.parts.append(f"output {output}: {len(offsets)} classes")
        assert self.start is not None
        try:
            network = simplify(Network(self.start, self.layers, name))
        except NetworkError as error:
            raise ImportRefused(str(error)) from None
        return Imported(network, tuple(self.parts), scores)


def _broadcast(node: Any, arrays: Sequence[np.ndarray]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(each.shape for each in arrays))
    except ValueError:
        shapes = " and ".join(str(list(each.shape)) for each in arrays)
        raise ImportRefused(f"{_called(node)} has shapes that do not go together: {shapes}") from None


def _last(node: Any, flow: _Flow) -> _Flow:
    """Of classes, the first of equal ones."""
    options = _attributes(node)
    by_default = {"ArgMax": 0, "Softmax": 1, "LogSoftmax": 1}
    if len(flow.shape) != 1 or options.get("axis", by_default.get(node.op_type, -1)) not in (1, -1):
        raise ImportRefused(f"{_called(node)} must be over the classes, axis 1")
    if not options.get("largest", 1) or options.get("select_last_index", 0):
        raise ImportRefused(f"{_called(node)} must take the greatest, and the first of equal ones")
    return replace(flow, last=True)


def _single(node: Any, array: np.ndarray) -> float:
    if array.size != 1 or not np.isfinite(array).all() or array.ravel()[0] <= 0:
        raise ImportRefused(f"{_called(node)} must have one scale above 0, not {array.ravel()[:4].tolist()}")
    return float(array.ravel()[0])


def _step(node: Any, fires: np.ndarray, low: int) -> np.ndarray:  # (levels, 1) -> (1,)
    """The first level that is bit 1."""
    if fires.shape[1] != 1:
        raise ImportRefused(f"{_called(node)} must quantize all inputs alike")
    rises = np.diff(fires[:, 0].astype(np.int8))
    if np.count_nonzero(rises) != 1 or rises.min() < 0:
        raise ImportRefused(
            f"{_called(node)} must be -1 for low inputs and +1 for high ones of those that are given; it is "
            f"{'always the same' if not rises.any() else 'not'}: are range and scale right?"
        )
    return np.array([low + 1 + int(rises.argmax())], np.int32)


def _offsets(output: str, table: np.ndarray, fan_in: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers (classes,) that are added to counts, so that they compare as the scores (counts, classes) do; and the
    score of each.
    """
    classes = len(fan_in)
    table = np.broadcast_to(table, (len(table), classes)).astype(np.float64)
    if classes < 2 or fan_in.min() < 1:
        raise ImportRefused(f"output {output!r} must be of classes that all have synapses")
    steps = (table[fan_in, np.arange(classes)] - table[0]) / fan_in
    step = steps[0]
    if step <= 0 or np.abs(steps - step).max() > STRAIGHT * step:
        raise ImportRefused(
            f"output {output!r}: all classes' scores must grow by the same for a synapse that agrees, not by "
            f"{steps.min():.6g} to {steps.max():.6g}"
        )
    exact = (table[0] - table[0].min()) / step
    offsets = np.rint(exact)
    if np.abs(exact - offsets).max() > STRAIGHT:
        worst = int(np.abs(exact - offsets).argmax())
        raise ImportRefused(
            f"output {output!r}: class {worst} is ahead by {exact[worst]:.4f} synapses; integers would be wrong by "
            f"{abs(exact[worst] - offsets[worst]):.4f} of one"
        )
    levels = int((offsets + fan_in).max()) + 1
    first = int(np.argmax(offsets == 0))
    scores = table[0, first] + step * np.arange(levels)
    scores[: fan_in[first] + 1] = table[: fan_in[first] + 1, first]
    return offsets.astype(np.int32), scores


def _bipolar(node: Any, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, -1.0).astype(np.float32) * scale


def _quant(node: Any, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """QONNX's own order: scaled, clipped, rounded."""
    options = _attributes(node)
    signed, narrow = options.get("signed", 1), options.get("narrow", 0)
    if options.get("rounding_mode", b"ROUND") not in (b"ROUND", b"HALF_EVEN"):
        raise ImportRefused(f"{_called(node)} must round to the nearest, not by {options['rounding_mode']!r}")
    width = float(bits.ravel()[0]) if bits.size else 0.0
    if not 1 <= width <= 32 or width != int(width) or not (scale > 0).all():
        raise ImportRefused(f"{_called(node)} must have 1 to 32 bits and scales above 0")
    if signed:
        low, high = -(2 ** (width - 1)) + bool(narrow), 2 ** (width - 1) - 1
    else:
        low, high = 0.0, 2**width - 1 - bool(narrow)
    return ((np.rint(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(np.float32)


QUANTIZERS: dict[str, Callable[..., np.ndarray]] = {"BipolarQuant": _bipolar, "Quant": _quant}
ARITY = {"BipolarQuant": 2, "Quant": 4}


def _quantizer(node: Any) -> Callable[..., np.ndarray]:
    if node.op_type not in QUANTIZERS or len(node.input) != ARITY[node.op_type]:
        raise ImportRefused(f"{_called(node)} is not supported, or has not all of its inputs")
    return QUANTIZERS[node.op_type]


IMPORTER = Importer(".onnx", imported)
