"""The class with the greatest score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import Activations, Batch, Integers, Interval, NetworkError

__all__ = ["Argmax"]


@dataclass(frozen=True)
class Argmax(Layer):
    """The index of the greatest score; ties go to the lowest index."""

    decides: ClassVar[bool] = True

    def infer(self, given: Activations) -> Activations:
        if len(given.shape) != 1:
            raise NetworkError(f"Argmax reads (scores,), not shape {given.shape}")
        return Activations((), Interval(0, given.size - 1))

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return Integers(np.argmax(x.integers, axis=1)[:, None])

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Argmax":
        return cls()
