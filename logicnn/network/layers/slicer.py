"""The class of one score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import Activations, Batch, Integers, Interval, NetworkError, increasing

__all__ = ["Slicer"]


@dataclass(frozen=True, eq=False)
class Slicer(Layer):
    """How many of the increasing `thresholds` (T,) one score reaches, 0 ... T: a receiver's decision device."""

    decides: ClassVar[bool] = True

    thresholds: np.ndarray

    def __post_init__(self) -> None:
        increasing(self, "thresholds", np.int64)

    def infer(self, given: Activations) -> Activations:
        if given.shape != (1,):
            raise NetworkError(f"Slicer reads one score, not shape {given.shape}")
        return Activations((), Interval(0, len(self.thresholds)))

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return Integers(np.searchsorted(self.thresholds, x.integers[:, 0], side="right")[:, None])

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"thresholds": self.thresholds}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Slicer":
        return cls(arrays["thresholds"])
