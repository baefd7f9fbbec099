"""Integers as bits that count up."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import BIT, Activations, Batch, Integers, NetworkError, increasing, read_only

__all__ = ["Thermometer"]


@dataclass(frozen=True, eq=False)
class Thermometer(Layer):
    """Integers to bits, one a threshold: (c, h, w) to (c * T, h, w), or (n,) to (n * T,). `thresholds` (T,) increase,
    and are the same for each of the first axis; or they are (c, T), of each its own, which do not fall, so that one
    with few values may repeat them.
    """

    encodes: ClassVar[bool] = True

    thresholds: np.ndarray

    def __post_init__(self) -> None:
        if np.ndim(self.thresholds) != 2:
            increasing(self, "thresholds", np.int32)
            return
        read_only(self, "thresholds", np.int32, 2)
        falls = np.flatnonzero((np.diff(self.thresholds) < 0).any(1))
        if falls.size:
            raise NetworkError(
                f"Thermometer.thresholds must not fall, but do in row {falls[0]}: {self.thresholds[falls[0]].tolist()}"
            )

    def infer(self, given: Activations) -> Activations:
        low, high = given.interval.low, given.interval.high
        if not low < self.thresholds.min() <= self.thresholds.max() <= high:
            raise NetworkError(
                f"Thermometer.thresholds must lie in {low + 1} ... {high}, the range of its input, not in "
                f"{self.thresholds.min()} ... {self.thresholds.max()}"
            )
        first, *rest = given.shape
        if self.thresholds.ndim == 2 and len(self.thresholds) != first:
            raise NetworkError(
                f"Thermometer.thresholds have {len(self.thresholds)} rows, but its input of shape {given.shape} has "
                f"{first} channels or columns"
            )
        return Activations((first * self.thresholds.shape[-1], *rest), BIT)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        values = x.integers.reshape(x.samples, given.shape[0], 1, given.size // given.shape[0])
        return Integers(
            (values >= self.thresholds[..., None]).reshape(x.samples, given.size * self.thresholds.shape[-1])
        )

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"thresholds": self.thresholds}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Thermometer":
        return cls(arrays["thresholds"])
