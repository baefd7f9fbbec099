"""Random networks of every layer type, small, with odd shapes and weights at the ends of their ranges, as strategies of
hypothesis: a network that fails a check becomes as small as still fails.

`LAYERS` has a strategy a layer type; `sim_tests/fuzz/test_networks.py` fails for one that is missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from logicnn.network import (
    BIT,
    Activations,
    Affine,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Even,
    Flatten,
    FloatScaled,
    GroupSum,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    LutLayer,
    MaxPool2d,
    Network,
    NetworkError,
    Offset,
    Requantize,
    Slicer,
    Thermometer,
    Threshold,
)

__all__ = ["FAMILIES", "LAYERS", "ROUNDINGS", "Family", "integers", "networks", "samples_of"]

MOST_VALUES = 48  # between layers
MOST_WEIGHTS = 600  # of a layer unrolled, so that a simulation takes a moment
STYLES = ("zeros", "same", "few", "ends", "any")
INTERVALS = (
    BIT,
    Interval(0, 3),
    Interval(-8, 7),
    Interval(0, 255),
    Interval(-128, 127),
    Interval(-1, 1),
    Interval(0, 0),
    Interval(-1, 0),
    Interval(3, 5),
    Interval(-9, -3),
    Interval(0, 4),
)
WORDS = ((0, 1), (0, 3), (-2, 1), (0, 255), (-128, 127), (-1, 0))  # that a `Requantize` may give, but the last one
Draw = Callable[[st.SearchStrategy[Any]], Any]


def integers(draw: Draw, shape: Sequence[int], low: int, high: int) -> np.ndarray:
    """An array in one of `STYLES`: a draw says which, not what stands where, so that there are few draws."""
    style, rng = draw(st.sampled_from(STYLES)), np.random.default_rng(draw(st.integers(0, 999)))
    anything = rng.integers(low, high, shape, endpoint=True)
    match style:
        case "zeros":
            return np.full(shape, min(max(0, low), high))
        case "same":
            return np.full(shape, draw(st.sampled_from((low, high))))
        case "few":
            return np.where(rng.random(shape) < 0.3, anything, min(max(0, low), high))
        case "ends":
            return rng.choice([low, high], shape)
    return anything


def _requantize(draw: Draw, neurons: int, shifts: bool) -> Requantize:
    low, high = draw(st.sampled_from(WORDS[:-1]))
    return Requantize(*_scale(draw, neurons, 12, 9, shifts), low, high)


def _even(draw: Draw, neurons: int, shifts: bool) -> Requantize:
    low, high = draw(st.sampled_from(WORDS[:-1]))
    return Even(*_scale(draw, neurons, 12, 6, shifts), low, high)


def _affine(draw: Draw, neurons: int, shifts: bool) -> Requantize:
    low, high = draw(st.sampled_from((*WORDS, (-1, 1), (2, 5), (-7, -2))))
    return Affine(*_scale(draw, neurons, 12, 9, shifts), low, high, integers(draw, (neurons,), -300, 300))


def _float_scaled(draw: Draw, neurons: int, shifts: bool) -> Requantize:
    low, high = draw(st.sampled_from((*WORDS, (-1, 1))))
    zero = draw(st.sampled_from((0, -3, 100)))
    multiplier, shift = _scale(draw, neurons, (1 << 24) - 1, 40, shifts)
    return FloatScaled(multiplier, shift, low, high, zero)


def _scale(draw: Draw, neurons: int, most: int, shift: int, shifts: bool) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers, all 1 in half of the cases, and shifts."""
    one = shifts or draw(st.booleans())
    multiplier = np.ones(neurons, int) if one else integers(draw, (neurons,), 1, most)
    return multiplier, integers(draw, (neurons,), 0, shift)


ROUNDINGS: dict[type[Requantize], Callable[[Draw, int, bool], Requantize]] = {
    Requantize: _requantize,
    Even: _even,
    Affine: _affine,
    FloatScaled: _float_scaled,
}


@dataclass(frozen=True)
class Family:
    """Which layers a network may have, how its integer layers round, and what it reads. Where there is a layer that
    gives `scores`, most networks end in that and the class, and no other layer of theirs gives sums.
    """

    layers: frozenset[type[Layer]]
    roundings: tuple[type[Requantize] | None, ...] = (None, *ROUNDINGS)
    intervals: tuple[Interval, ...] = INTERVALS
    scores: type[Layer] | None = None
    widths: bool = True  # whether integer layers may wrap
    shifts: bool = False  # whether they only shift
    images: bool = True
    pads: bool = True
    stride: int = 3  # at most
    side: int | None = None  # of all kernels, and then pooling is by 2
    most: int = 1000  # of a weight
    last: bool | None = None  # whether a layer gives scores; None: as it likes


def _neurons(draw: Draw, weights: int) -> int:
    """Of a layer with so many weights a neuron, a position each."""
    return draw(st.integers(1, max(1, min(7, MOST_WEIGHTS // max(1, weights)))))


def _binary_activation(draw: Draw, neurons: int, fan_in: int, family: Family) -> Threshold | Offset:
    if draw(st.booleans()) if family.last is None else family.last:
        return Offset(integers(draw, (neurons,), -3, 3))
    return Threshold(integers(draw, (neurons,), -1, fan_in + 1))


def _binary_dense(draw: Draw, given: Activations, family: Family) -> Layer:
    neurons = _neurons(draw, given.size)
    weights = integers(draw, (neurons, given.size), -1, 1)
    return BinaryDense(weights, _binary_activation(draw, neurons, given.size, family))


def _kernel(draw: Draw, given: Activations, family: Family) -> tuple[tuple[int, ...], int, int]:
    """Shape of the weights (out, in, kh, kw), stride and padding."""
    channels, height, width = given.shape
    rows, columns = (min(each, family.side or draw(st.integers(1, 3))) for each in (height, width))
    padding = draw(st.integers(0, min(rows, columns) - 1)) if family.pads else 0
    stride = draw(st.integers(1, family.stride))
    positions = ((height + 2 * padding - rows) // stride + 1) * ((width + 2 * padding - columns) // stride + 1)
    kernels = draw(st.integers(1, max(1, min(4, MOST_VALUES // positions))))
    return (kernels, channels, rows, columns), stride, padding


def _binary_conv(draw: Draw, given: Activations, family: Family) -> Layer:
    shape, stride, padding = _kernel(draw, given, family)
    activation = _binary_activation(draw, shape[0], int(np.prod(shape[1:])), family)
    return BinaryConv2d(integers(draw, shape, -1, 1), activation, stride, padding)


def _integer_parts(draw: Draw, shape: Sequence[int], family: Family) -> tuple[Any, ...]:
    """Weights, bias, activation and width."""
    most = min(family.most, draw(st.sampled_from((1, 7, 127, 1000))))
    roundings = [each for each in family.roundings if family.last is None or (each is None) == family.last]
    rounding = draw(st.sampled_from(roundings))
    activation = None if rounding is None else ROUNDINGS[rounding](draw, shape[0], family.shifts)
    wraps = family.widths and draw(st.booleans())
    width = integers(draw, shape[:1], 1, 12) if wraps else None
    return integers(draw, shape, -most - 1, most), integers(draw, shape[:1], -300, 300), activation, width


def _int_dense(draw: Draw, given: Activations, family: Family) -> Layer:
    return IntDense(*_integer_parts(draw, (_neurons(draw, given.size), given.size), family))


def _int_conv(draw: Draw, given: Activations, family: Family) -> Layer:
    shape, stride, padding = _kernel(draw, given, family)
    return IntConv2d(*_integer_parts(draw, shape, family), stride=stride, padding=padding)


def _pool(draw: Draw, given: Activations, family: Family) -> Layer:
    most = min(3, *given.shape[1:])
    return MaxPool2d(2 if family.side and most > 1 else draw(st.integers(1, most)))


def _tables(draw: Draw, given: Activations, family: Family) -> Layer:
    count, k = draw(st.integers(1, 9)), draw(st.integers(2, 6))
    return LutLayer(integers(draw, (count, k), 0, given.size - 1), integers(draw, (count, 1 << k), 0, 1))


def _group_sum(draw: Draw, given: Activations, family: Family) -> Layer:
    classes = draw(st.integers(1, 5))
    ends = np.sort(integers(draw, (classes - 1,), 0, given.size))
    sizes = np.diff([0, *ends, given.size])
    most = draw(st.sampled_from((1, 3, 127)))
    return GroupSum(sizes, integers(draw, (given.size,), 1, most), integers(draw, (classes,), -4, 4))


def _thresholds(draw: Draw, low: int, high: int) -> np.ndarray:
    return np.array(sorted(draw(st.sets(st.integers(low, high), min_size=1, max_size=3))))


def _thermometer(draw: Draw, given: Activations, family: Family) -> Layer:
    low, high = given.interval.low + 1, given.interval.high
    if draw(st.booleans()):
        return Thermometer(_thresholds(draw, low, high))
    return Thermometer(np.sort(integers(draw, (given.shape[0], draw(st.integers(1, 3))), low, high), axis=1))


def _slicer(draw: Draw, given: Activations, family: Family) -> Layer:
    return Slicer(_thresholds(draw, given.interval.low - 2, given.interval.high + 2))


def _is_row(given: Activations) -> bool:
    return len(given.shape) == 1


def _is_image(given: Activations) -> bool:
    return len(given.shape) == 3


@dataclass(frozen=True)
class Recipe:
    """A layer type: the inputs that it reads, and how a layer is made for one."""

    reads: Callable[[Activations], bool]
    made: Callable[[Draw, Activations, Family], Layer]


LAYERS: dict[type[Layer], Recipe] = {
    Argmax: Recipe(_is_row, lambda draw, given, family: Argmax()),
    BinaryConv2d: Recipe(lambda given: given.is_bits and _is_image(given), _binary_conv),
    BinaryDense: Recipe(lambda given: given.is_bits and _is_row(given), _binary_dense),
    Flatten: Recipe(lambda given: True, lambda draw, given, family: Flatten()),
    GroupSum: Recipe(lambda given: given.is_bits, _group_sum),
    IntConv2d: Recipe(_is_image, _int_conv),
    IntDense: Recipe(_is_row, _int_dense),
    LutLayer: Recipe(lambda given: given.is_bits, _tables),
    MaxPool2d: Recipe(_is_image, _pool),
    Slicer: Recipe(lambda given: given.shape == (1,), _slicer),
    Thermometer: Recipe(lambda given: given.interval.low < given.interval.high, _thermometer),
}
FAMILIES = {
    "any": Family(frozenset(LAYERS)),
    "bits": Family(
        frozenset({BinaryConv2d, BinaryDense, Flatten, MaxPool2d, Thermometer, Argmax}),
        intervals=(BIT, BIT, Interval(0, 3)),
        scores=BinaryDense,
        stride=1,
        side=2,
    ),
    "words": Family(frozenset({IntConv2d, IntDense, Flatten, MaxPool2d, Argmax}), scores=IntDense, widths=False),
    "dense words": Family(
        frozenset({IntDense, Argmax}),
        (None, Requantize, Affine),
        scores=IntDense,
        widths=False,
        shifts=True,
        images=False,
    ),
    "plain words": Family(
        frozenset({IntConv2d, IntDense, Flatten, MaxPool2d, Argmax}),
        (None, Requantize),
        (Interval(0, 255), Interval(0, 7), Interval(0, 100)),
        scores=IntDense,
        widths=False,
        shifts=True,
        pads=False,
        stride=1,
        side=2,
        most=127,
    ),
    "tables": Family(
        frozenset({Thermometer, LutLayer, GroupSum, Argmax}), intervals=(BIT, Interval(0, 3)), scores=GroupSum
    ),
}


@st.composite
def networks(draw: Draw, family: str = "any") -> Network:
    """A network of up to nine layers of a family, each of them one that reads what is before it."""
    of = FAMILIES[family]
    if of.scores and draw(st.integers(0, 3)):
        of = replace(of, last=False)
    side = st.integers(1, 5)
    image = of.images and draw(st.booleans())
    shape = (draw(st.integers(1, 2)), draw(side), draw(side)) if image else (draw(st.integers(1, 9)),)
    start = given = Activations(shape, draw(st.sampled_from(of.intervals)))
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 4 if of.last is False else 6))):
        kinds = [each for each in _following(of, given, layers) if of.last is None or each is not GroupSum]
        if not kinds:
            break
        given = _add(layers, LAYERS[draw(st.sampled_from(kinds))].made(draw, given, of), given)
    if of.last is False and of.scores is not None:
        if not _is_row(given):
            given = _add(layers, Flatten(), given)
        assume(LAYERS[of.scores].reads(given))
        given = _add(layers, LAYERS[of.scores].made(draw, given, replace(of, last=True)), given)
    ends = [each for each in (Argmax, Slicer) if each in of.layers and LAYERS[each].reads(given)]
    if ends and draw(st.integers(0, 3)):
        given = _add(layers, LAYERS[draw(st.sampled_from(ends))].made(draw, given, of), given)
        if not draw(st.integers(0, 15)):  # what is odd, but may be: a layer that reads the class
            given = _add(layers, Flatten(), given)
    assume(layers)
    return Network(start, layers, "fuzz")


def _following(of: Family, given: Activations, layers: Sequence[Layer]) -> list[type[Layer]]:
    """Types that may come next; one that only changes the shape, no more often than it has to."""
    found = [
        kind
        for kind, recipe in LAYERS.items()
        if kind in of.layers and not kind.decides and not (layers and kind.encodes) and recipe.reads(given)
    ]
    if _is_row(given) or given.shape == ():
        found = [kind for kind in found if kind is not Flatten or not found[1:]]
    return found


def _add(layers: list[Layer], layer: Layer, given: Activations) -> Activations:
    """What a further layer gives; the case is dropped where that is too wide or too much."""
    try:
        gives = layer.infer(given)
    except NetworkError as error:
        assume("bits; at most 53" not in str(error))
        raise
    assume(gives.size <= MOST_VALUES)
    layers.append(layer)
    return gives


def samples_of(network: Network, count: int, seed: int = 0) -> np.ndarray:  # (count, *input.shape)
    """Inputs of a network: the ends of their range, all alike and mixed, then any."""
    low, high = network.input.interval.low, network.input.interval.high
    rng, shape = np.random.default_rng(seed), network.input.shape
    made = rng.integers(low, high, (count, *shape), endpoint=True)
    ends = rng.choice([low, high], (count // 3, *shape))
    made[: len(ends)] = ends
    made[:2] = np.array([low, high]).reshape(-1, *[1] * len(shape))[: len(made)]
    return made
