"""What layers make of bits, in any reading of `logicnn.bits`: words in, words out, the lowest bit of each first."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from logicnn import bits
from logicnn.engines.engine import MappingError
from logicnn.network import Activations, Argmax, GroupSum, Layer, LutLayer, MaxPool2d, Slicer
from logicnn.network.layer import Neurons

__all__ = ["Word", "greater_word", "greatest", "has_bits", "reached", "unsigned", "words_of"]

Word = Sequence[Any]


@singledispatch
def words_of(
    layer: Layer, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    """What a layer makes of words, as words of so many bits. Of at most `paired` words the greatest is found by all
    pairs, of more as `bits.argmax` thinks best. A layer type that is logic of bits registers here.
    """
    raise MappingError(f"a {type(layer).__name__} is not known as logic of bits")


def has_bits(layer: Layer) -> bool:
    """Whether `words_of` knows a layer's type."""
    return words_of.dispatch(type(layer)) is not words_of.dispatch(object)


def unsigned(word: Word, signed: bool) -> list[Any]:
    """Two's complement in the order of unsigned words: the sign bit inverted."""
    return [*word[:-1], ~word[-1] if signed else word[-1]]


@words_of.register
def _(
    layer: Neurons, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    made: list[Word] = []
    for neuron in layer.neurons(given):
        pairs = zip(neuron.inputs, neuron.inverted, strict=True)
        read = [~words[each][0] if inverted else words[each][0] for each, inverted in pairs]
        if layer.fires:
            made.append([bits.at_least(wire, read, neuron.level)])
        else:
            made.append(bits.popcount(wire, read, neuron.level, width))
    return made


@words_of.register
def _(
    layer: MaxPool2d, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    if given.is_bits:
        return words_of.dispatch(Neurons)(layer, given, wire, words, width)
    signed, made = given.interval.low < 0, []
    for tile in layer.tiles(given):
        left = [words[each] for each in tile.tolist()]
        while len(left) > 1:
            left = [*left[2:], greater_word(wire, *left[:2], signed)]
        made.append(left[0])
    return made


@words_of.register
def _(
    layer: LutLayer, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    tables = zip(layer.connections.tolist(), layer.tables.tolist(), strict=True)
    return [[bits.table(wire, [words[each][0] for each in inputs], rows)] for inputs, rows in tables]


@words_of.register
def _(
    layer: GroupSum, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    made: list[Word] = []
    for group, offset in zip(layer.groups, layer.offsets.tolist(), strict=True):
        columns = [[words[each][0] for each in column] for column in layer.columns(group)]
        made.append(bits.add_bits(wire, columns, offset % (1 << width), width))
    return made


@words_of.register
def _(
    layer: Argmax, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    return [greatest(wire, words, given.interval.low < 0, paired)]


@words_of.register
def _(
    layer: Slicer, given: Activations, wire: bits.Wire, words: Sequence[Word], width: int, paired: int = 0
) -> list[Word]:
    return [reached(wire, words[0], given.interval.low < 0, layer.thresholds.tolist(), width)]


def greatest(wire: bits.Wire, words: Sequence[Word], signed: bool, paired: int) -> list[Any]:
    """The index of the first of the greatest words; of at most `paired` by all pairs."""
    all_pairs = True if len(words) <= paired else None
    return bits.argmax(wire, [unsigned(word, signed) for word in words], all_pairs=all_pairs)


def greater_word(wire: bits.Wire, a: Word, b: Word, signed: bool) -> list[Any]:
    """The greater of two words."""
    first = wire(bits.greater(wire, unsigned(a, signed), unsigned(b, signed)))
    return [wire(bits.mux(first, no, yes)) for no, yes in zip(b, a, strict=True)]


def reached(wire: bits.Wire, score: Word, signed: bool, thresholds: Sequence[int], width: int) -> list[Any]:
    """How many thresholds a score reaches, as a word of so many bits."""
    word, low, found = unsigned(score, signed), -(1 << len(score) - 1) if signed else 0, []
    for threshold in thresholds:  # score >= threshold is score > threshold - 1
        below = threshold - 1 - low
        if below < 0 or below >= (1 << len(word)) - 1:
            found.append(~wire.zero if below < 0 else wire.zero)
            continue
        constant = [~wire.zero if below >> place & 1 else wire.zero for place in range(len(word))]
        found.append(wire(bits.greater(wire, word, constant)))
    return bits.popcount(wire, found, 0, width)
