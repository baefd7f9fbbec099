"""What a data set is: integers and labels, and what can be wrong with one."""

from dataclasses import dataclass

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Preparation

__all__ = ["Dataset", "DatasetError", "DatasetMissing", "Split"]


class DatasetError(LogicnnError):
    """A data set that is damaged, or unknown."""


class DatasetMissing(DatasetError):
    """A data set that is not on this machine; the message says where it was looked for."""


@dataclass(frozen=True)
class Split:
    """Samples x (n, c, h, w) or (n, features) of bytes and labels y (n,) of the training or the test part.

    `real` are the same samples before they were quantised, standardised float32, where the source has more than bytes.
    """

    x: np.ndarray
    y: np.ndarray
    real: np.ndarray | None = None


@dataclass(frozen=True)
class Dataset:
    """`preparation` makes samples of what the source has, where that is not their integers."""

    name: str
    classes: tuple[str, ...]
    highest: int  # samples lie in lowest ... highest
    train: Split
    test: Split
    lowest: int = 0
    preparation: Preparation | None = None

    def held_out(self, count: int) -> tuple[Split, Split]:
        """The training samples without the last `count`, and these, which validate."""
        at = len(self.train.x) - count
        return Split(self.train.x[:at], self.train.y[:at]), Split(self.train.x[at:], self.train.y[at:])
