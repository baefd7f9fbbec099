"""What a layer is: one class in a file of its own in `logicnn.network.layers`, and everything that a `Network` asks it.

A class that names itself `Layer` is known to networks and to network files from then on; nothing else lists it. What it
costs as logic and which component builds it is said where that is at home: `logicnn.engines.unrolled` and
`logicnn.gateware.unrolled`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import isabstract
from typing import Any, ClassVar, Self

import numpy as np

from logicnn.network.values import Activations, Batch

__all__ = ["Arrays", "Fields", "Layer", "Neuron", "Neurons"]

Fields = dict[str, Any]  # of a layer in a network file: JSON
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """A step of a network: integers of one shape and range to integers of another. Values are in C order of their
    shape.

    Arrays that it holds are of one dtype and read only, which `logicnn.network.values.read_only` sees to in
    ``__post_init__``: a network's digest is that of its layers' arrays.
    """

    types: ClassVar[dict[str, type["Layer"]]] = {}  # all of them, by the name that network files give them
    # Makes bits for the logic, and belongs to whoever feeds that: only a first layer may
    encodes: ClassVar[bool] = False
    reshapes: ClassVar[bool] = False  # gives its input, value by value: no logic
    decides: ClassVar[bool] = False  # gives a class

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not isabstract(cls):
            Layer.types[cls.__name__] = cls

    @abstractmethod
    def infer(self, given: Activations) -> Activations:
        """What it gives for such inputs. Raises `NetworkError` where it does not read them."""

    @abstractmethod
    def evaluate(self, given: Activations, x: Batch) -> Batch:  # (samples, given.size) -> (samples, infer(given).size)
        """The exact result."""

    def reads(self, given: Activations) -> np.ndarray:
        """Indices, increasing, of the input values on which some output depends: all of them unless a layer says
        otherwise.
        """
        return np.arange(given.size)

    @abstractmethod
    def described(self) -> tuple[Fields, Arrays]:
        """The layer in a network file: fields (JSON, without its type) and arrays."""

    @classmethod
    @abstractmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> Self:
        """The inverse of `described`; anything else ends in `NetworkError`, `KeyError`, `TypeError` or `ValueError`."""


@dataclass(frozen=True)
class Neuron:
    """One unrolled binarized neuron: which input bits it reads, which of them inverted, and its threshold or offset."""

    inputs: tuple[int, ...]
    inverted: tuple[bool, ...]
    level: int


class Neurons(Layer):
    """A layer whose outputs are binarized neurons, one each, where it reads bits."""

    @property
    @abstractmethod
    def fires(self) -> bool:
        """Whether its neurons give bits, by a threshold (`Neuron.level`), or scores, with an offset."""

    @abstractmethod
    def neurons(self, given: Activations) -> Iterator[Neuron]:
        """The neuron of every output, for an input of bits."""
