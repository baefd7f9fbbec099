"""What binarized neurons and decisions cost as LUT4, before anything is synthesised.

The formulas count the structures that `logicnn.bits` makes, after Yosys has mapped them;
`benchmarks/results/payra.json` has the estimated beside the placed logic cells of every design. What synthesis shares
between unrolled neurons is not predicted, so that dense layers cost less than said here.
"""

from math import log2

__all__ = ["SEARCHED", "SMALL_THRESHOLDS", "TABLES", "argmax_lut4", "popcount_lut4", "threshold_lut4"]

SEARCHED = 4  # devices that layers may fill without sharing: what is larger does not fit with it either
SMALL_THRESHOLDS = (0, 1, 1, 1, 1, 3, 3)  # LUT4 of a neuron of 0 ... 6 synapses
TABLES = (0, 0, 1, 1, 1, 3, 7)  # LUT4 of any function of 0 ... 6 bits: two halves of it, and a choice


def threshold_lut4(fan_in: int) -> int:
    """LUT4 of one neuron with a threshold: a compressor tree of which only the carries are needed."""
    if fan_in < len(SMALL_THRESHOLDS):
        return SMALL_THRESHOLDS[fan_in]
    return round(2 * fan_in - 2.5 * log2(fan_in))


def popcount_lut4(fan_in: int) -> int:
    """LUT4 of one score: ``2 (n - log2 n)``, two for each full adder."""
    return round(2 * (fan_in - log2(fan_in))) if fan_in > 1 else 0


def argmax_lut4(words: int, width: int) -> int:
    """LUT4 of a tournament: a comparison and a multiplexer of word and index for each match; of narrow words all pairs
    at once.
    """
    if width <= 2:
        return words * (words - 1) // 2 + 4 * words
    index = max(1, (words - 1).bit_length())
    return (words - 1) * (round(2.4 * width) + index // 2)
