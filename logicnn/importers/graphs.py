"""ONNX graphs: files, constants, and what nodes make of numbers, by ONNX's own reference and QONNX's quantizers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.importers.imported import ImportRefused

__all__ = [
    "SHAPED",
    "TABLED",
    "attributes_of",
    "bounded",
    "by_reference",
    "called",
    "computed",
    "constant_of",
    "levels_of",
    "read_graph",
]

LARGEST_FILE = 1 << 28
LARGEST_CONSTANT = 1 << 26  # elements, of what is computed on the way
DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")  # of quantizers
TABLED = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Identity", "Relu", "BatchNormalization"})  # number by number
SHAPED = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
BROADCAST = TABLED - {"BatchNormalization"} | {"Pow"}
COMPUTED = BROADCAST | SHAPED | {"Abs", "Cast", "Concat", "Constant", "Gather", "Shape", "Slice", "Sqrt", "Transpose"}
ATTRIBUTES = dict.fromkeys(("kernel_shape", "strides", "pads", "dilations"), list) | {
    **dict.fromkeys(("group", "transA", "transB", "ceil_mode", "training_mode", "signed", "narrow"), int),
    **dict.fromkeys(("axis", "largest", "select_last_index"), int),
    **dict.fromkeys(("alpha", "beta", "epsilon"), float),
    **dict.fromkeys(("auto_pad", "rounding_mode"), bytes),
}


def read_graph(path: Path) -> tuple[Any, dict[str, int]]:
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


def constant_of(tensor: Any) -> np.ndarray:
    """A constant of the file."""
    import onnx
    from onnx import numpy_helper

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ImportRefused(f"constant {tensor.name!r} lies in another file; save the model as one file")
    bounded(tuple(tensor.dims), f"constant {tensor.name!r}")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise ImportRefused(f"constant {tensor.name!r} is damaged: {error}") from None


def bounded(shape: Sequence[int], what: str) -> None:
    size = 1
    for each in shape:
        size *= each
        if each < 0 or size > LARGEST_CONSTANT:
            raise ImportRefused(f"{what} has the shape {list(shape)}; at most {LARGEST_CONSTANT} elements are computed")


def called(node: Any) -> str:
    """A node in messages."""
    given = node.output[0] if node.output else ""
    return f"{node.op_type} {node.name or f'that gives {given}'}"


def attributes_of(node: Any) -> dict[str, Any]:
    """By name; those that are read are what ONNX says that they are."""
    import onnx

    found = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    for name, kind in ATTRIBUTES.items():
        value = found.get(name, kind())
        if not isinstance(value, kind) or (kind is list and not (value or name not in found)):
            raise ImportRefused(f"{called(node)}: attribute {name} must be of kind {kind.__name__}")
    return found


def computed(node: Any, arrays: Sequence[np.ndarray], opsets: Mapping[str, int]) -> dict[str, np.ndarray]:
    """What a node makes of constants alone, by the names of its outputs."""
    if node.op_type in BROADCAST:
        bounded(_broadcast(node, arrays), called(node))
    elif node.op_type == "Gather":
        bounded([each.size for each in arrays], called(node))
    if node.domain in DOMAINS or node.op_type in QUANTIZERS:
        of = _quantizer(node)
        bounded(_broadcast(node, arrays), called(node))
        if any(each.dtype.kind not in "iubf" for each in arrays):
            raise ImportRefused(f"{called(node)} must be of numbers")
        found = [of(node, *arrays)]
    else:
        found = by_reference(node, dict(zip(node.input, arrays, strict=True)), opsets)
    for value in found:
        bounded(value.shape, called(node))
    return dict(zip(node.output, found, strict=False))


def by_reference(node: Any, arrays: Mapping[str, np.ndarray], opsets: Mapping[str, int]) -> list[np.ndarray]:
    """What a node gives, by ONNX's own reference."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type not in COMPUTED | TABLED:
        raise ImportRefused(f"{called(node)} is not supported; fold constants first, as onnxsim and qonnx-cleanup do")
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
        raise ImportRefused(f"{called(node)} cannot be computed: {reason}") from None


def _in_use(node: Any) -> Any:
    """Batch norm by the statistics that are in the file; ONNX's reference of old versions takes new ones."""
    from onnx import helper

    options = attributes_of(node)
    if options.get("training_mode") or any(node.output[1:]):
        raise ImportRefused(f"{called(node)} is in training mode; export the model in evaluation mode")
    epsilon = options.get("epsilon", 1e-5)
    return helper.make_node(node.op_type, node.input, node.output[:1], epsilon=epsilon)


def _broadcast(node: Any, arrays: Sequence[np.ndarray]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(each.shape for each in arrays))
    except ValueError:
        shapes = " and ".join(str(list(each.shape)) for each in arrays)
        raise ImportRefused(f"{called(node)} has shapes that do not go together: {shapes}") from None


def _bipolar(node: Any, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, -1.0).astype(np.float32) * scale


def _quant(node: Any, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """QONNX's own order: scaled, clipped, rounded."""
    options = attributes_of(node)
    signed, narrow = options.get("signed", 1), options.get("narrow", 0)
    if options.get("rounding_mode", b"ROUND") not in (b"ROUND", b"HALF_EVEN"):
        raise ImportRefused(f"{called(node)} must round to the nearest, not by {options['rounding_mode']!r}")
    width = float(bits.ravel()[0]) if bits.size else 0.0
    if not 1 <= width <= 32 or width != int(width) or not (scale > 0).all():
        raise ImportRefused(f"{called(node)} must have 1 to 32 bits and scales above 0")
    if signed:
        low, high = -(2 ** (width - 1)) + bool(narrow), 2 ** (width - 1) - 1
    else:
        low, high = 0.0, 2**width - 1 - bool(narrow)
    return ((np.rint(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(np.float32)


def levels_of(node: Any, x: np.ndarray, scale: float, zero: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The integers (of float64) that a `Quant` makes of numbers, before it scales them back."""
    one = np.array([scale], np.float32)
    return np.rint(_quant(node, x.astype(np.float32), one, zero, bits).astype(np.float64) / one[0])


QUANTIZERS: dict[str, Callable[..., np.ndarray]] = {"BipolarQuant": _bipolar, "Quant": _quant}
ARITY = {"BipolarQuant": 2, "Quant": 4}


def _quantizer(node: Any) -> Callable[..., np.ndarray]:
    if node.op_type not in QUANTIZERS or len(node.input) != ARITY[node.op_type]:
        raise ImportRefused(f"{called(node)} is not supported, or has not all of its inputs")
    return QUANTIZERS[node.op_type]
