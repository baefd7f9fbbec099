"""Learned tables: any function of a few bits as a neuron, which is one LUT of the fabric; and the sums that classes
are of their bits.

Tables of learned bits are the neurons of LogicNets (Umuroglu et al. 2020), of differentiable logic gates (Petersen et
al. 2022) and of differentiable weightless networks (Bacellar et al. 2024); a LUT4 is a table of four inputs.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from logicnn import bits
from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.layers.binary import need_bits
from logicnn.network.values import BIT, Activations, Batch, Integers, Interval, NetworkError, PackedBits, read_only

__all__ = ["MOST_INPUTS", "GroupSum", "LutLayer"]

MOST_INPUTS = 6
MOST_WEIGHT = 127


@dataclass(frozen=True, eq=False)
class LutLayer(Layer):
    """Tables of k bits each, 2 to 6: bits of any shape to (out,) bits.

    Table j gives ``tables[j, row]``, where bit i of the row's number is the input bit ``connections[j, i]``.
    """

    connections: np.ndarray  # (out, k) indices of input bits
    tables: np.ndarray  # (out, 2 ** k), 0 or 1

    def __post_init__(self) -> None:
        read_only(self, "connections", np.int32, 2)
        read_only(self, "tables", np.uint8, 2)
        count, k = self.connections.shape
        if not 2 <= k <= MOST_INPUTS:
            raise NetworkError(f"LutLayer.connections must be of 2 to {MOST_INPUTS} inputs a table, not {k}")
        if not count:
            raise NetworkError("LutLayer.connections must be of 1 table at least, not 0")
        if self.tables.shape != (count, 1 << k):
            raise NetworkError(
                f"LutLayer.tables must have shape {(count, 1 << k)} for connections of shape "
                f"{self.connections.shape}, not {self.tables.shape}"
            )
        if self.tables.max() > 1:
            raise NetworkError(f"LutLayer.tables must be 0 or 1, but hold {self.tables.max()}")
        if self.connections.min() < 0:
            raise NetworkError(f"LutLayer.connections must be 0 at least, not {self.connections.min()}")

    def infer(self, given: Activations) -> Activations:
        need_bits(self, given)
        if int(self.connections.max()) >= given.size:
            table = int(self.connections.max(1).argmax())
            raise NetworkError(
                f"LutLayer.connections must be below {given.size}, the size of its input, but table {table} reads "
                f"input {self.connections.max()}"
            )
        return Activations((len(self.tables),), BIT)

    @property
    def depends(self) -> np.ndarray:  # (out, k) bool
        """On which of its inputs each table depends."""
        count, k = self.connections.shape
        rows = self.tables.reshape(count, *[2] * k)
        halves = (np.take(rows, [0], axis) != np.take(rows, [1], axis) for axis in range(k, 0, -1))
        return np.stack([each.reshape(count, -1).any(1) for each in halves], axis=1)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        wire = bits.packed(x.packed.shape[1])
        made = (
            bits.table(wire, list(x.packed[inputs]), rows.tolist())
            for inputs, rows in zip(self.connections, self.tables, strict=True)
        )
        return PackedBits(np.stack(list(made)), x.samples)

    def reads(self, given: Activations) -> np.ndarray:
        return np.unique(self.connections[self.depends]).astype(np.int64)

    def described(self) -> tuple[Fields, Arrays]:
        return {"shape": list(self.connections.shape)}, {
            "connections": self.connections.astype(np.uint16 if self.connections.max() < 1 << 16 else np.uint32),
            "tables": np.packbits(self.tables),
        }

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> Self:
        count, k = fields["shape"]
        connections, packed = arrays["connections"], arrays["tables"]
        if connections.shape != (count, k) or not 2 <= k <= MOST_INPUTS or packed.shape != (-(-(count << k) // 8),):
            raise NetworkError(f"connections and tables do not match the shape {(count, k)}")
        return cls(connections, np.unpackbits(packed, count=count << k).reshape(count, 1 << k))


@dataclass(frozen=True, eq=False)
class GroupSum(Layer):
    """Scores of classes: bits in groups one after the other, ``sizes`` (classes,) of them, each counted as its weight,
    and an offset.
    """

    sizes: np.ndarray  # (classes,)
    weights: np.ndarray  # (in,), 1 at least
    offsets: np.ndarray  # (classes,)

    def __post_init__(self) -> None:
        read_only(self, "sizes", np.int32, 1)
        read_only(self, "weights", np.int16, 1)
        read_only(self, "offsets", np.int32, 1)
        if not self.sizes.size or self.sizes.min() < 0:
            raise NetworkError(f"GroupSum.sizes must be of 1 class at least, and none below 0, not {self.sizes}")
        if int(self.sizes.sum()) != len(self.weights):
            raise NetworkError(
                f"GroupSum.weights must be {self.sizes.sum()}, the sum of its sizes, not {len(self.weights)}"
            )
        if len(self.offsets) != len(self.sizes):
            raise NetworkError(f"GroupSum.offsets must be {len(self.sizes)}, as its sizes, not {len(self.offsets)}")
        wrong = self.weights[(self.weights < 1) | (self.weights > MOST_WEIGHT)]
        if wrong.size:
            raise NetworkError(f"GroupSum.weights must lie in 1 ... {MOST_WEIGHT}, but hold {wrong[0]}")

    @property
    def groups(self) -> list[slice]:
        """The bits of every class."""
        ends = np.cumsum(self.sizes, dtype=np.int64).tolist()
        return [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    @property
    def most(self) -> np.ndarray:  # (classes,) int64
        """The greatest score of every class."""
        sums = np.append(0, np.cumsum(self.weights, dtype=np.int64))
        return np.diff(sums[np.append(0, np.cumsum(self.sizes, dtype=np.int64))]) + self.offsets

    def infer(self, given: Activations) -> Activations:
        need_bits(self, given)
        if given.size != len(self.weights):
            raise NetworkError(f"GroupSum.weights are of {len(self.weights)} bits, but its input has {given.size}")
        return Activations(self.sizes.shape, Interval(int(self.offsets.min()), int(self.most.max())))

    def columns(self, group: slice) -> list[list[int]]:
        """The inputs of a class whose weights have a bit, by bit."""
        weights = self.weights[group]
        width = int(weights.max(initial=1)).bit_length()
        return [(group.start + np.flatnonzero(weights >> place & 1)).tolist() for place in range(width)]

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        wire, scores = bits.packed(x.packed.shape[1]), []
        for group, offset in zip(self.groups, self.offsets.tolist(), strict=True):
            width = max(1, int(self.weights[group].sum()).bit_length())
            columns = [[x.packed[each] for each in column] for column in self.columns(group)]
            word = np.stack(bits.add_bits(wire, columns, 0, width))
            scores.append(bits.unpack(word, x.samples) @ (1 << np.arange(width)) + offset)
        return Integers(np.stack(scores, axis=1))

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"sizes": self.sizes, "weights": self.weights, "offsets": self.offsets}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> Self:
        return cls(arrays["sizes"], arrays["weights"], arrays["offsets"])
