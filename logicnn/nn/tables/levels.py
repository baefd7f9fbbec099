"""From where on the bits of columns of numbers are 1."""

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["column_thresholds"]


def column_thresholds(x: np.ndarray, levels: int, lowest: int) -> np.ndarray:  # (n, columns) -> (columns, levels) int32
    """For a `Thermometer`, thresholds of each column of the integers x, which are `lowest` at least: about as many
    samples between any two of them, none twice; of a column of few values each but the lowest, the last one repeated.
    A value that very many samples have has no more thresholds beside it than others.
    """
    if x.ndim != 2 or not x.size or x.dtype.kind not in "iu":
        raise LogicnnError(f"levels are of columns of integers, not of {x.dtype} samples of shape {x.shape[1:]}")
    if levels < 1:
        raise LogicnnError(f"levels must be 1 at least, not {levels}")
    return np.stack([_of_column(column.astype(np.int32), levels, lowest) for column in x.T])


def _of_column(column: np.ndarray, levels: int, lowest: int) -> np.ndarray:  # (n,) -> (levels,)
    values, counts = np.unique(column, return_counts=True)
    if len(values) <= levels + 1:
        found = values[1:] if len(values) > 1 else np.maximum(values, lowest + 1)
        return np.concatenate([found, np.repeat(found[-1], levels - len(found))])
    # A value that more samples have than there are to be between two thresholds has an equal share beside the others
    ordered, parts = -np.sort(-counts)[: levels + 1], levels + 1 - np.arange(levels + 1)
    shares = (len(column) - np.cumsum(ordered) + ordered) / parts
    weights = np.minimum(counts, shares[np.argmax(shares >= ordered)])
    below = np.cumsum(weights)[:-1] / weights.sum()  # the share below each value but the first
    steps = np.arange(levels)
    places = np.searchsorted(below, (steps + 1) / (levels + 1))
    places = np.maximum.accumulate(places - steps) + steps  # none twice
    return values[1:][np.minimum(places, len(below) - levels + steps)]
