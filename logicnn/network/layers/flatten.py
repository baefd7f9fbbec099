"""A map of channels as a row of features."""

from dataclasses import dataclass
from typing import ClassVar

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import Activations, Batch

__all__ = ["Flatten"]


@dataclass(frozen=True)
class Flatten(Layer):
    """(c, h, w) to (c * h * w,), C order."""

    reshapes: ClassVar[bool] = True

    def infer(self, given: Activations) -> Activations:
        return Activations((given.size,), given.interval)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return x

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Flatten":
        return cls()
