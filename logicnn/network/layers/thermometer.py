"""Integers as bits that count up."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import BIT, Activations, Batch, Integers, NetworkError, increasing

__all__ = ["Thermometer"]


@dataclass(frozen=True, eq=False)
class Thermometer(Layer):
    """Integers to bits, one a threshold: (c, h, w) to (c * T, h, w), or (n,) to (n * T,); increasing `thresholds`
    (T,).
    """

    encodes: ClassVar[bool] = True

    thresholds: np.ndarray

    def __post_init__(self) -> None:
        increasing(self, "thresholds", np.int32)

    def infer(self, given: Activations) -> Activations:
        low, high = given.interval.low, given.interval.high
        if not low < self.thresholds[0] <= self.thresholds[-1] <= high:
            raise NetworkError(
                f"Thermometer.thresholds must lie in {low + 1} ... {high}, the range of its input, not "
                f"{self.thresholds.tolist()}"
            )
        first, *rest = given.shape
        return Activations((first * len(self.thresholds), *rest), BIT)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        values = x.integers.reshape(x.samples, given.shape[0], 1, given.size // given.shape[0])
        return Integers((values >= self.thresholds[:, None]).reshape(x.samples, given.size * len(self.thresholds)))

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"thresholds": self.thresholds}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Thermometer":
        return cls(arrays["thresholds"])
