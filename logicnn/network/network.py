"""What is computed: an immutable network of integers, and its exact value.

Conventions, fixed here and nowhere else
----------------------------------------
* Bit 1 means +1 and bit 0 means -1. Weights of a binarized layer are -1, 0, +1; 0 is a pruned synapse, which reads
  nothing.
* A synapse *agrees* when its input bit equals the sign of its weight. A neuron with a `Threshold` fires (gives bit 1)
  when at least `minimum` of its kept synapses agree; one with an `Offset` gives the integer ``agreeing + offset``.
  ``sign(0)`` is +1.
* Dense weights are (out, in), convolution weights (out, in, kh, kw), activations (n, c, h, w) or (n, features), C
  order.
* Padding of a binarized convolution reads as bit 0 (-1).
* Argmax ties go to the lowest index.
* Integer layers compute as `logicnn.network.layers.integer` says. Words are two's complement where their range has
  negative values, the lowest bit first.
* A thermometer gives bit ``c * T + t`` of its first axis from channel c and threshold t: 1 where ``x >=
  thresholds[t]``, or ``thresholds[c, t]`` where channels have their own.

Example: the neuron with weights (+1, 0, -1) and minimum 2 fires on bits (1, x, 0) only.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from logicnn import bits
from logicnn.network.layer import Layer
from logicnn.network.preparation import Preparation
from logicnn.network.values import Activations, Batch, Integers, NetworkError, PackedBits
from logicnn.storage import digest_of

__all__ = ["Network"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}|")  # also that of its bitstream, which a disk must take
CHUNK = 8192  # samples evaluated at a time: 128 words a bit, so that the bits of a layer stay in the cache


def _parts(value: Any) -> Iterator[Any]:
    """The fields of a layer, those of its activation among them, for the digest."""
    yield type(value).__name__
    for each in fields(value):
        part = getattr(value, each.name)
        if is_dataclass(part):
            yield from _parts(part)
        else:
            yield part


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier (or, without a last layer that decides, a function to bits or scores) on integers.

    `input` is shape and range of one sample; `layers` run in order. `dataset` names the data that it was trained for (a
    name in `logicnn.data.datasets`, or empty), `labels` its classes and `preparation` what samples go through before;
    none of these takes part in the digest, which identifies what is computed.

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
            raise NetworkError(f"name must be at most 100 letters, digits, '.', '_' and '-', not {self.name!r}")
        if not isinstance(self.dataset, str) or not all(isinstance(label, str) for label in self.labels):
            raise NetworkError(f"dataset and labels must be text, not {self.dataset!r} and {self.labels!r}")
        self._check_preparation()
        trail = [self.input]
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise NetworkError(f"layer {index} must be a Layer, not {layer!r}")
            if layer.encodes and index:
                raise NetworkError(
                    f"layer {index}: a {type(layer).__name__} makes the input's bits and must be the first layer"
                )
            try:
                trail.append(layer.infer(trail[-1]))
            except NetworkError as error:
                raise NetworkError(f"layer {index}: {error}") from None
        classes = trail[-1].interval.high + 1 if self.layers[-1].decides else trail[-1].size
        if self.labels and len(self.labels) != classes:
            raise NetworkError(f"labels must name {classes} classes, not {len(self.labels)}")
        for name, value in (
            ("layers", tuple(self.layers)),
            ("labels", tuple(self.labels)),
            ("activations", tuple(trail)),
        ):
            object.__setattr__(self, name, value)

    def _check_preparation(self) -> None:
        made = self.preparation
        if made is None:
            return
        if not isinstance(made, Preparation):
            raise NetworkError(f"preparation must be a Preparation, not {made!r}")
        wanted = self.input.shape, (self.input.interval.low, self.input.interval.high)
        if (made.shape, made.range) != wanted:
            raise NetworkError(
                f"preparation must give the input's shape and range {wanted}, not {(made.shape, made.range)}"
            )

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
    def decides(self) -> bool:
        """Whether its output is a class."""
        return self.layers[-1].decides

    @property
    def core_start(self) -> int:
        """Index of the first layer that is logic: one that encodes belongs to whoever feeds the hardware."""
        return int(self.layers[0].encodes)

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
        """Indices, in order, of the core's input bits that the first layer reads: no other is ever looked at."""
        word = self.core_input.interval.word
        first = next((layer for layer in self.layers[self.core_start :] if not layer.reshapes), None)
        if first is None:
            return tuple(range(self.core_bits))
        values = first.reads(self.activations[self.layers.index(first)])
        return tuple((values[:, None] * word + np.arange(word)).ravel().tolist())

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
        values: Batch = Integers(x.reshape(len(x), self.input.size))
        for layer, given in zip(self.layers[: self.core_start], self.activations, strict=False):
            values = layer.evaluate(given, values)
        return bits.from_words(values.integers, self.core_input.interval.word)

    def encoded_words(self, x: np.ndarray) -> np.ndarray:  # (n, *input.shape) integers -> (n, core_input.size) integers
        """What `encode` gives, as the words themselves."""
        return bits.to_words(self.encode(x), self.core_input.interval.word, self.core_input.interval.low < 0)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """The exact result: (n, *input.shape) integers -> (n, *output.shape) integers. Layers on bits are packed 64
        samples to a word.
        """
        return self.evaluate_bits(self.encode(x))

    def evaluate_bits(self, encoded: np.ndarray) -> np.ndarray:  # (n, core_bits) bool -> (n, *output.shape)
        """`evaluate` from the bits that the logic reads."""
        chunks = [self._evaluated(encoded[start : start + CHUNK]) for start in range(0, len(encoded), CHUNK)]
        return np.concatenate(chunks) if chunks else np.zeros((0, *self.output.shape), np.int64)

    def values(self, encoded: np.ndarray) -> Iterator[np.ndarray]:  # (n, core_bits) bool -> (n, size) integers each
        """What every layer of the logic gives, one after the other, from the bits that the logic reads."""
        for values in islice(self._values(encoded), 1, None):
            yield values.integers

    def _values(self, encoded: np.ndarray) -> Iterator[Batch]:
        """What the logic reads, then what every layer of it gives."""
        first = self.core_input
        values: Batch = (
            PackedBits(bits.pack(encoded), len(encoded))
            if first.is_bits
            else Integers(bits.to_words(encoded, first.interval.word, first.interval.low < 0))
        )
        yield values
        for layer, given in zip(self.layers[self.core_start :], self.activations[self.core_start :], strict=False):
            values = layer.evaluate(given, values)
            yield values

    def _evaluated(self, encoded: np.ndarray) -> np.ndarray:
        (last,) = deque(self._values(encoded), maxlen=1)
        return last.integers.reshape(len(encoded), *self.output.shape).astype(np.int64)
