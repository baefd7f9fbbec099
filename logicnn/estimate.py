"""What a mapping will cost on a device, before anything is synthesised.

The formulas count the structures that `logicnn.bits` makes, after Yosys has mapped them to LUT4; `benchmarks/results/payra.json`
has the estimated beside the placed logic cells of every design. What synthesis shares between unrolled neurons is not predicted, so
that dense layers cost less than said here.
"""

from dataclasses import replace
from math import log2

import numpy as np

from logicnn.mapping import Embedded, Mapping, Shared, Sparse, Unrolled
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Layer,
    MaxPool2d,
    Network,
    Offset,
    Slicer,
    Threshold,
)
from logicnn.popcounts import share_popcounts
from logicnn.resources import DEVICES, SPRAM_DEPTH, SPRAM_WIDTH, Device, Family, Resources
from logicnn.sparse import Plan

__all__ = ["argmax_lut4", "cheapest", "core", "core_delay_ns", "design", "popcount_lut4", "threshold_lut4"]

SMALL_THRESHOLDS = (0, 1, 1, 1, 1, 3, 3)  # LUT4 of a neuron of 0 ... 6 synapses
SHELL = Resources(lut4=410, logic_cells=420, ff=190, carry=60, bram=1)  # serial link, input store and result, without mask and stored bits
SPARSE_SHELL = Resources(lut4=520, logic_cells=640, ff=400, carry=170, bram=1)  # serial link, and loader of the weights
SPARSE_LEVELS = 8  # of LUT4, to a multiplier's words through the longest chains of a selector
SPARSE_CONTROL = 1300  # logic cells of a sparse engine that are no window, selector, sum or weight


def threshold_lut4(fan_in: int) -> int:
    """LUT4 of one neuron with a threshold: a compressor tree of which only the carries are needed."""
    if fan_in < len(SMALL_THRESHOLDS):
        return SMALL_THRESHOLDS[fan_in]
    return round(2 * fan_in - 2.5 * log2(fan_in))


def popcount_lut4(fan_in: int) -> int:
    """LUT4 of one score: ``2 (n - log2 n)``, two for each full adder."""
    return round(2 * (fan_in - log2(fan_in))) if fan_in > 1 else 0


def argmax_lut4(words: int, width: int) -> int:
    """LUT4 of a tournament: a comparison and a multiplexer of word and index for each match; of narrow words all pairs at once."""
    if width <= 2:
        return words * (words - 1) // 2 + 4 * words
    index = max(1, (words - 1).bit_length())
    return (words - 1) * (round(2.4 * width) + index // 2)


def _layer_cost(layer: Layer, given: Activations, engine: Unrolled | Shared) -> Resources:
    if isinstance(engine, Shared):
        popcounts = engine.popcounts
        return Resources(lut4=popcounts.lut4, logic_cells=popcounts.logic_cells, carry=popcounts.words.bits)
    lut4 = _layer_lut4(layer, given)
    return Resources(lut4=lut4, logic_cells=lut4)


def _layer_lut4(layer: Layer, given: Activations) -> int:
    match layer:
        case Argmax():
            return argmax_lut4(given.size, given.interval.word)
        case Slicer():
            return len(layer.thresholds) * (given.interval.word + 2)
        case MaxPool2d() if not given.is_bits:  # a comparison and a choice for every bit
            return layer.infer(given).size * (layer.size**2 - 1) * 2 * given.interval.word
        case BinaryDense() | BinaryConv2d() | MaxPool2d():
            is_score = not isinstance(layer, MaxPool2d) and isinstance(layer.activation, Offset)
            cost = popcount_lut4 if is_score else threshold_lut4
            return sum(cost(len(neuron.inputs)) for neuron in layer.neurons(given))
        case _:
            return 0


def _embedded_cost(engine: Embedded, device: Device) -> Resources:
    """All sums, two LUT4 a bit of every requantised word, and the registers inside."""
    carry = sum(graph.bits for graph, _ in engine.slices.datapath.layers)
    cells = sum(device.sum_cells(bits) for graph, _ in engine.slices.datapath.layers for bits in graph.chain_bits)
    clipped = sum(2 * each.bits for _, rectifiers in engine.slices.datapath.layers if rectifiers for each in rectifiers)
    return Resources(lut4=cells + clipped, logic_cells=cells + clipped, ff=engine.pipeline.register_bits, carry=carry)


def _sparse_cost(plan: Plan, device: Device) -> Resources:
    """Memories, multipliers and logic of a sparse engine. `SPARSE_CONTROL` is that of `lenet5-ikr`; other networks' is not known."""
    tile = plan.tile
    words = [len(each) for each in plan.codes]
    ways = sum(9 * (count // 2) for count in words) if device.family is Family.ICE40 else sum(8 * (count - 1) for count in words)
    sums = tile.lanes * (plan.tile.slots * 18 + 5 * plan.total.word)  # a lane's; accumulated, compared, the greatest, that waits
    cells = ways + 16 * plan.size + sums + 8 * tile.multipliers + SPARSE_CONTROL
    loaded = bool(device.capacity.spram)
    bram = sum(device.brams(*each) for each in plan.memories.values() if all(each))
    return Resources(
        lut4=cells - cells // 8,
        logic_cells=cells,
        ff=cells // 3,
        bram=bram + (0 if loaded else device.brams(len(plan.words), tile.word_bits)),
        dsp=-(-tile.multipliers * device.capacity.dsp // device.multipliers) if device.multipliers else 0,
        spram=-(-tile.word_bits // SPRAM_WIDTH) * -(-len(plan.words) // SPRAM_DEPTH) if loaded else 0,
    )


def core(mapping: Mapping, device: Device = DEVICES["iCE40UP5K"]) -> Resources:
    """The network's own logic; only `Embedded` layers depend on the device."""
    if mapping.plan:
        return _sparse_cost(mapping.plan, device)
    network = mapping.network
    total = Resources()
    for index, engine in mapping.parts():
        assert not isinstance(engine, Sparse)
        total += (
            _embedded_cost(engine, device)
            if isinstance(engine, Embedded)
            else _layer_cost(network.layers[index], network.activations[index], engine)
        )
        if engine.register:
            after = network.activations[index + (engine.layers if isinstance(engine, Embedded) else 1)]
            total += Resources(ff=after.size * after.interval.word)
    return total


def cheapest(mapping: Mapping, device: Device, *, tries: int = 60) -> Mapping:
    """The mapping with wide neurons sharing their popcounts wherever that is estimated to take fewer logic cells.

    On iCE40 only: what Yosys makes of additions of four bits and fewer on ECP5 is dearer than separate neurons.
    """
    network = mapping.network
    engines = list(mapping.engines)
    for place, (index, engine) in enumerate(mapping.parts()):
        layer, given = network.layers[index], network.activations[index]
        if (
            isinstance(engine, Embedded | Sparse)
            or device.family is not Family.ICE40
            or not isinstance(layer, BinaryDense)
            or not isinstance(layer.activation, Threshold)
        ):
            continue
        neurons = list(layer.neurons(given))
        apart = _layer_cost(layer, given, engine)
        if (
            max(len(neuron.inputs) for neuron in neurons) >= len(SMALL_THRESHOLDS)
            and apart.logic_cells < SEARCHED * device.capacity.logic_cells
        ):
            shared = Shared(share_popcounts(neurons, given.size, tries=tries), engine.register)
            if _layer_cost(layer, given, shared).logic_cells < apart.logic_cells:
                engines[place] = shared
    return replace(mapping, engines=tuple(engines))


def unshared_bits(network: Network) -> int:
    """Carry bits of the integer layers were nothing shared: an addition of a word for every further weight of a neuron, wherever it is."""
    total = 0
    for layer, given, gives in zip(network.layers, network.activations, network.activations[1:], strict=False):
        if isinstance(layer, IntDense | IntConv2d):
            weights = np.count_nonzero(layer.weights.reshape(len(layer.weights), -1), axis=1)
            positions = gives.size // len(layer.weights)
            total += int(np.maximum(weights - 1, 0).sum()) * positions * given.interval.word
    return total


SEARCHED = 4  # devices that a layer may fill without sharing: what is larger does not fit with it either


def design(mapping: Mapping, device: Device) -> Resources:
    """The whole board design. Each stored input bit is a flip-flop that no LUT precedes, and so a logic cell of its own."""
    if mapping.plan:
        return core(mapping, device) + SPARSE_SHELL
    stored = len(mapping.network.read_inputs())
    mask = -(-mapping.network.core_bits // device.bram_bits)
    return core(mapping, device) + SHELL + Resources(logic_cells=0 if device.separate_ff else stored, ff=stored, bram=mask)


def _delay_ns(layer: Layer, given: Activations, engine: Unrolled | Shared, device: Device) -> float:
    if isinstance(engine, Shared):
        words = engine.popcounts.words
        widest = max((words.interval(index).width for index in range(len(words.outputs))), default=0)
        return 4 * device.level_ns + words.depth * device.chain_ns + widest * device.carry_ns  # heaps, words, comparison
    return device.level_ns * _levels(layer, given)


def _levels(layer: Layer, given: Activations) -> float:
    """LUT4 levels of a layer."""
    match layer:
        case Argmax():
            width = given.interval.word
            return max(1, (given.size - 1).bit_length()) * (2.5 + log2(width) / 2)
        case Slicer():
            return 2 + given.interval.word / 4
        case Flatten():
            return 0
        case MaxPool2d() if not given.is_bits:
            return (layer.size**2 - 1).bit_length() * (2 + given.interval.word / 4)
        case BinaryDense() | BinaryConv2d() | MaxPool2d():
            fan_in = max(len(neuron.inputs) for neuron in layer.neurons(given))
            return 1 if fan_in <= 4 else 2 if fan_in <= 6 else 1.5 * log2(fan_in)
        case _:
            return 0


def core_delay_ns(mapping: Mapping, device: Device) -> float:
    """Register to register through the longest stage: its logic by the device's delays, plus clock to Q and setup."""
    if mapping.plan:
        return device.register_ns + SPARSE_LEVELS * device.level_ns
    network = mapping.network
    longest = stage = 0.0
    for index, engine in mapping.parts():
        assert not isinstance(engine, Sparse)
        if isinstance(engine, Embedded):
            stage += engine.pipeline.period_ns - device.rank_ns
        else:
            stage += _delay_ns(network.layers[index], network.activations[index], engine, device)
        longest = max(longest, stage)
        stage = 0.0 if engine.register else stage
    return device.register_ns + longest
