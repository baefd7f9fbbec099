"""From what training leaves behind to integers: exact, not rounded, and nothing kept that has no effect."""

from dataclasses import replace

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network.fold_tables import without_idle_tables
from logicnn.network.layer import Layer
from logicnn.network.layers.argmax import Argmax
from logicnn.network.layers.binary import BinaryDense, Offset, Threshold
from logicnn.network.network import Network

__all__ = ["FoldError", "fold_steps", "simplify"]


class FoldError(LogicnnError):
    """An activation that is not one step, and so no threshold."""


def fold_steps(fires: np.ndarray, fan_in: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds of neurons from their answers to every reachable count, with nothing rounded.

    `fires[j, p]` says whether neuron j fires when p of its ``fan_in[j]`` synapses agree; entries beyond ``fan_in[j]``
    are ignored. Returns (minimum, inverted): neuron j fires when at least ``minimum[j]`` synapses agree, after all its
    weights have been negated where ``inverted[j]`` (a falling step, from a negative batch norm scale).

    Raises `FoldError` where the answers rise and fall.
    """
    fires = np.asarray(fires, bool)
    fan_in = np.asarray(fan_in)
    if fires.ndim != 2 or fan_in.shape != fires.shape[:1] or np.any(fan_in < 0) or np.any(fan_in >= fires.shape[1]):
        raise FoldError(
            f"fires must have shape (neurons, more than the largest fan-in), not {fires.shape} for fan-ins up to "
            f"{fan_in.max(initial=0)}"
        )
    reachable = np.arange(fires.shape[1]) <= fan_in[:, None]
    steps = np.diff(fires.astype(np.int8), axis=1) * reachable[:, 1:]
    wrong = np.count_nonzero(steps, axis=1) > 1
    if wrong.any():
        raise FoldError(
            f"neuron {np.argmax(wrong)} is not a threshold: its answer to 0 ... {fan_in[np.argmax(wrong)]} agreeing "
            f"synapses "
            "changes more than once"
        )
    firing = np.count_nonzero(
        fires & reachable, axis=1
    )  # a rising step fires on the highest counts, a falling one on the lowest
    return fan_in + 1 - firing, steps.min(axis=1, initial=0) < 0


def _absorb_constants(layer: BinaryDense, reader: BinaryDense) -> tuple[BinaryDense, BinaryDense]:
    """Neurons that always or never fire become part of their readers' thresholds or offsets."""
    minimum = layer.activation.level
    always, never = minimum <= 0, minimum > np.count_nonzero(layer.weights, axis=1)
    if not np.any(always | never):
        return layer, reader
    agreeing = np.count_nonzero(reader.weights[:, always] > 0, axis=1) + np.count_nonzero(
        reader.weights[:, never] < 0, axis=1
    )
    weights = reader.weights.copy()
    weights[:, always | never] = 0
    match reader.activation:
        case Threshold(minimum):
            activation: Threshold | Offset = Threshold(minimum - agreeing)
        case Offset(value):
            activation = Offset(value + agreeing)
    return layer, BinaryDense(weights, activation)


def _without_common_offset(value: np.ndarray) -> np.ndarray:
    """Offsets from 0 on; unchanged where they are so far apart that a difference would not fit."""
    shifted = value.astype(np.int64) - value.min()
    return shifted if shifted.max() <= np.iinfo(np.int32).max else value


def _drop_unread(layer: BinaryDense, reader: BinaryDense) -> tuple[BinaryDense, BinaryDense]:
    """Neurons that nothing reads disappear; a last one stays, for a layer must not be empty."""
    read = np.any(reader.weights != 0, axis=0)
    read[0] |= not read.any()
    return BinaryDense(layer.weights[read], Threshold(layer.activation.level[read])), BinaryDense(
        reader.weights[:, read], reader.activation
    )


def _fires(layer: Layer) -> bool:
    return isinstance(layer, BinaryDense) and layer.fires


def simplify(network: Network) -> Network:
    """The same function with less: no constant or unread neurons between dense layers or layers of tables, and the
    least scores that have the same argmax.

    Exact: ``simplify(n).evaluate(x)`` equals ``n.evaluate(x)`` for every x, except that scores lose a common offset
    where only their argmax is the result.
    """
    layers: list[Layer] = list(network.layers)
    # Scores of one bit that a layer reads as bits keep their range, which without constants might be less
    bits = (index for index in range(len(layers) - 1) if network.activations[index + 1].is_bits)
    kept = {index for index in bits if not _fires(layers[index])}
    for index in range(len(layers) - 1):  # constants travel towards the output
        match layers[index], layers[index + 1]:
            case BinaryDense(_, Threshold()) as layer, BinaryDense() as reader if index + 1 not in kept:
                layers[index : index + 2] = _absorb_constants(layer, reader)
            case BinaryDense(weights, Offset(value)), Argmax():
                layers[index] = BinaryDense(weights, Offset(_without_common_offset(value)))
    for index in reversed(range(len(layers) - 1)):  # and unread neurons towards the input
        match layers[index], layers[index + 1]:
            case BinaryDense(_, Threshold()) as layer, BinaryDense() as reader:
                layers[index : index + 2] = _drop_unread(layer, reader)
    return replace(network, layers=tuple(without_idle_tables(layers)))
