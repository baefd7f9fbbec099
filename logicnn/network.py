"""What is computed: an immutable network of integers, and its exact value.

Conventions, fixed here and nowhere else
----------------------------------------
* Bit 1 means +1 and bit 0 means -1. Weights of a binarized layer are -1, 0, +1; 0 is a pruned synapse, which reads nothing.
* A synapse *agrees* when its input bit equals the sign of its weight. A neuron with a `Threshold` fires (gives bit 1) when at
  least `minimum` of its kept synapses agree; one with an `Offset` gives the integer ``agreeing + offset``. ``sign(0)`` is +1.
* Dense weights are (out, in), convolution weights (out, in, kh, kw), activations (n, c, h, w) or (n, features), C order.
* Padding of a binarized convolution reads as bit 0 (-1).
* Argmax ties go to the lowest index.
* Integer layers compute as `logicnn.integers` says. Words are two's complement where their range has negative values, lowest bit first.
* A thermometer gives bit ``c * T + t`` of its first axis from channel c and threshold t: 1 where ``x >= thresholds[t]``.

Example: the neuron with weights (+1, 0, -1) and minimum 2 fires on bits (1, x, 0) only.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from logicnn import bits, integers
from logicnn.digest import digest_of
from logicnn.integers import IntConv2d, IntDense, Requantize, Slicer
from logicnn.preparation import Picture, Preparation, Standardised
from logicnn.values import BIT, Activations, Interval, NetworkError, check_convolution, convolved, increasing, need_image, read_only

__all__ = [
    "Activations",
    "Argmax",
    "BinaryConv2d",
    "BinaryDense",
    "Flatten",
    "IntConv2d",
    "IntDense",
    "Interval",
    "Layer",
    "MaxPool2d",
    "Network",
    "NetworkError",
    "Neuron",
    "Offset",
    "Requantize",
    "Slicer",
    "Thermometer",
    "Threshold",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|")  # a network's name is also that of its bitstream
CHUNK = 8192  # samples evaluated at a time: 128 words a bit, so that the bits of a layer stay in the cache


@dataclass(frozen=True)
class Neuron:
    """One unrolled binarized neuron: which input bits it reads, which of them inverted, and its threshold or offset."""

    inputs: tuple[int, ...]
    inverted: tuple[bool, ...]
    level: int


def _ternary(owner: Any, ndim: int) -> None:
    read_only(owner, "weights", np.int8, ndim)
    wrong = owner.weights[np.abs(owner.weights) > 1]
    if wrong.size:
        raise NetworkError(f"{type(owner).__name__}.weights must be -1, 0 or +1, but hold {wrong[0]}")


@dataclass(frozen=True, eq=False)
class Threshold:
    """Activation of a binarized layer: bit 1 where at least `minimum` (out,) of a neuron's synapses agree."""

    minimum: np.ndarray

    def __post_init__(self) -> None:
        read_only(self, "minimum", np.int32, 1)

    @property
    def level(self) -> np.ndarray:
        return self.minimum


@dataclass(frozen=True, eq=False)
class Offset:
    """Output of a last layer: the integer score ``agreeing + value`` (out,) of each neuron."""

    value: np.ndarray

    def __post_init__(self) -> None:
        read_only(self, "value", np.int32, 1)

    @property
    def level(self) -> np.ndarray:
        return self.value


def _need_bits(layer: "Layer", given: Activations) -> None:
    if not given.is_bits:
        raise NetworkError(f"{type(layer).__name__} reads bits, but its input lies in {given.interval.low} ... {given.interval.high}")


def _check_levels(layer: "BinaryDense | BinaryConv2d") -> None:
    if not isinstance(layer.activation, Threshold | Offset):
        raise NetworkError(f"{type(layer).__name__}.activation must be a Threshold or an Offset, not {layer.activation!r}")
    if len(layer.activation.level) != len(layer.weights):
        raise NetworkError(
            f"{type(layer).__name__} has {len(layer.weights)} neurons but {len(layer.activation.level)} "
            f"{type(layer.activation).__name__.lower()} values"
        )


def _interval_of(layer: "BinaryDense | BinaryConv2d") -> Interval:
    if isinstance(layer.activation, Threshold):
        return BIT
    value = layer.activation.value.astype(np.int64)
    fan_in = np.count_nonzero(layer.weights.reshape(len(layer.weights), -1), axis=1)
    return Interval(int(value.min()), int((value + fan_in).max()))


@dataclass(frozen=True, eq=False)
class BinaryDense:
    """Fully connected binarized layer: (in,) bits to (out,) bits (`Threshold`) or integer scores (`Offset`)."""

    weights: np.ndarray  # (out, in), -1, 0 or +1
    activation: Threshold | Offset

    def __post_init__(self) -> None:
        _ternary(self, 2)
        _check_levels(self)

    def infer(self, given: Activations) -> Activations:
        _need_bits(self, given)
        if given.shape != self.weights.shape[1:]:
            raise NetworkError(
                f"BinaryDense.weights {self.weights.shape} read {self.weights.shape[1]} inputs, but its input has shape {given.shape}"
            )
        return Activations(self.weights.shape[:1], _interval_of(self))

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        for row, level in zip(self.weights, self.activation.level, strict=True):
            inputs = np.flatnonzero(row)
            yield Neuron(tuple(inputs.tolist()), tuple((row[inputs] < 0).tolist()), int(level))


@dataclass(frozen=True, eq=False)
class BinaryConv2d:
    """Binarized convolution (cross-correlation): (in, h, w) bits to (out, oh, ow) bits or scores. Padding reads as bit 0."""

    weights: np.ndarray  # (out, in, kh, kw), -1, 0 or +1
    activation: Threshold | Offset
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        _ternary(self, 4)
        _check_levels(self)
        check_convolution(self)

    def infer(self, given: Activations) -> Activations:
        _need_bits(self, given)
        return Activations(convolved(self, given), _interval_of(self))

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        """One neuron an output position; a kernel position over the padding agrees (weight -1) or not (+1) whatever the input."""
        _channels, _height, _width = given.shape
        where = np.pad(np.arange(given.size).reshape(given.shape), [(0, 0)] + 2 * [(self.padding, self.padding)], constant_values=-1)
        _, rows, columns = self.infer(given).shape
        kernel_height, kernel_width = self.weights.shape[2:]
        for kernel, level in zip(self.weights, self.activation.level, strict=True):
            for y in range(0, rows * self.stride, self.stride):
                for x in range(0, columns * self.stride, self.stride):
                    window = where[:, y : y + kernel_height, x : x + kernel_width]
                    agreeing = np.count_nonzero((window < 0) & (kernel < 0))
                    kept = (kernel != 0) & (window >= 0)
                    shift = -agreeing if isinstance(self.activation, Threshold) else agreeing
                    yield Neuron(tuple(window[kept].tolist()), tuple((kernel[kept] < 0).tolist()), int(level) + int(shift))


@dataclass(frozen=True)
class MaxPool2d:
    """Maximum over ``size x size`` tiles of words, or of bits (their OR); rows and columns that fill no tile are dropped."""

    size: int

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 1:
            raise NetworkError(f"MaxPool2d.size must be a positive integer, not {self.size!r}")

    def infer(self, given: Activations) -> Activations:
        need_image(self, given)
        channels, height, width = given.shape
        if min(height, width) < self.size:
            raise NetworkError(f"MaxPool2d.size {self.size} is larger than its input {given.shape}")
        return Activations((channels, height // self.size, width // self.size), given.interval)

    def tiles(self, given: Activations) -> np.ndarray:  # (outputs, size * size)
        """Which inputs every output is the maximum of."""
        _, rows, columns = self.infer(given).shape
        where = np.arange(given.size).reshape(given.shape)[:, : rows * self.size, : columns * self.size]
        tiles = where.reshape(-1, rows, self.size, columns, self.size).transpose(0, 1, 3, 2, 4)
        return tiles.reshape(-1, self.size * self.size)

    def evaluate(self, given: Activations, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, outputs)
        """Of words."""
        return x[:, self.tiles(given)].max(2)

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        """Of bits: an OR is a neuron that fires when at least one input agrees."""
        _need_bits(self, given)
        for tile in self.tiles(given):
            yield Neuron(tuple(tile.tolist()), (False,) * tile.size, 1)


@dataclass(frozen=True)
class Flatten:
    """(c, h, w) to (c * h * w,), C order."""

    def infer(self, given: Activations) -> Activations:
        return Activations((given.size,), given.interval)


@dataclass(frozen=True, eq=False)
class Thermometer:
    """Integers to bits, one a threshold: (c, h, w) to (c * T, h, w), or (n,) to (n * T,); increasing `thresholds` (T,)."""

    thresholds: np.ndarray

    def __post_init__(self) -> None:
        increasing(self, "thresholds", np.int32)

    def infer(self, given: Activations) -> Activations:
        low, high = given.interval.low, given.interval.high
        if not low < self.thresholds[0] <= self.thresholds[-1] <= high:
            raise NetworkError(
                f"Thermometer.thresholds must lie in {low + 1} ... {high}, the range of its input, not {self.thresholds.tolist()}"
            )
        first, *rest = given.shape
        return Activations((first * len(self.thresholds), *rest), BIT)

    def encode(self, x: np.ndarray) -> np.ndarray:  # (n, c, ...) integers -> (n, c * T, ...) bool
        bits_ = x[:, :, None] >= self.thresholds.reshape(-1, *[1] * (x.ndim - 2))
        return bits_.reshape(len(x), -1, *x.shape[2:])


@dataclass(frozen=True)
class Argmax:
    """The index of the greatest score; ties go to the lowest index."""

    def infer(self, given: Activations) -> Activations:
        if len(given.shape) != 1:
            raise NetworkError(f"Argmax reads (scores,), not shape {given.shape}")
        return Activations((), Interval(0, given.size - 1))


Layer = BinaryDense | BinaryConv2d | MaxPool2d | Flatten | Thermometer | IntDense | IntConv2d | Slicer | Argmax


def _parts(value: Any) -> Iterator[Any]:
    """The fields of a layer, flattened, for the digest."""
    yield type(value).__name__
    for each in fields(value):
        part = getattr(value, each.name)
        if isinstance(part, Threshold | Offset | Requantize):
            yield from _parts(part)
        else:
            yield part


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier (or, without a last `Argmax`, a function to bits or scores) on integers.

    `input` is shape and range of one sample; `layers` run in order. `dataset` names the data that it was trained for (a name in
    `logicnn.datasets`, or empty), `labels` its classes and `preparation` what samples go through before; none of these takes part in the
    digest, which identifies what is computed.

    Raises `NetworkError` where layers do not fit each other.
    """

    input: Activations
    layers: Sequence[Layer]
    name: str = ""
    dataset: str = ""
    labels: Sequence[str] = ()
    preparation: Preparation | None = None
    activations: Sequence[Activations] = field(init=False, repr=False)  # before each layer, and after the last

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError("a network needs at least one layer")
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise NetworkError(f"name must be letters, digits, '.', '_' and '-', not {self.name!r}")
        if not isinstance(self.dataset, str) or not all(isinstance(label, str) for label in self.labels):
            raise NetworkError(f"dataset and labels must be text, not {self.dataset!r} and {self.labels!r}")
        self._check_preparation()
        trail = [self.input]
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise NetworkError(f"layer {index} must be one of the layer types, not {layer!r}")
            try:
                trail.append(layer.infer(trail[-1]))
            except NetworkError as error:
                raise NetworkError(f"layer {index}: {error}") from None
        if any(isinstance(layer, Thermometer) for layer in self.layers[1:]) or not self._begins_well(trail):
            raise NetworkError("the first layer, and no other, must be a Thermometer unless the input is bits")
        classes = trail[-1].interval.high + 1 if isinstance(self.layers[-1], Argmax | Slicer) else trail[-1].size
        if self.labels and len(self.labels) != classes:
            raise NetworkError(f"labels must name {classes} classes, not {len(self.labels)}")
        for name, value in ("layers", tuple(self.layers)), ("labels", tuple(self.labels)), ("activations", tuple(trail)):
            object.__setattr__(self, name, value)

    def _check_preparation(self) -> None:
        made = self.preparation
        if made is None:
            return
        if not isinstance(made, Picture | Standardised):
            raise NetworkError(f"preparation must be a Picture or Standardised, not {made!r}")
        wanted = self.input.shape, (self.input.interval.low, self.input.interval.high)
        if (made.shape, made.range) != wanted:
            raise NetworkError(f"preparation must give the input's shape and range {wanted}, not {(made.shape, made.range)}")

    def _begins_well(self, trail: Sequence[Activations]) -> bool:
        """Whether the first layer that computes reads bits, or is one on words."""
        computing = next((index for index, layer in enumerate(self.layers) if not isinstance(layer, Flatten | Thermometer)), 0)
        return trail[computing].is_bits or isinstance(self.layers[computing], IntDense | IntConv2d | MaxPool2d | Slicer)

    @cached_property
    def _digest(self) -> str:
        return digest_of(
            list(self.input.shape),
            self.input.interval.low,
            self.input.interval.high,
            *(part for layer in self.layers for part in _parts(layer)),
        )

    def digest(self) -> str:
        """SHA-256 of what is computed: input and layers, not the names."""
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash(self.digest())

    @property
    def core_start(self) -> int:
        """Index of the first layer that is logic: a thermometer before it belongs to whoever feeds the hardware."""
        return int(isinstance(self.layers[0], Thermometer))

    @property
    def core_input(self) -> Activations:
        """The bits or words that the logic reads."""
        return self.activations[self.core_start]

    @property
    def core_bits(self) -> int:
        """Bits of a sample as the logic reads it."""
        return self.core_input.size * self.core_input.interval.word

    @property
    def output(self) -> Activations:
        return self.activations[-1]

    def read_inputs(self) -> tuple[int, ...]:
        """Indices, in order, of the core's input bits that some neuron of the first layer reads: no other is ever looked at."""
        given = self.core_input
        for layer in self.layers[self.core_start :]:
            if isinstance(layer, IntDense | IntConv2d):
                word = given.interval.word
                words = np.flatnonzero(layer.matrix(given).any(0))
                return tuple((words[:, None] * word + np.arange(word)).ravel().tolist())
            if isinstance(layer, MaxPool2d):
                word = given.interval.word
                words = np.sort(layer.tiles(given).ravel())
                return tuple((words[:, None] * word + np.arange(word)).ravel().tolist())
            if isinstance(layer, BinaryDense | BinaryConv2d):
                return tuple(sorted({index for neuron in layer.neurons(given) for index in neuron.inputs}))
        return tuple(range(self.core_bits))

    def encode(self, x: np.ndarray) -> np.ndarray:  # (n, *input.shape) integers -> (n, core_bits) bool
        """Checks samples and brings them to the bits that the logic reads, in C order."""
        x = np.asarray(x)
        if x.shape[1:] != self.input.shape or x.ndim == 0:
            raise NetworkError(f"samples must have shape (n, {', '.join(map(str, self.input.shape))}), not {x.shape}")
        if x.dtype.kind not in "iub":
            raise NetworkError(f"samples must be integers, not {x.dtype}")
        low, high = self.input.interval.low, self.input.interval.high
        if x.size and (x.min() < low or x.max() > high):
            raise NetworkError(f"samples must lie in {low} ... {high}, not {x.min()} ... {x.max()}")
        layer = self.layers[0]
        encoded = layer.encode(x) if isinstance(layer, Thermometer) else x
        return bits.from_words(encoded.reshape(len(x), self.core_input.size), self.core_input.interval.word)

    def encoded_words(self, x: np.ndarray) -> np.ndarray:  # (n, *input.shape) integers -> (n, core_input.size) integers
        """As `encode`, but the words themselves."""
        return bits.to_words(self.encode(x), self.core_input.interval.word, self.core_input.interval.low < 0)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """The exact result: (n, *input.shape) integers -> (n, *output.shape) integers. Layers on bits are packed 64 samples to a word."""
        return self.evaluate_bits(self.encode(x))

    def evaluate_bits(self, encoded: np.ndarray) -> np.ndarray:  # (n, core_bits) bool -> (n, *output.shape)
        """`evaluate` from the bits that the logic reads."""
        chunks = [self._evaluate_chunk(encoded[start : start + CHUNK]) for start in range(0, max(1, len(encoded)), CHUNK)]
        return np.concatenate(chunks)

    def _evaluate_chunk(self, encoded: np.ndarray) -> np.ndarray:
        """Layer by layer: values of bits are packed (values, words) uint64, all others are (samples, values) int64."""
        samples = len(encoded)
        first = self.core_input
        value = bits.pack(encoded) if first.is_bits else bits.to_words(encoded, first.interval.word, first.interval.low < 0)
        for layer, given in zip(self.layers[self.core_start :], self.activations[self.core_start :], strict=False):
            match layer:
                case Flatten() | Thermometer():  # a thermometer comes before the core only
                    continue
                case Argmax():
                    value = np.argmax(bits.unpack(value, samples) if given.is_bits else value, axis=1)
                case Slicer():
                    value = layer.decide(bits.unpack(value, samples).astype(np.int64) if given.is_bits else value)
                case IntDense() | IntConv2d():
                    value = integers.evaluate(layer, given, bits.unpack(value, samples) if given.is_bits else value)
                case MaxPool2d() if not given.is_bits:
                    value = layer.evaluate(given, value)
                case BinaryDense(activation=Offset()) | BinaryConv2d(activation=Offset()):
                    value = _scores(layer, given, value, samples)
                case _:
                    value = np.stack(_fire(layer, given, value))
                    continue
            gives = layer.infer(given)
            if gives.is_bits and gives.shape:
                value = bits.pack(value.astype(bool))
        if self.output.is_bits and self.output.shape:
            value = bits.unpack(value, samples)
        return value.reshape(samples, *self.output.shape).astype(np.int64)


def _signed(words: np.ndarray, neuron: Neuron, complement: np.ndarray) -> list[np.ndarray]:
    return [complement[i] if inverted else words[i] for i, inverted in zip(neuron.inputs, neuron.inverted, strict=True)]


def _fire(layer: "BinaryDense | BinaryConv2d | MaxPool2d", given: Activations, words: np.ndarray) -> list[np.ndarray]:
    wire, complement = bits.packed(words.shape[1]), ~words
    return [bits.at_least(wire, _signed(words, neuron, complement), neuron.level) for neuron in layer.neurons(given)]


def _scores(layer: BinaryDense | BinaryConv2d, given: Activations, words: np.ndarray, samples: int) -> np.ndarray:  # (samples, neurons)
    wire, complement = bits.packed(words.shape[1]), ~words
    columns = []
    for neuron in layer.neurons(given):
        width = max(1, len(neuron.inputs).bit_length())
        count = bits.popcount(wire, _signed(words, neuron, complement), 0, width)
        columns.append(bits.unpack(np.stack(count), samples) @ (1 << np.arange(width)) + neuron.level)
    return np.stack(columns, axis=1)
