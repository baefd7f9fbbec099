"""Binarized layers: weights -1, 0, +1 on bits, a threshold or an offset for each neuron."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from logicnn import bits
from logicnn.network.layer import Arrays, Fields, Neuron, Neurons
from logicnn.network.values import (
    BIT,
    Activations,
    Batch,
    Integers,
    Interval,
    NetworkError,
    PackedBits,
    check_convolution,
    convolved,
    read_only,
)

__all__ = ["BinaryConv2d", "BinaryDense", "Offset", "Threshold", "fired", "need_bits"]

LARGEST_WEIGHTS = 1 << 25  # elements of one layer, which a file of a few bytes may ask for


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


ACTIVATIONS = {"Threshold": Threshold, "Offset": Offset}  # by their names in network files


def need_bits(layer: Any, given: Activations) -> None:
    if not given.is_bits:
        raise NetworkError(
            f"{type(layer).__name__} reads bits, but its input lies in {given.interval.low} ... {given.interval.high}"
        )


class _Binary(Neurons):
    """What dense and convolution layers have in common."""

    weights: np.ndarray  # (out, ...), -1, 0 or +1
    activation: Threshold | Offset

    def _check(self, ndim: int) -> None:
        name = type(self).__name__
        read_only(self, "weights", np.int8, ndim)
        wrong = self.weights[np.abs(self.weights) > 1]
        if wrong.size:
            raise NetworkError(f"{name}.weights must be -1, 0 or +1, but hold {wrong[0]}")
        if not isinstance(self.activation, Threshold | Offset):
            raise NetworkError(f"{name}.activation must be a Threshold or an Offset, not {self.activation!r}")
        if len(self.activation.level) != len(self.weights):
            kind = type(self.activation).__name__.lower()
            raise NetworkError(f"{name} has {len(self.weights)} neurons but {len(self.activation.level)} {kind} values")

    @property
    def fires(self) -> bool:
        return isinstance(self.activation, Threshold)

    @property
    def fan_in(self) -> np.ndarray:  # (out,)
        """Synapses that every neuron keeps."""
        return np.count_nonzero(self.weights.reshape(len(self.weights), -1), axis=1)

    def _interval(self) -> Interval:
        if isinstance(self.activation, Threshold):
            return BIT
        value = self.activation.value.astype(np.int64)
        return Interval(int(value.min()), int((value + self.fan_in).max()))

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return PackedBits(fired(self, given, x), x.samples) if self.fires else Integers(_scores(self, given, x))

    def reads(self, given: Activations) -> np.ndarray:
        return np.array(sorted({index for neuron in self.neurons(given) for index in neuron.inputs}), np.int64)

    def _fields(self) -> Fields:
        return {"shape": list(self.weights.shape), "activation": type(self.activation).__name__}

    def _arrays(self) -> Arrays:
        """Weights neuron by neuron: how many synapses are kept, which inputs they read, a packed bit each for the
        sign.
        """
        rows = self.weights.reshape(len(self.weights), -1)
        _, inputs = np.nonzero(rows)
        return {
            "kept": np.count_nonzero(rows, axis=1).astype(np.uint32),
            "inputs": inputs.astype(np.uint32 if rows.shape[1] > 1 << 16 else np.uint16),
            "negative": np.packbits(rows[rows != 0] < 0),
            "level": self.activation.level,
        }


def _parts(fields: Fields, arrays: Arrays) -> tuple[np.ndarray, Threshold | Offset]:
    """Weights and activation from a network file."""
    return _weights(fields["shape"], arrays), ACTIVATIONS[fields["activation"]](arrays["level"])


def _weights(shape: Sequence[int], arrays: Arrays) -> np.ndarray:
    size = int(np.prod(shape, dtype=object))
    if not 0 < size <= LARGEST_WEIGHTS:
        raise NetworkError(
            f"weights of shape {tuple(shape)} have {size} elements; at most {LARGEST_WEIGHTS} are accepted"
        )
    kept, inputs, negative = (arrays[name] for name in ("kept", "inputs", "negative"))
    width = size // shape[0]
    matches = int(kept.sum(dtype=np.uint64)) == inputs.size and negative.shape == (-(-inputs.size // 8),)
    if kept.shape != (shape[0],) or not matches:
        raise NetworkError(f"synapses do not match the shape {tuple(shape)}")
    if inputs.size and inputs.max() >= width:
        raise NetworkError(f"a synapse reads input {inputs.max()} of {width}")
    rows = np.zeros((shape[0], width), np.int8)
    signs = 1 - 2 * np.unpackbits(negative, count=inputs.size).astype(np.int8)
    rows[np.repeat(np.arange(shape[0]), kept), inputs] = signs
    if np.count_nonzero(rows) != inputs.size:
        raise NetworkError("a neuron reads an input twice")
    return rows.reshape(shape)


@dataclass(frozen=True, eq=False)
class BinaryDense(_Binary):
    """Fully connected binarized layer: (in,) bits to (out,) bits (`Threshold`) or integer scores (`Offset`)."""

    weights: np.ndarray  # (out, in), -1, 0 or +1
    activation: Threshold | Offset

    def __post_init__(self) -> None:
        self._check(2)

    def infer(self, given: Activations) -> Activations:
        need_bits(self, given)
        if given.shape != self.weights.shape[1:]:
            raise NetworkError(
                f"BinaryDense.weights {self.weights.shape} read {self.weights.shape[1]} inputs, "
                f"but its input has shape {given.shape}"
            )
        return Activations(self.weights.shape[:1], self._interval())

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        for row, level in zip(self.weights, self.activation.level, strict=True):
            inputs = np.flatnonzero(row)
            yield Neuron(tuple(inputs.tolist()), tuple((row[inputs] < 0).tolist()), int(level))

    def described(self) -> tuple[Fields, Arrays]:
        return self._fields(), self._arrays()

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "BinaryDense":
        return cls(*_parts(fields, arrays))


@dataclass(frozen=True, eq=False)
class BinaryConv2d(_Binary):
    """Binarized convolution (cross-correlation): (in, h, w) bits to (out, oh, ow) bits or scores. Padding reads as bit
    0.
    """

    weights: np.ndarray  # (out, in, kh, kw), -1, 0 or +1
    activation: Threshold | Offset
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        self._check(4)
        check_convolution(self)

    def infer(self, given: Activations) -> Activations:
        need_bits(self, given)
        return Activations(convolved(self, given), self._interval())

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        """One neuron an output position; over the padding a kernel's weight agrees (-1) or not (+1) whatever the
        input.
        """
        around = [(0, 0)] + 2 * [(self.padding, self.padding)]
        where = np.pad(np.arange(given.size).reshape(given.shape), around, constant_values=-1)
        _, rows, columns = self.infer(given).shape
        kernel_height, kernel_width = self.weights.shape[2:]
        for kernel, level in zip(self.weights, self.activation.level, strict=True):
            for y in range(0, rows * self.stride, self.stride):
                for x in range(0, columns * self.stride, self.stride):
                    window = where[:, y : y + kernel_height, x : x + kernel_width]
                    agreeing = np.count_nonzero((window < 0) & (kernel < 0))
                    kept = (kernel != 0) & (window >= 0)
                    shift = -agreeing if self.fires else agreeing
                    inverted = tuple((kernel[kept] < 0).tolist())
                    yield Neuron(tuple(window[kept].tolist()), inverted, int(level) + int(shift))

    def described(self) -> tuple[Fields, Arrays]:
        return self._fields() | {"stride": self.stride, "padding": self.padding}, self._arrays()

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "BinaryConv2d":
        return cls(*_parts(fields, arrays), fields["stride"], fields["padding"])


def _signed(packed: np.ndarray, neuron: Neuron, complement: np.ndarray) -> list[np.ndarray]:
    return [
        complement[i] if inverted else packed[i] for i, inverted in zip(neuron.inputs, neuron.inverted, strict=True)
    ]


def fired(layer: Neurons, given: Activations, x: Batch) -> np.ndarray:  # (outputs, words) uint64
    """Which neurons of a layer with thresholds fire, packed."""
    wire, complement = bits.packed(x.packed.shape[1]), ~x.packed
    neurons = layer.neurons(given)
    return np.stack([bits.at_least(wire, _signed(x.packed, each, complement), each.level) for each in neurons])


def _scores(layer: Neurons, given: Activations, x: Batch) -> np.ndarray:  # (samples, outputs) int64
    wire, complement = bits.packed(x.packed.shape[1]), ~x.packed
    columns = []
    for neuron in layer.neurons(given):
        width = max(1, len(neuron.inputs).bit_length())
        count = bits.popcount(wire, _signed(x.packed, neuron, complement), 0, width)
        columns.append(bits.unpack(np.stack(count), x.samples) @ (1 << np.arange(width)) + neuron.level)
    return np.stack(columns, axis=1)
