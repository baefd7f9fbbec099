"""Pooling by maximum."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from logicnn.network.layer import Arrays, Fields, Neuron, Neurons
from logicnn.network.layers.binary import fired, need_bits
from logicnn.network.values import Activations, Batch, Integers, NetworkError, PackedBits, need_image

__all__ = ["MaxPool2d"]


@dataclass(frozen=True)
class MaxPool2d(Neurons):
    """Maximum over ``size x size`` tiles of integers, or of bits (their OR); rows and columns that fill no tile are
    dropped.
    """

    size: int

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 1:
            raise NetworkError(f"MaxPool2d.size must be a positive integer, not {self.size!r}")

    def infer(self, given: Activations) -> Activations:
        need_image(self, given)
        channels, height, width = given.shape
        if min(height, width) < self.size:
            raise NetworkError(f"MaxPool2d.size {self.size} is larger than its input {given.shape}")
        return Activations((channels, height // self.size, width // self.size), given.interval)

    def tiles(self, given: Activations) -> np.ndarray:  # (outputs, size * size)
        """Which inputs every output is the maximum of."""
        _, rows, columns = self.infer(given).shape
        where = np.arange(given.size).reshape(given.shape)[:, : rows * self.size, : columns * self.size]
        tiles = where.reshape(-1, rows, self.size, columns, self.size).transpose(0, 1, 3, 2, 4)
        return tiles.reshape(-1, self.size * self.size)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        if given.is_bits:
            return PackedBits(fired(self, given, x), x.samples)
        return Integers(x.integers[:, self.tiles(given)].max(2))

    def reads(self, given: Activations) -> np.ndarray:
        return np.sort(self.tiles(given).ravel())

    @property
    def fires(self) -> bool:
        return True

    def neurons(self, given: Activations) -> Iterator[Neuron]:
        """An OR of bits is a neuron that fires when at least one input agrees."""
        need_bits(self, given)
        for tile in self.tiles(given):
            yield Neuron(tuple(tile.tolist()), (False,) * tile.size, 1)

    def described(self) -> tuple[Fields, Arrays]:
        return {"size": self.size}, {}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "MaxPool2d":
        return cls(fields["size"])
