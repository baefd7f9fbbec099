"""Quantized networks out of QONNX files (Pappalardo et al., arXiv 2206.07527), as Brevitas and QKeras write them:
exact.

The graph is walked once. What depends on nothing but constants is computed. What flows from the input is, at every
place, integers of the network and a table of the number that each of them stands for in the file, in its precision of
32 bits: scales, biases and batch norms change the table alone, by ONNX's own reference, and a quantizer asks it which
integers reach its next step. So thresholds are those of the file whatever its scales are, with nothing rounded.
Sums of integers that are no bits may be too many for a table: `logicnn.importers.words` asks for some of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.importers.bits import BitSums, ahead, first_step
from logicnn.importers.graphs import (
    SHAPED,
    TABLED,
    attributes_of,
    bounded,
    by_reference,
    called,
    computed,
    constant_of,
    levels_of,
    read_graph,
)
from logicnn.importers.imported import Given, Imported, Importer, ImportRefused, Walk
from logicnn.importers.words import Layered, WordSums, counting, integers_of, requantized, straight, thresholds
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    MaxPool2d,
    Network,
    Offset,
    Thermometer,
    simplify,
)
from logicnn.network.values import NetworkError

__all__ = ["IMPORTER", "imported"]

BATCH = 1
PIXELS = Given(Interval(0, 255), 1 / 255)
MOST_LEVELS = 255  # of an activation, above the lowest
LAST = frozenset({"Softmax", "LogSoftmax", "ArgMax", "TopK"})  # change no class


@dataclass(frozen=True)
class _Flow:
    """What flows: its shape in the file without the batch, and the numbers (levels, 1 or channels, ...) that its
    integers stand for, from the lowest on. `of` is what has summed them up, if nothing has quantized that yet; else
    they are `bits`, or lie in `words`, and are in so many channels `counted` by bits above the lowest; `layers` are
    behind it; what is `last` are classes.
    """

    shape: tuple[int, ...]
    table: np.ndarray
    of: BitSums | WordSums | None = None
    bits: bool = False
    words: tuple[int, int] | None = None
    counted: int = 0
    layers: int = 0
    last: bool = False


Value = np.ndarray | _Flow


def imported(path: Path, given: Given | None) -> Imported:
    """The network in a file, which reads `given`, by default pixels of eight bits as numbers from 0 to 1. Raises
    `ImportRefused` for what it cannot be made of.
    """
    graph, opsets = read_graph(path)
    walk = _Walk(given or PIXELS, opsets)
    for tensor in graph.initializer:
        walk.values[tensor.name] = constant_of(tensor)
    inputs = [each for each in graph.input if each.name not in walk.values]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ImportRefused(f"{path} must have one input and one output, not {len(inputs)} and {len(graph.output)}")
    walk.begin(inputs[0])
    for node in graph.node:
        walk.take(node)
    return walk.ended(graph.output[0].name, path.stem)


@dataclass
class _Walk(Walk):
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
        bounded(shape, f"input {tensor.name!r}")
        interval = self.given.interval
        levels = np.arange(interval.low, interval.high + 1) * self.given.scale
        table = levels.astype(np.float32).reshape(-1, *[1] * len(shape))
        self.values[tensor.name] = _Flow(shape, table, words=(interval.low, interval.high))
        self.start = self.activations = Activations(shape, interval)

    def take(self, node: Any) -> None:
        """What a node makes of its inputs."""
        if not all(isinstance(each, str) for each in (*node.input, *node.output, node.op_type, node.name)):
            raise ImportRefused("a node has names that are no text; the file is damaged")
        missing = [each for each in node.input if each and each not in self.values]
        if missing or not node.output:
            raise ImportRefused(f"{called(node)} reads {', '.join(missing) or 'something'}, which nothing gives")
        inputs = [self.values[each] if each else np.zeros(0, np.float32) for each in node.input]
        flows = [each for each in inputs if isinstance(each, _Flow)]
        if not flows:
            self.values |= computed(node, [np.asarray(each) for each in inputs], self.opsets)
        elif node.op_type == "Shape":
            self.values[node.output[0]] = np.array([BATCH, *flows[0].shape], np.int64)
        elif len(flows) > 1 or not (isinstance(inputs[0], _Flow) or node.op_type in TABLED):
            raise ImportRefused(f"{called(node)} joins two branches, or reads as a constant what depends on the input")
        elif flows[0].layers != len(self.layers):
            raise ImportRefused(f"{called(node)} is a second branch; networks here have one")
        elif flows[0].last and node.op_type not in LAST:
            raise ImportRefused(f"{called(node)} reads classes, which must be the output")
        else:
            flow = flows[0]
            constants = [each for each in inputs if isinstance(each, np.ndarray)]
            for output in node.output:
                try:
                    self.values[output] = self._flowed(node, flow, constants, inputs)
                except LogicnnError:
                    raise
                except (ArithmeticError, IndexError, TypeError, ValueError) as error:  # inputs that ONNX does not allow
                    raise ImportRefused(f"{called(node)} cannot be read: {error}") from None

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
            return self._worded(node, flow, constants)
        hint = "; a sign instead, as of BipolarQuant" if kind in ("Sigmoid", "Tanh", "HardTanh") else ""
        raise ImportRefused(f"{called(node)} of shape {list(flow.shape)} is not supported{hint}")

    # -- the table

    def _tabled(self, node: Any, flow: _Flow, inputs: Sequence[Value]) -> _Flow:
        """Number by number: the table in place of what flows."""
        if isinstance(flow.of, WordSums):
            return replace(flow, of=flow.of.then(self._step_of(node, inputs)))
        arrays = {
            name: flow.table if isinstance(each, _Flow) else each
            for name, each in zip(node.input, inputs, strict=True)
            if name
        }
        channels = flow.shape[0]
        if any(each.ndim > len(flow.shape) and each.shape[0] != 1 for each in inputs if isinstance(each, np.ndarray)):
            raise ImportRefused(f"{called(node)} must have constants for one sample")
        if node.op_type == "BatchNormalization" and flow.table.shape[1] != channels:
            tables = np.repeat(flow.table, channels, 1)
            arrays = {name: tables if each is flow.table else each for name, each in arrays.items()}
        (table, *_) = by_reference(node, arrays, self.opsets)
        sizes = table.shape[1:]
        if len(table) != len(flow.table) or len(sizes) != len(flow.shape) or sizes[0] not in (1, channels):
            raise ImportRefused(f"{called(node)} must have one constant a channel, or one for all")
        if max(sizes[1:], default=1) > 1:
            raise ImportRefused(f"{called(node)} must have one constant a channel, not one a position")
        if not np.isfinite(table).all():
            raise ImportRefused(f"{called(node)} gives what is no finite number")
        return replace(flow, table=table.astype(np.float32))

    def _step_of(self, node: Any, inputs: Sequence[Value]) -> Callable[[np.ndarray], np.ndarray]:
        """What a node makes of numbers (k, channels, ...): they grow with them, or fall."""
        if node.op_type == "Div" and not isinstance(inputs[0], _Flow):
            raise ImportRefused(f"{called(node)} must not divide by what depends on the input")

        def step(x: np.ndarray) -> np.ndarray:
            arrays = {
                name: x if isinstance(each, _Flow) else each
                for name, each in zip(node.input, inputs, strict=True)
                if name
            }
            (found, *_) = by_reference(node, arrays, self.opsets)
            if found.shape != x.shape:
                raise ImportRefused(f"{called(node)} must have one constant a channel, or one for all")
            return found.astype(np.float32)

        return step

    def _shaped(self, node: Any, flow: _Flow, inputs: Sequence[Value]) -> _Flow:
        """Another shape of the same order: of images and of numbers in a row."""
        if isinstance(flow.of, WordSums):
            raise ImportRefused(f"{called(node)} reshapes sums that are to be quantized first")
        size = int(np.prod(flow.shape))
        places = np.arange(size, dtype=np.float32).reshape(BATCH, *flow.shape)
        arrays = {
            name: places if isinstance(each, _Flow) else each for name, each in zip(node.input, inputs, strict=True)
        }
        (found, *_) = by_reference(node, arrays, self.opsets)
        if found.ndim < 2 or len(found) != BATCH or found.size != size:
            raise ImportRefused(f"{called(node)} mixes samples: it gives the shape {list(found.shape)}")
        shape = found.shape[1:]
        table = flow.table
        if table.shape[1] > 1 and shape[0] != flow.shape[0]:
            table = np.repeat(table.reshape(len(table), -1), size // flow.shape[0], 1)
            if len(shape) > 1:
                raise ImportRefused(f"{called(node)} of shape {list(flow.shape)} to {list(shape)} is not supported")
        return replace(flow, shape=shape, table=table.reshape(len(table), -1, *[1] * (len(shape) - 1)))

    # -- layers

    def _quantized(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        """To bits: what has been summed up gets its thresholds, the input a thermometer."""
        scale = _single(node, constants[0])
        if isinstance(flow.of, WordSums):
            self._levelled(node, flow.of, lambda x: (x + 0.0 >= 0).astype(np.float64), 0, 1)
            return self._signs(flow, scale)
        if flow.words and flow.layers:
            raise ImportRefused(f"{called(node)} quantizes integers once more")
        levels = flow.table.reshape(len(flow.table), -1)
        fires = levels + 0.0 >= 0
        if flow.of is None and flow.bits:
            if fires[0].any() or not fires[1].all():
                raise ImportRefused(f"{called(node)} quantizes bits once more, and not to themselves")
        elif flow.of is None:
            step = first_step(fires, self.given.interval.low, called(node))
            self._add(Thermometer(step), called(node))
            self.parts.append(f"{called(node)}: a bit of each input, from {step[0]} on")
        else:
            layer, what = flow.of.fired(fires, called(node))
            self._add(layer, called(node))
            self.parts.append(what)
        return self._signs(flow, scale)

    def _signs(self, flow: _Flow, scale: float) -> _Flow:
        """Bits that stand for -scale and scale."""
        table = np.array([-scale, scale], np.float32).reshape(-1, *[1] * len(flow.shape))
        return _Flow(flow.shape, table, bits=True, layers=len(self.layers))

    def _levelled(
        self, node: Any, of: WordSums, level: Callable[[np.ndarray], np.ndarray], low: int, high: int
    ) -> None:
        """A layer that gives the levels low ... high of sums."""
        turned, starts = thresholds(of, level, low, high, called(node))
        bias, activation = requantized(turned, starts, low, high, called(node))
        self._add(turned.layer(turned.weights, bias, activation), called(node))
        count = high - low
        self.parts.append(f"{called(node)}: {len(starts)} neurons with {count} threshold{'s' * (count > 1)}")

    def _worded(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        """To integers of several levels: sums get a threshold for each; what is such integers already must stay so."""
        scale = _single(node, constants[0])
        zero, bits = (np.asarray(each) for each in constants[1:3])
        if zero.any():
            raise ImportRefused(f"{called(node)} must have a zero point of 0, not {zero.ravel()[0]:g}")

        def level(x: np.ndarray) -> np.ndarray:
            return levels_of(node, x, scale, zero, bits)

        low, high = (int(each) for each in level(np.array([-1e30, 1e30])))
        if not 0 < high - low <= MOST_LEVELS:
            raise ImportRefused(f"{called(node)} must have 2 to {MOST_LEVELS + 1} levels, not {high - low + 1}")
        if isinstance(flow.of, WordSums):
            low = max(low, int(level(flow.of.numbers(np.stack([flow.of.low, flow.of.high]))).min()))  # of a ReLU: 0
            low = min(low, high - 1)
            self._levelled(node, flow.of, level, low, high)
        elif flow.words and np.array_equal(level(flow.table.ravel()), np.arange(flow.words[0], flow.words[1] + 1)):
            low, high = flow.words
            self.parts.append(f"{called(node)}: integers, as they are given")
            table = (np.arange(low, high + 1) * scale).astype(np.float32)
            return replace(flow, table=table.reshape(-1, *[1] * len(flow.shape)))
        elif flow.words and not flow.layers:
            return self._encoded(node, flow, level(flow.table.reshape(len(flow.table), -1)), scale)
        else:
            raise ImportRefused(
                f"{called(node)} must quantize sums, or give the integers that it is given; are range and scale right?"
            )
        table = (np.arange(low, high + 1) * scale).astype(np.float32).reshape(-1, *[1] * len(flow.shape))
        return _Flow(flow.shape, table, words=(low, high), layers=len(self.layers))

    def _encoded(self, node: Any, flow: _Flow, levels: np.ndarray, scale: float) -> _Flow:
        """The input's integers as fewer of them: each is a count of thermometer bits above the lowest."""
        assert self.activations is not None
        channels = self.activations.shape[0]
        if levels.shape[1] != 1 or (np.diff(levels[:, 0]) < 0).any() or np.diff(levels[:, 0]).max(initial=0) != 1:
            raise ImportRefused(
                f"{called(node)} must give levels that follow each other, the same for all inputs, to those that are "
                f"given: are range and scale right?"
            )
        low, high = int(levels[0, 0]), int(levels[-1, 0])
        first = self.given.interval.low
        steps = np.array([first + int(np.argmax(levels[:, 0] >= each)) for each in range(low + 1, high + 1)], np.int32)
        self._add(Thermometer(steps), called(node))
        self.parts.append(f"{called(node)}: {high - low} bits of each input, from {', '.join(map(str, steps))} on")
        table = (np.arange(low, high + 1) * scale).astype(np.float32).reshape(-1, *[1] * len(flow.shape))
        return _Flow(flow.shape, table, words=(low, high), counted=channels, layers=len(self.layers))

    def _dense(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        options = attributes_of(node)
        weights = np.asarray(constants[0])
        if options.get("transA"):
            raise ImportRefused(f"{called(node)} must not have transA")
        if weights.ndim != 2 or len(flow.shape) != 1:
            raise ImportRefused(
                f"{called(node)} must be of rows and a matrix, not of {list(flow.shape)} and {list(weights.shape)}"
            )
        rows = weights if options.get("transB") else weights.T
        if rows.shape[1] != flow.shape[0]:
            raise ImportRefused(f"{called(node)}: weights of {rows.shape[1]} inputs on {flow.shape[0]}")
        bias = constants[1] * options.get("beta", 1.0) if len(constants) > 1 else np.zeros(1)
        if self.activations is not None and len(self.activations.shape) == 3:
            self._add(Flatten(), called(node))
        rows = rows * np.float32(options.get("alpha", 1.0))
        if flow.words:
            return self._word_sums(node, flow, rows, bias, IntDense, (len(rows),))
        return self._summed(node, flow, rows, bias, BinaryDense, (len(rows),))

    def _convolved(self, node: Any, flow: _Flow, constants: Sequence[np.ndarray]) -> _Flow:
        options = attributes_of(node)
        weights = np.asarray(constants[0])
        strides, pads = options.get("strides", [1, 1]), options.get("pads", [0])
        if any(pads) and (not flow.words or flow.counted):
            raise ImportRefused(f"{called(node)} pads with zeros, which bits are not; train it without padding")
        if len(set(pads)) > 1 or options.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise ImportRefused(f"{called(node)} must pad all sides by the same, and say by how much, not {list(pads)}")
        padding = int(pads[0])
        if options.get("group", 1) != 1 or any(each != 1 for each in options.get("dilations", [1])):
            raise ImportRefused(f"{called(node)} must have one group and no dilation")
        if weights.ndim != 4 or len(flow.shape) != 3 or len(set(strides)) != 1:
            raise ImportRefused(f"{called(node)} must be of images, with one stride, not {list(strides)}")

        def layer(signs: np.ndarray, activation: Any) -> Layer:
            return BinaryConv2d(signs, activation, int(strides[0]))

        fields = [
            (size + 2 * padding - kernel) // strides[0] + 1
            for size, kernel in zip(flow.shape[1:], weights.shape[2:], strict=True)
        ]
        if weights.shape[1] != flow.shape[0] or min(fields) < 1:
            raise ImportRefused(f"{called(node)}: kernels of {list(weights.shape)} on {list(flow.shape)}")
        bias = constants[1] if len(constants) > 1 else np.zeros(1)
        if flow.words:

            def words(integers: np.ndarray, added: np.ndarray, activation: Any) -> Layer:
                return IntConv2d(integers, added, activation, None, int(strides[0]), padding)

            return self._word_sums(node, flow, weights, bias, words, (len(weights), *fields))
        return self._summed(node, flow, weights, bias, layer, (len(weights), *fields))

    def _word_sums(
        self, node: Any, flow: _Flow, weights: np.ndarray, bias: np.ndarray, layer: Layered, shape: tuple[int, ...]
    ) -> _Flow:
        """Sums of integers times integers."""
        assert flow.words is not None
        values, numbers = np.arange(flow.words[0], flow.words[1] + 1), flow.table.ravel().astype(np.float64)
        if numbers.size != values.size:
            raise ImportRefused(f"{called(node)} reads what is not the same in all channels")
        unit = numbers[-1] / values[-1] if values[-1] else numbers[0] / values[0]
        if not np.allclose(numbers, values * unit, rtol=1e-6, atol=0) or not weights.size:
            raise ImportRefused(f"{called(node)} must read integers times one number, and have weights")
        if bias.size not in (1, len(weights)):
            raise ImportRefused(f"{called(node)}: {bias.size} biases for {len(weights)} neurons")
        integers, units = integers_of(weights, called(node))
        layer = counting(layer, flow.counted, flow.words) if flow.counted else layer
        of = WordSums.of(integers, units * unit, bias.ravel(), flow.words, layer, len(shape))
        return _Flow(shape, np.zeros((1, *[1] * len(shape)), np.float32), of, layers=len(self.layers))

    def _summed(
        self, node: Any, flow: _Flow, weights: np.ndarray, bias: np.ndarray, layer: Any, shape: tuple[int, ...]
    ) -> _Flow:
        """Sums of bits."""
        if not flow.bits:
            raise ImportRefused(f"{called(node)} reads what is not quantized to two levels, the same in all channels")
        of, table = BitSums.of(weights, flow.table.ravel(), bias.ravel(), layer, called(node))
        return _Flow(shape, table.reshape(*table.shape, *[1] * (len(shape) - 1)), of, layers=len(self.layers))

    def _pooled(self, node: Any, flow: _Flow) -> _Flow:
        options = attributes_of(node)
        size = options.get("kernel_shape", [0])
        plain = not any(options.get("pads", [0])) and not options.get("ceil_mode")
        if (
            not (flow.bits or (flow.words and flow.layers and not flow.counted))
            or not (np.diff(flow.table, axis=0) > 0).all()
            or len(flow.shape) != 3
            or len(set(size)) != 1
            or options.get("strides", [1]) != size
            or not plain
        ):
            raise ImportRefused(f"{called(node)} must pool what is quantized, in squares side by side, without padding")
        self._add(MaxPool2d(int(size[0])), called(node))
        assert self.activations is not None
        self.parts.append(f"{called(node)}: {size[0]} x {size[0]}")
        return replace(flow, shape=self.activations.shape, layers=len(self.layers))

    def ended(self, output: str, name: str) -> Imported:
        """The network up to the class."""
        last = self.values.get(output)
        if not isinstance(last, _Flow) or last.of is None or len(last.shape) != 1 or last.layers != len(self.layers):
            raise ImportRefused(f"output {output!r} must be scores of classes, which nothing quantizes")
        neurons = len((last.of.alike if isinstance(last.of, WordSums) else last.of).weights)
        if last.shape != (neurons,):  # those of a convolution, flattened
            raise ImportRefused(
                f"output {output!r} must be a score of each of {neurons} neurons, not of {last.shape[0]}"
            )
        if isinstance(last.of, WordSums):
            sums = last.of.alike
            offsets, scores = straight(sums, output)
            self._add(sums.layer(sums.weights, offsets, None), f"output {output!r}")
        else:
            offsets, scores = ahead(last.of, last.table.reshape(len(last.table), -1), output)
            self._add(last.of.layer(last.of.weights, Offset(offsets)), f"output {output!r}")
        self._add(Argmax(), f"output {output!r}")
        self.parts.append(f"output {output}: {len(offsets)} classes")
        assert self.start is not None
        try:
            network = simplify(Network(self.start, self.layers, name))
        except NetworkError as error:
            raise ImportRefused(str(error)) from None
        return Imported(network, tuple(self.parts), scores)


def _last(node: Any, flow: _Flow) -> _Flow:
    """Of classes, the first of equal ones."""
    options = attributes_of(node)
    by_default = {"ArgMax": 0, "Softmax": 1, "LogSoftmax": 1}
    if len(flow.shape) != 1 or options.get("axis", by_default.get(node.op_type, -1)) not in (1, -1):
        raise ImportRefused(f"{called(node)} must be over the classes, axis 1")
    if not options.get("largest", 1) or options.get("select_last_index", 0):
        raise ImportRefused(f"{called(node)} must take the greatest, and the first of equal ones")
    return replace(flow, last=True)


def _single(node: Any, array: np.ndarray) -> float:
    if array.size != 1 or not np.isfinite(array).all() or array.ravel()[0] <= 0:
        raise ImportRefused(f"{called(node)} must have one scale above 0, not {array.ravel()[:4].tolist()}")
    return float(array.ravel()[0])


IMPORTER = Importer(".onnx", imported)
