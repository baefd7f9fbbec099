"""What feed-forward engines are to compute, as a graph of bits, layer by layer, each with the proof that its bits are
the network's arithmetic.

The graph has the structure in which gateware is made, since two circuits of like structure are proved the same in small
steps (`logicnn.netlist.graph`). That it is plain arithmetic is shown block by block:

    neuron that fires     its function of up to `MOST_ROWS` bits, row by row against a count of ones
    score                 as a linear sum of bits modulo its width, by the lemmas of its adders (`verify.traced`)
    table                 its rows
    constant matrix       the graph of additions by unit vectors, its intervals, and the addition of two words by its
                          full adders: what is added never leaves the word that holds it
    requantised word      its function of the bits that it reads, row by row
    class                 by the SAT solver: there are no scores of which another one is greater; where scores come in
                          turn, by the rows of two of them
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch

from logicnn import bits
from logicnn.engines import Mapping
from logicnn.engines.counted import ONE, Counted
from logicnn.engines.embedded import Embedded, computes
from logicnn.engines.engine import Engine
from logicnn.engines.layer_bits import Word, has_bits, words_of
from logicnn.engines.piped import PAIRED, Piped
from logicnn.engines.unrolled import Unrolled
from logicnn.netlist.graph import Bit
from logicnn.network import Activations, Argmax, GroupSum, Layer, LutLayer, MaxPool2d, Slicer
from logicnn.network.layer import Neurons
from logicnn.verify.arithmetic import (
    adds,
    counts,
    extended,
    finds_first,
    finds_greater,
    finds_greatest,
    holds_all,
    looks_up,
    rectified,
    rectifies,
    slices,
    sums_of,
    sums_up,
    turned,
)
from logicnn.verify.layers import layer_names

__all__ = ["Block", "Step", "can_specify", "specified"]


@dataclass(frozen=True)
class Block:
    """So many blocks of one kind of a layer, and how it was proved that they are arithmetic; `method` is "" where it
    was not.
    """

    kind: str
    count: int
    method: str


@dataclass(frozen=True)
class Step:
    """A layer, or layers that one engine makes together: the literals of what it gives, word by word, and its
    blocks.
    """

    name: str
    words: tuple[tuple[int, ...], ...]
    blocks: tuple[Block, ...]


Words = Sequence[Word]


def specified(mapping: Mapping, wire: bits.Wire, given: Sequence[Bit]) -> list[Step]:
    """The steps of a mapping from its inputs' bits on, of engines that `can_specify`."""
    width = mapping.given.interval.word
    words: Words = [given[at : at + width] for at in range(0, len(given), width)]
    steps: list[Step] = []
    for engine in mapping.engines:
        for step, made in steps_of(engine, wire, words):
            steps.append(step)
            words = made
    return steps


def can_specify(engine: Engine) -> bool:
    """Whether `steps_of` knows an engine's type, and all of its layers are known as logic of bits."""
    if steps_of.dispatch(type(engine)) is steps_of.dispatch(object):
        return False
    return isinstance(engine, Embedded | Counted) or all(layer.reshapes or has_bits(layer) for layer in engine.layers)


@singledispatch
def steps_of(engine: Engine, wire: bits.Wire, words: Words) -> Iterator[tuple[Step, Words]]:
    """The steps of an engine and the words that each gives. An engine that can be proved registers here."""
    raise NotImplementedError(type(engine).__name__)


@steps_of.register
def _(engine: Unrolled, wire: bits.Wire, words: Words) -> Iterator[tuple[Step, Words]]:
    return _layers(engine, wire, words, 0)


@steps_of.register
def _(engine: Piped, wire: bits.Wire, words: Words) -> Iterator[tuple[Step, Words]]:
    return _layers(engine, wire, words, PAIRED)


def _layers(engine: Engine, wire: bits.Wire, words: Words, paired: int) -> Iterator[tuple[Step, Words]]:
    network, names = engine.network, layer_names(engine.network)
    for index, layer in enumerate(engine.layers, engine.start):
        if layer.reshapes or not has_bits(layer):
            continue
        given, gives = network.activations[index], network.activations[index + 1]
        made = words_of(layer, given, wire, words, gives.interval.word, paired)
        made = [[wire(bit) for bit in word] for word in made]
        blocks = tuple(blocks_of(layer, given, gives, paired))
        yield Step(names[index], _literals(made), blocks), made
        words = made


def _literals(words: Words) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(bit.literal for bit in word) for word in words)


@singledispatch
def blocks_of(layer: Layer, given: Activations, gives: Activations, paired: int) -> Iterator[Block]:
    """What a layer's logic consists of, and the proof of it."""
    yield Block("output", gives.size, "")


@blocks_of.register
def _(layer: Neurons, given, gives, paired) -> Iterator[Block]:
    neurons = list(layer.neurons(given))
    if layer.fires:
        proved = [counts(len(each.inputs), each.level) for each in neurons]
        yield from _counted("neuron", proved, "row by row")
        return
    width = gives.interval.word
    proved = [sums_up((len(each.inputs),), each.level % (1 << width), width) for each in neurons]
    yield from _counted("score", proved, "by lemmas of its adders")


@blocks_of.register
def _(layer: MaxPool2d, given, gives, paired) -> Iterator[Block]:
    if given.is_bits:
        yield from blocks_of.dispatch(Neurons)(layer, given, gives, paired)
    else:
        proved = finds_greater(given.interval.word, given.interval.low < 0)
        yield from _counted("maximum", [proved] * gives.size, "of two, row by row")


@blocks_of.register
def _(layer: LutLayer, given, gives, paired) -> Iterator[Block]:
    proved = [looks_up(tuple(rows)) for rows in layer.tables.tolist()]
    yield from _counted("table", proved, "row by row")


@blocks_of.register
def _(layer: GroupSum, given, gives, paired) -> Iterator[Block]:
    width = gives.interval.word
    proved = []
    for group, offset in zip(layer.groups, layer.offsets.tolist(), strict=True):
        columns = tuple(len(column) for column in layer.columns(group))
        proved.append(sums_up(columns, offset % (1 << width), width) and _weighs(layer, group))
    yield from _counted("score", proved, "by lemmas of its adders")


def _weighs(layer: GroupSum, group: slice) -> bool:
    """Whether the columns of a class's bits are the binary digits of their weights."""
    found = Counter[int]()
    for place, column in enumerate(layer.columns(group)):
        found.update(dict.fromkeys(column, 1 << place))
    return found == Counter({at: int(layer.weights[at]) for at in range(*group.indices(len(layer.weights)))})


@blocks_of.register
def _(layer: Argmax, given, gives, paired) -> Iterator[Block]:
    proved = finds_greatest(given.size, given.interval.word, given.interval.low < 0, paired)
    yield from _counted("class", [proved], "by the SAT solver")


@blocks_of.register
def _(layer: Slicer, given, gives, paired) -> Iterator[Block]:
    proved = slices(tuple(layer.thresholds.tolist()), given.interval.word, given.interval.low < 0, gives.interval.word)
    yield from _counted("decision", [proved], "row by row")


def _counted(kind: str, proved: Sequence[bool], method: str) -> Iterator[Block]:
    if any(proved):
        yield Block(kind, sum(proved), method)
    if not all(proved):
        yield Block(kind, len(proved) - sum(proved), "")


# -- constant additions


@steps_of.register
def _(engine: Embedded, wire: bits.Wire, words: Words) -> Iterator[tuple[Step, Words]]:
    """The additions of the engine's own graphs, each an addition of two words; requantised words."""
    proved = computes(engine.slices.datapath, engine.network, engine.start) and adds()
    for number, (graph, rectifiers) in enumerate(engine.slices.datapath.layers, 1):
        one = [[~wire.zero]] if len(graph.inputs) > len(words) else []
        made: Words = [*sums_of(graph, wire, [*words, *one])]
        method = f"by unit vectors; its {len(graph.adders)} additions by their full adders"
        blocks = list(_counted("constant sum", [proved and holds_all(graph)] * len(made), method))
        if rectifiers is not None:
            of = [(graph.interval(index), each) for index, each in enumerate(rectifiers)]
            made = [
                rectified(wire, word, interval.low < 0, each) for word, (interval, each) in zip(made, of, strict=True)
            ]
            blocks += _counted("requantised word", [rectifies(*each) for each in of], "row by row")
        words = [[wire(bit) for bit in word] for word in made]
        yield Step(f"matrix {number}", _literals(words), tuple(blocks)), words
    width, zero = engine.gives.interval.word, wire.zero
    pairs = zip(words, engine.slices.datapath.outputs, strict=True)
    words = [extended(word, interval.low < 0, width, zero) for word, interval in pairs]
    yield Step("outputs", _literals(words), ()), words


# -- classes in turn


@steps_of.register
def _(engine: Counted, wire: bits.Wire, words: Words) -> Iterator[tuple[Step, Words]]:
    """Scores, each the sum of as many bits, some of which are constant, and the class, by one comparison a turn."""
    names, width, zero = layer_names(engine.network), engine.width, wire.zero
    constant = {None: zero, ONE: ~zero}
    scores = []
    for columns in engine.columns:
        read = [
            [words[bit][0] if bit is not None and bit != ONE else constant[bit] for bit in column] for column in columns
        ]
        scores.append([wire(bit) for bit in bits.add_bits(wire, read, 0, width)])
    adds_up = sums_up(tuple(map(len, engine.columns[0])), 0, width)
    proved = [adds_up and _is_counted(engine, number) for number in range(engine.classes)]
    blocks = tuple(_counted("score", proved, "by lemmas of its adders"))
    yield Step(names[engine.start], _literals(scores), blocks), scores
    best, winner = scores[0], [zero] * (engine.classes - 1).bit_length()
    for number, score in enumerate(scores[1:], 1):
        ahead, best = turned(wire, best, score)
        new = [~zero if number >> place & 1 else zero for place in range(len(winner))]
        winner = [wire(bits.mux(ahead, old, bit)) for old, bit in zip(winner, new, strict=True)]
    blocks = tuple(_counted("class", [finds_first(width)], "of two scores in turn, row by row"))
    yield Step(names[engine.start + 1], _literals([winner]), blocks), [winner]


def _is_counted(engine: Counted, number: int) -> bool:
    """Whether the bits that are counted of a class are its score less the least offset, which its word holds."""
    sums, found = engine.sums, Counter[int]()
    for place, column in enumerate(engine.columns[number]):
        for bit in column:
            found.update({bit: 1 << place} if bit is not None else {})
    ahead = int(sums.offsets[number] - sums.offsets.min())
    group = sums.groups[number]
    expected = Counter({at: int(sums.weights[at]) for at in range(*group.indices(len(sums.weights)))})
    expected.update({ONE: ahead} if ahead else {})
    return found == expected and sum(found.values()) < 1 << engine.width
