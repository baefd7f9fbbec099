"""Layers of bits: sums of synapses that agree, and the numbers that they stand for in the file, as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from logicnn.importers.imported import ImportRefused
from logicnn.network import Layer, Threshold
from logicnn.network.fold import FoldError, fold_steps

__all__ = ["BitSums", "ahead", "first_step"]

LEVELS = 2  # of a bit
STRAIGHT = 1e-4  # of a step between scores, by which rounded ones may lie beside a line


@dataclass(frozen=True)
class BitSums:
    """Weights (out, ...) of -1, 0 and +1 whose threshold is not known yet, and what makes a layer of both."""

    weights: np.ndarray
    layer: Callable[[np.ndarray, Any], Layer]

    @classmethod
    def of(
        cls,
        weights: np.ndarray,
        bits: np.ndarray,
        bias: np.ndarray,
        layer: Callable[[np.ndarray, Any], Layer],
        what: str,
    ) -> tuple["BitSums", np.ndarray]:
        """Of weights of -s, 0 and s, one s a neuron, and what the two `bits` stand for; for each count of synapses that
        agree the number that it stands for, (counts, out) or (counts, 1).
        """
        if bits.size != LEVELS:
            raise ImportRefused(f"{what} reads what is not quantized to two levels, the same in all channels")
        if not weights.size:
            raise ImportRefused(f"{what} has no weights")
        flat = weights.reshape(len(weights), -1)
        sizes = np.abs(flat).max(1)
        signs = np.sign(weights).astype(np.int8)
        if not np.all((flat == 0) | (np.abs(flat) == sizes[:, None])) or not np.isfinite(flat).all():
            raise ImportRefused(f"{what}: weights must be -s, 0 and s, one s a neuron")
        low, high = bits
        made = cls(signs if high > 0 else -signs, layer)
        counts = np.arange(made.fan_in.max(initial=0) + 1)[:, None]
        if bias.size not in (1, len(weights)):
            raise ImportRefused(f"{what}: {bias.size} biases for {len(weights)} neurons")
        if high != -low:
            raise ImportRefused(f"{what} must read -s and s, not {low} and {high}")
        sums = (2 * counts - made.fan_in).astype(np.float32) * (sizes * abs(high)).astype(np.float32) + bias
        return made, sums.astype(np.float32)

    @property
    def fan_in(self) -> np.ndarray:  # (out,)
        return np.count_nonzero(self.weights.reshape(len(self.weights), -1), axis=1)

    def fired(self, fires: np.ndarray, what: str) -> tuple[Layer, str]:  # (counts, out) bool
        """The layer that is bit 1 for these counts, and what is to be said of it."""
        fan_in = self.fan_in
        fires = np.broadcast_to(fires, (len(fires), len(fan_in)))
        try:
            minimum, inverted = fold_steps(fires.T, fan_in)
        except FoldError as error:
            raise ImportRefused(f"{what}: {error}") from None
        weights = self.weights.copy()
        weights[inverted] *= -1
        constant = int(np.count_nonzero((minimum <= 0) | (minimum > fan_in)))
        more = f", {constant} of them constant" if constant else ""
        said = f"{what}: {len(fan_in)} neurons of {int(fan_in.max(initial=0))} synapses{more}"
        return self.layer(weights, Threshold(minimum)), said


def first_step(fires: np.ndarray, low: int, what: str) -> np.ndarray:  # (levels, 1) -> (1,)
    """The first level that is bit 1."""
    if fires.shape[1] != 1:
        raise ImportRefused(f"{what} must quantize all inputs alike")
    rises = np.diff(fires[:, 0].astype(np.int8))
    if np.count_nonzero(rises) != 1 or rises.min() < 0:
        raise ImportRefused(
            f"{what} must be -1 for low inputs and +1 for high ones of those that are given; it is "
            f"{'always the same' if not rises.any() else 'not'}: are range and scale right?"
        )
    return np.array([low + 1 + int(rises.argmax())], np.int32)


def ahead(sums: BitSums, table: np.ndarray, output: str) -> tuple[np.ndarray, np.ndarray]:
    """Integers (classes,) that are added to counts, so that they compare as the scores (counts, classes) do; and the
    score of each.
    """
    fan_in = sums.fan_in
    classes = len(fan_in)
    table = np.broadcast_to(table, (len(table), classes)).astype(np.float64)
    if classes < 2 or fan_in.min() < 1:
        raise ImportRefused(f"output {output!r} must be of classes that all have synapses")
    steps = (table[fan_in, np.arange(classes)] - table[0]) / fan_in
    step = steps[0]
    if step <= 0 or np.abs(steps - step).max() > STRAIGHT * step:
        raise ImportRefused(
            f"output {output!r}: all classes' scores must grow by the same for a synapse that agrees, not by "
            f"{steps.min():.6g} to {steps.max():.6g}"
        )
    exact = (table[0] - table[0].min()) / step
    offsets = np.rint(exact)
    if np.abs(exact - offsets).max() > STRAIGHT:
        worst = int(np.abs(exact - offsets).argmax())
        raise ImportRefused(
            f"output {output!r}: class {worst} is ahead by {exact[worst]:.4f} synapses; integers would be wrong by "
            f"{abs(exact[worst] - offsets[worst]):.4f} of one"
        )
    levels = int((offsets + fan_in).max()) + 1
    first = int(np.argmax(offsets == 0))
    scores = table[0, first] + step * np.arange(levels)
    scores[: fan_in[first] + 1] = table[: fan_in[first] + 1, first]
    return offsets.astype(np.int32), scores
