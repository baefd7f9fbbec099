"""Words as bits of a netlist, and a netlist against what it should compute."""

from collections.abc import Sequence

import numpy as np

from logicnn.bits import from_words, pack, unpack
from logicnn.errors import CheckFailed
from logicnn.netlist.netlist import Net, Netlist
from logicnn.network import Interval

__all__ = ["as_bits", "check", "random_words", "widths_of"]

VECTORS = 640


def random_words(inputs: Sequence[Interval], seed: int) -> np.ndarray:  # (VECTORS, inputs)
    """Uniform in every interval."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(each.low, each.high + 1, VECTORS) for each in inputs], axis=1)


def widths_of(intervals: Sequence[Interval]) -> list[int]:
    return [each.word for each in intervals]


def as_bits(x: np.ndarray, widths: Sequence[int]) -> np.ndarray:  # (samples, words) -> (samples, bits) bool
    """Words side by side, the first lowest."""
    return np.concatenate([from_words(x[:, index : index + 1], width) for index, width in enumerate(widths)], axis=1)


def check(
    netlist: Netlist, given: Sequence[Net], wanted: Sequence[Net], inputs: np.ndarray, expected: np.ndarray
) -> int:
    """Compares the nets `wanted` for bits on the nets `given`; returns how many vectors, raises `CheckFailed` at the
    first difference.
    """
    actual = unpack(netlist.evaluate(dict(zip(given, pack(inputs), strict=True)), wanted), len(inputs))
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        sample, bit = wrong[0]
        vector = "".join(map(str, inputs[sample].astype(int)))
        raise CheckFailed(
            f"vector {vector}: output bit {bit} is {actual[sample, bit]:d}, expected {expected[sample, bit]:d}"
        )
    return len(inputs)
