"""Networks of eight-bit integers out of TFLite files (Jacob et al., CVPR 2018): bit for bit what LiteRT answers.

An operator sums up integers times integers in 32 bits, and a multiplier brings the sum to the next integers. LiteRT's
kernels multiply by one number of 32-bit floating point and round to the nearest, of two to the even one (its older
reference kernels round twice, and differ by one in about a thousandth of the values of convolutions). That is a
threshold for each level, between which `logicnn.importers.words` finds a line in nearly all neurons; where it finds
none a layer rounds as LiteRT does (`logicnn.network.FloatScaled`). Zero points become parts of biases. What is no layer
here is one with more zeros: kernels of several groups, of holes, wider than high, padded on one side.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from logicnn.importers.chains import Chain, Operator, Tensor, read_chain
from logicnn.importers.imported import Given, Imported, Importer, ImportRefused, Walk
from logicnn.importers.words import requantized, thresholds
from logicnn.network import (
    Activations,
    Argmax,
    Flatten,
    FloatScaled,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    MaxPool2d,
    Network,
    Requantize,
)
from logicnn.network.values import NetworkError

__all__ = ["IMPORTER", "imported"]

LOWEST, HIGHEST = -128, 127
SIGNED = Interval(LOWEST, HIGHEST)
BYTES = {"INT8": SIGNED, "UINT8": Interval(0, 255)}
MOST_SUM = (1 << 31) - 1
MOST_FLOAT = 1 << 24  # up to here 32 bits of floating point hold every integer
MOST_PADDING = 16
MOST_NEURONS = 1 << 13  # of a layer, with thresholds each
MOST_SYNAPSES = 1 << 24  # of a layer, zeros included
SCORED = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC"})  # change no class
SUMS = frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D"})
KNOWN = "FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D, AVERAGE_POOL_2D, RESHAPE, SOFTMAX last"
INSTEAD = {
    "ADD": "a network without a shortcut",
    "MEAN": "an AVERAGE_POOL_2D over the whole picture",
    "TANH": "a ReLU",
    "HARD_SWISH": "a ReLU",
    "LEAKY_RELU": "a ReLU",
}


@dataclass(frozen=True)
class _Levels:
    """What an operator makes of its sums (k, out): `of` says which level, and an activation may say it `exactly`, where
    no line does.
    """

    of: Callable[[np.ndarray], np.ndarray]
    exactly: Requantize | None = None


@dataclass(frozen=True)
class _Flow:
    """What flows: `tensor`, of which a value in `interval` here is the file's integer less `zero`; its shape without
    the batch, rows, columns and channels of an image.
    """

    tensor: Tensor
    shape: tuple[int, ...]
    interval: Interval
    zero: int


@dataclass(frozen=True)
class _Sums:
    """Sums (out,) in `low` ... `high`, as `logicnn.importers.words` asks about them."""

    low: np.ndarray
    high: np.ndarray

    def numbers(self, sums: np.ndarray) -> np.ndarray:
        return sums

    def turned(self, which: np.ndarray) -> "_Sums":
        assert not which.any()  # multipliers are positive
        return self


def imported(path: Path, given: Given | None) -> Imported:
    """The network in a file, which reads `given`, by default the file's own integers. Raises `ImportRefused` for what
    it cannot be made of.
    """
    chain = read_chain(path)
    return _Walk(chain).taken(given, path.stem)


@dataclass
class _Walk(Walk):
    """Along the operators: the layers that they have needed."""

    chain: Chain
    layers: list[Layer] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    activations: Activations | None = None

    def taken(self, given: Given | None, name: str) -> Imported:
        operators = list(self.chain.operators)
        flow = _begun(self.chain.given, operators[0], given)
        if operators[0].kind == "QUANTIZE":
            operators.pop(0)
        operators, last, decides, real = _split(operators)
        channels = flow.shape[-1] if len(flow.shape) == 3 else 1
        while operators and operators[0].kind == "RESHAPE" and len(operators[0].output.shape) == 4:
            flow = replace(flow, tensor=operators[0].output, shape=_sample(operators.pop(0).output))
            channels = flow.shape[-1]
        start = self.activations = Activations(_inner(flow.shape), flow.interval)
        for place, operator in enumerate(operators):
            flow = self._next(operator, flow, _pads(operators[place + 1 :]))
        if not any(isinstance(each, IntDense | IntConv2d) for each in self.layers):
            raise ImportRefused("the file has no layer with weights")
        scores = np.arange(flow.interval.low, flow.interval.high + 1) + flow.zero
        if decides or real:
            scores = (scores - _zero(flow.tensor)).astype(np.float32) * _scale(flow.tensor)
        if decides:
            if len(flow.shape) != 1 or flow.shape[0] < 2:
                raise ImportRefused(f"{last[0]} must be of two or more classes in a row, not of {list(flow.shape)}")
            self._add(Argmax(), last[0])
        if last:
            self.parts.append(f"{', '.join(last)}: changes no {'class' if decides else 'integer'}")
        try:
            network = Network(start, self.layers, name)
        except NetworkError as error:
            raise ImportRefused(str(error)) from None
        return Imported(network, tuple(self.parts), scores, channels_last=channels > 1)

    def _next(self, operator: Operator, flow: _Flow, pads: bool) -> _Flow:
        """What an operator gives; if what reads it `pads`, as integers of which 0 stands for 0."""
        kind, output = operator.kind, operator.output
        shape = _sample(output)
        if kind not in SUMS | {"MAX_POOL_2D", "RESHAPE"}:
            hint = f"; {INSTEAD[kind]} could stand in its place" if kind in INSTEAD else ""
            raise ImportRefused(f"{operator} of shape {list(output.shape)} is not supported, but {KNOWN}{hint}")
        if output.kind != "INT8":
            raise ImportRefused(f"{operator} must give eight-bit integers, not {output.kind}")
        if kind == "RESHAPE":
            _scale(output)
            if len(shape) != 1 or int(np.prod(flow.shape)) != shape[0]:
                raise ImportRefused(f"{operator} of {list(flow.shape)} to {list(shape)}: only to numbers in a row")
            return replace(flow, tensor=output, shape=shape)
        if kind == "MAX_POOL_2D":
            self._pool(operator, flow)
            gives = replace(flow, tensor=output, shape=shape)
        else:
            zero = _zero(output) if pads else 0
            low, high = _bounds(operator)
            gives = _Flow(output, shape, Interval(low - zero, high - zero), zero)
            made = self._dense if kind == "FULLY_CONNECTED" else self._convolution
            made(operator, flow, gives.interval, zero)
        assert self.activations is not None
        if _inner(shape) != self.activations.shape:
            raise ImportRefused(f"{operator} gives {list(self.activations.shape)}, channels first, not {list(shape)}")
        return gives

    def _pool(self, operator: Operator, flow: _Flow) -> None:
        options = operator.options
        size = {options[each] for each in ("FilterHeight", "FilterWidth", "StrideH", "StrideW")}
        (one, *more), output = size, operator.output
        whole = one > 0 and (options["Padding"] == "VALID" or all(each % one == 0 for each in flow.shape[:2]))
        if more or not whole or options["FusedActivationFunction"] != "NONE" or len(flow.shape) != 3:
            raise ImportRefused(f"{operator} must be a maximum over square tiles, without padding or activation")
        if _scale(output) != _scale(flow.tensor) or _zero(output) != _zero(flow.tensor):
            raise ImportRefused(f"{operator} must not change the scale")
        self._add(MaxPool2d(one), str(operator))
        self.parts.append(f"{operator}: the greatest of {one} x {one}")

    def _dense(self, operator: Operator, flow: _Flow, interval: Interval, zero: int) -> None:
        weights = _weights(operator, 2)
        bias = _bias(operator, len(weights))
        if operator.options["WeightsFormat"] != 0:
            raise ImportRefused(f"{operator} must not shuffle its weights")
        if weights.shape[1] != int(np.prod(flow.shape)):
            raise ImportRefused(f"{operator}: weights of {weights.shape[1]} inputs on {list(flow.shape)}")
        assert self.activations is not None
        if len(self.activations.shape) == 3:
            channels, rows, columns = self.activations.shape
            weights = weights.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2).reshape(len(weights), -1)
            self._add(Flatten(), str(operator))

        def layer(added: np.ndarray, activation) -> Layer:
            return IntDense(weights, added, activation)

        levels = _scaled(operator, flow.tensor, interval, zero)
        self._summed(operator, flow, weights, bias, interval, levels, layer)

    def _convolution(self, operator: Operator, flow: _Flow, interval: Interval, zero: int) -> None:
        if len(flow.shape) != 3:
            raise ImportRefused(f"{operator} must be of images, not of {list(flow.shape)}")
        rows, columns, channels = flow.shape
        if operator.kind == "AVERAGE_POOL_2D":
            size = operator.options["FilterHeight"], operator.options["FilterWidth"]
            if min(size) < 1 or size[0] * size[1] * channels**2 > MOST_SYNAPSES:
                raise ImportRefused(f"{operator} must be of 1 to {MOST_SYNAPSES} synapses")
            weights = np.eye(channels, dtype=np.int64)[:, :, None, None] * np.ones(size, np.int64)
            bias, levels = np.zeros(channels, np.int64), _averaged(operator, flow, size[0] * size[1], interval, zero)
        else:
            weights = _kernels(operator, channels)
            bias = _bias(operator, len(weights))
            levels = _scaled(operator, flow.tensor, interval, zero)
        options = operator.options
        if options["StrideH"] != options["StrideW"]:
            raise ImportRefused(
                f"{operator} must have equal strides, not {options['StrideH']} and {options['StrideW']}"
            )
        stride = options["StrideH"]
        if stride < 1 or len(_sample(operator.output)) != 3:
            raise ImportRefused(f"{operator} must give images, at a stride of at least 1")
        fields = _sample(operator.output)[:2]
        weights, padding = _squared(operator, weights, (rows, columns), fields, stride)
        if padding and operator.kind == "AVERAGE_POOL_2D":
            raise ImportRefused(f"{operator} must not pad: its borders are means of fewer")
        if padding and flow.zero != _zero(flow.tensor):
            raise ImportRefused(
                f"{operator} pads the input with what stands for 0, which here is {_zero(flow.tensor) - flow.zero}; "
                f"give a range and a scale in which 0 stands for 0, as --range 0 255 --scale 1/255"
            )

        def layer(added: np.ndarray, activation) -> Layer:
            return IntConv2d(weights, added, activation, None, stride, padding)

        self._summed(operator, flow, weights, bias, interval, levels, layer)

    def _summed(
        self,
        operator: Operator,
        flow: _Flow,
        weights: np.ndarray,
        bias: np.ndarray,
        interval: Interval,
        levels: _Levels,
        layer: Callable[..., Layer],
    ) -> None:
        """A layer of these weights, whose sums are brought to the levels of the interval."""
        flat = weights.reshape(len(weights), -1)
        offset = flow.zero if operator.kind == "AVERAGE_POOL_2D" else flow.zero - _zero(flow.tensor)
        bias = bias + offset * flat.sum(1)
        given = flow.interval
        up, down = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
        sums = _Sums(up * given.low + down * given.high + bias, up * given.high + down * given.low + bias)
        if max(-sums.low.min(), sums.high.max()) > MOST_SUM:
            raise ImportRefused(f"{operator} has sums beyond 32 bits")
        if len(bias) > MOST_NEURONS:
            raise ImportRefused(f"{operator} must have at most {MOST_NEURONS} neurons, not {len(bias)}")
        _, starts = thresholds(sums, levels.of, interval.low, interval.high, str(operator))
        try:
            added, activation = requantized(sums, starts, interval.low, interval.high, str(operator))
        except ImportRefused:
            # beyond the outermost thresholds a sum is clipped, however it is rounded
            reached = np.clip(starts, sums.low[:, None], sums.high[:, None])
            if levels.exactly is None or np.abs(reached).max() > MOST_FLOAT:
                raise
            added, activation = np.zeros(len(bias), np.int64), levels.exactly
        self._add(layer(bias + added, activation), str(operator))
        self.parts.append(
            f"{operator}: {len(weights)} neurons of {flat.shape[1]} synapses, {int(np.count_nonzero(flat))} not 0"
        )


def _begun(tensor: Tensor, first: Operator, given: Given | None) -> _Flow:
    """The network's input: the integers of the file, or those of which it makes them by adding a number; behind a
    QUANTIZE, if the file has one `first`.
    """
    held, more = tensor, 0  # what the network reads, and what is to be added to integers of the file's input
    if first.kind == "QUANTIZE":
        held = first.output
        if tensor.kind in BYTES:  # else real numbers, which are quantized before they get here
            more = _zero(held) - _zero(tensor, BYTES[tensor.kind])
            if _scale(tensor) != _scale(held) or BYTES[tensor.kind].low + more != LOWEST or held.kind != "INT8":
                raise ImportRefused(f"{first} must keep every level of {tensor}; train it with one scale")
    if held.kind != "INT8":
        raise ImportRefused(f"input {held} must be of eight-bit integers, not of {held.kind}; convert it to INT8")
    shape, own = _sample(held), Interval(LOWEST - more, HIGHEST - more)
    if given is None:
        return _Flow(held, shape, own, more)
    scale, zero = _scale(held), _zero(held) - more
    values = np.arange(given.interval.low, given.interval.high + 1)
    integers = np.rint(values * given.scale / float(scale)).astype(np.int64) + zero
    apart = integers - values
    if (apart != apart[0]).any() or integers[0] < own.low or integers[-1] > own.high:
        raise ImportRefused(
            f"input {tensor} has steps of {scale:.6g} from {(own.low - zero) * scale:.6g} to "
            f"{(own.high - zero) * scale:.6g}, which the integers {given.interval.low} ... {given.interval.high} times "
            f"{given.scale:.6g} are not"
        )
    return _Flow(held, shape, given.interval, int(apart[0]) + more)


def _split(operators: list[Operator]) -> tuple[list[Operator], list[str], bool, bool]:
    """Those that compute, what follows them, whether that makes a class of them, and whether it gives real numbers."""
    last: list[str] = []
    real = decides = False
    while operators and operators[-1].kind in SCORED | {"DEQUANTIZE", "QUANTIZE", "ARG_MAX"}:
        kind = operators[-1].kind
        if kind == "ARG_MAX":
            given, *constants = operators[-1].inputs
            axes = [each.data.ravel().tolist() for each in constants if each is not None and each.data is not None]
            if given is None or axes not in ([[-1]], [[len(given.shape) - 1]]) or (last and not decides):
                raise ImportRefused(f"{operators[-1]} must be the class, over the last axis, and not over {axes}")
        real |= kind == "DEQUANTIZE"
        decides |= kind in SCORED | {"ARG_MAX"}
        last.insert(0, str(operators.pop().kind))
    if "QUANTIZE" in last and not decides:
        raise ImportRefused("a QUANTIZE in the end gives other integers than the layer before it; leave it out")
    return operators, last, decides, real


def _inner(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Channels first."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def _sample(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a sample."""
    if len(tensor.shape) not in (2, 4) or tensor.shape[0] != 1 or min(tensor.shape) < 1:
        raise ImportRefused(f"tensor {tensor} must be of one sample: numbers in a row, or an image")
    return tensor.shape[1:]


def _scale(tensor: Tensor) -> np.float32:
    if len(tensor.scales) != 1:
        raise ImportRefused(f"tensor {tensor} must have one scale, not {len(tensor.scales)}; is the file quantized?")
    return tensor.scales[0]


def _zero(tensor: Tensor, within: Interval = SIGNED) -> int:
    _scale(tensor)
    zero = int(tensor.zeros[0])
    if not within.low <= zero <= within.high:
        raise ImportRefused(f"tensor {tensor} must have a zero point of eight bits, not {zero}")
    return zero


def _bounds(operator: Operator) -> tuple[int, int]:
    """Of the integers that an operator gives, with its activation."""
    scale, zero, name = _scale(operator.output), _zero(operator.output), operator.options["FusedActivationFunction"]
    bounds = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
    if name not in bounds:
        raise ImportRefused(f"{operator} must have a ReLU, ReLU6 or no activation, not {name}")
    low, high = (
        None if each is None else int(np.rint(np.float32(each) / scale + np.float32(zero))) for each in bounds[name]
    )
    low, high = max(LOWEST, LOWEST if low is None else low), min(HIGHEST, HIGHEST if high is None else high)
    if not low < high:
        raise ImportRefused(f"{operator} must give more than one level; its zero point is {zero}")
    return low, high


def _constant(operator: Operator, place: int, kind: str) -> Tensor | None:
    found = operator.inputs[place] if place < len(operator.inputs) else None
    if found is not None and (found.data is None or found.kind != kind):
        raise ImportRefused(f"{operator}: {found} must be constants of {kind}, not {found.kind}")
    return found


def _weights(operator: Operator, dimensions: int) -> np.ndarray:  # int64
    found = _constant(operator, 1, "INT8")
    if found is None or found.data is None or found.data.ndim != dimensions or not found.data.size:
        raise ImportRefused(f"{operator} must have weights of {dimensions} dimensions")
    if found.zeros.any():
        raise ImportRefused(f"{operator}: weights must have a zero point of 0")
    return found.data.astype(np.int64)


def _bias(operator: Operator, count: int) -> np.ndarray:  # (count,) int64
    found = _constant(operator, 2, "INT32")
    bias = np.zeros(count, np.int64) if found is None or found.data is None else found.data.astype(np.int64)
    if bias.shape != (count,):
        raise ImportRefused(f"{operator} must have a bias for each of {count} neurons, not {list(bias.shape)}")
    return bias


def _kernels(operator: Operator, channels: int) -> np.ndarray:  # (out, channels, rows, columns)
    """With zeros for channels of other groups, and between synapses that are apart."""
    weights = _weights(operator, 4)
    if operator.kind == "DEPTHWISE_CONV_2D":
        weights = weights.transpose(3, 1, 2, 0)
    neurons, high, wide, each = weights.shape
    if channels % each or neurons % (channels // each) or neurons != operator.output.shape[-1]:
        raise ImportRefused(f"{operator}: kernels of {list(weights.shape)} on {channels} channels")
    down, right = (operator.options[name] for name in ("DilationHFactor", "DilationWFactor"))
    size = (high - 1) * down + 1, (wide - 1) * right + 1
    if min(down, right) < 1 or neurons * channels * size[0] * size[1] > MOST_SYNAPSES:
        raise ImportRefused(f"{operator} must be of at most {MOST_SYNAPSES} synapses")
    made = np.zeros((neurons, channels, *size), np.int64)
    group = neurons // (channels // each)
    for neuron in range(neurons):
        first = neuron // group * each
        made[neuron, first : first + each, ::down, ::right] = weights[neuron].transpose(2, 0, 1)
    return made


def _pads(operators: list[Operator]) -> bool:
    """Whether what sums up next may read a border."""
    following = next((each for each in operators if each.kind in SUMS), None)
    return following is not None and following.options.get("Padding") == "SAME" and following.kind != "AVERAGE_POOL_2D"


def _squared(
    operator: Operator, weights: np.ndarray, image: tuple[int, ...], fields: tuple[int, ...], stride: int
) -> tuple[np.ndarray, int]:
    """Kernels with zeros at their borders so that the same padding on all sides reads what the file's reads, and that
    padding.
    """
    size = weights.shape[2:]
    if operator.options["Padding"] == "VALID":
        wanted, before = tuple((a - b) // stride + 1 for a, b in zip(image, size, strict=True)), (0, 0)
    else:
        wanted = tuple(-(-each // stride) for each in image)
        total = [max(0, (c - 1) * stride + b - a) for a, b, c in zip(image, size, wanted, strict=True)]
        before = total[0] // 2, total[1] // 2
    if tuple(fields) != wanted or min(wanted) < 1:
        raise ImportRefused(f"{operator} must give {list(wanted)} positions, not {list(fields)}")
    for padding in range(max(before), MOST_PADDING + 1):
        behind = []
        for axis in range(2):
            reach = padding - before[axis] + size[axis]
            positions = (image[axis] + 2 * padding - reach) // stride + 1
            behind.append((positions - wanted[axis]) * stride if positions >= wanted[axis] else None)
        if None not in behind:
            zeros = [(padding - first, after) for first, after in zip(before, behind, strict=True)]
            wide = [each + sum(more) for each, more in zip(size, zeros, strict=True)]
            if weights.shape[0] * weights.shape[1] * wide[0] * wide[1] > MOST_SYNAPSES:
                raise ImportRefused(f"{operator} must be of at most {MOST_SYNAPSES} synapses with its padding")
            return np.pad(weights, [(0, 0), (0, 0), *zeros]), padding
    raise ImportRefused(f"{operator} pads by more than {MOST_PADDING}")


def _scaled(operator: Operator, given: Tensor, interval: Interval, zero: int) -> _Levels:
    """What LiteRT's kernels (XNNPACK's) make of sums: in 32 bits, the even one of two levels that are as near."""
    weights, output = operator.inputs[1], operator.output
    assert weights is not None
    neurons = output.shape[-1]
    if len(weights.scales) not in (1, neurons):
        raise ImportRefused(f"{operator} must have a scale for its weights, or one a neuron, not {len(weights.scales)}")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factor = _scale(given) * weights.scales / _scale(output)
    if not (np.isfinite(factor).all() and (factor > 0).all()):
        raise ImportRefused(f"{operator} has scales that are too far from each other")
    offset = _zero(output) - zero

    def of(sums: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(sums.astype(np.float32) * factor) + offset, interval.low, interval.high)

    fraction, exponent = np.frexp(np.broadcast_to(factor, neurons).astype(np.float64))
    try:
        exactly = FloatScaled(np.rint(np.ldexp(fraction, 24)), 24 - exponent, interval.low, interval.high, offset)
    except NetworkError:  # a scale that is far from others
        exactly = None
    return _Levels(of, exactly)


def _averaged(operator: Operator, flow: _Flow, count: int, interval: Interval, zero: int) -> _Levels:
    """The mean of so many integers, which rounds away from 0 what lies between two."""
    if _scale(operator.output) != _scale(flow.tensor) or _zero(operator.output) != _zero(flow.tensor):
        raise ImportRefused(f"{operator} must not change the scale")

    def of(sums: np.ndarray) -> np.ndarray:
        nearest = (np.abs(sums) + count // 2) // count * np.sign(sums)
        return np.clip(nearest - zero, interval.low, interval.high)

    return _Levels(of)


IMPORTER = Importer(".tflite", imported)
