"""What a data set is: integers and labels, and what can be wrong with one."""

from dataclasses import dataclass, replace

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

    def part(self, rows: np.ndarray) -> "Split":
        """Some of the samples: a mask (n,), or indices."""
        return Split(self.x[rows], self.y[rows], None if self.real is None else self.real[rows])

    def without_one_of(self, count: int) -> tuple["Split", "Split"]:
        """The samples without one of `count` of those that differ, and these, which validate: equal samples are all on
        one side. They are drawn, always the same ones: every tenth digit of MNIST is easier than the rest.
        """
        _, first, inverse = np.unique(self.x.reshape(len(self.x), -1), axis=0, return_index=True, return_inverse=True)
        drawn = np.random.default_rng(count).permutation(len(first))
        held = drawn[np.argsort(np.argsort(first))[inverse.reshape(-1)]] % count == count - 1
        return self.part(~held), self.part(held)


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

    def validating(self, count: int) -> "Dataset":
        """What choices are made on: the last `count` training samples stand for the test part, which is not read."""
        train, held = self.held_out(count)
        return replace(self, train=train, test=held)

    def held_out(self, count: int) -> tuple[Split, Split]:
        """The training samples without the last `count`, and these, which validate."""
        at = len(self.train.x) - count
        return Split(self.train.x[:at], self.train.y[:at]), Split(self.train.x[at:], self.train.y[at:])
