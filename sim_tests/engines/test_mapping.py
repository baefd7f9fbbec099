"""Mappings: engines that follow each other, what they predict together, and what is refused."""

import numpy as np
import pytest

from logicnn.arithmetic.popcounts import share_popcounts
from logicnn.engines import Embedded, Io, Latency, Mapping, MappingError, Shared, Sparse, Unrolled
from logicnn.resources import DEVICES
from sim_tests.helpers import dense_network, int_network
from sim_tests.sparse_helpers import network as pruned_network

ECP5 = DEVICES["LFE5U-85F"]


def test_engines_wrong():
    net, other = (dense_network(np.random.default_rng(seed), 4, 3, 2) for seed in (1, 2))
    with pytest.raises(MappingError, match=r"^engines must hold at least one engine, not none$"):
        Mapping(())
    with pytest.raises(MappingError, match=r"^engines\[1\] must begin with layer 1, not with layer 2$"):
        Mapping((Unrolled(net, 0), Unrolled(net, 2)))
    with pytest.raises(MappingError, match=r"^engines\[1\] must be for the network of engines\[0\], not for another$"):
        Mapping((Unrolled(net, 0), Unrolled(other, 1)))


def test_integers_unrolled():
    message = r"^layer 0, of type IntDense, has no logic of its own for Unrolled to build: logicnn.engines.chosen"
    with pytest.raises(MappingError, match=message):
        Unrolled(int_network(np.random.default_rng(1), 4, 3, 2), 0)


def test_shared_popcounts_of_another_layer():
    net = dense_network(np.random.default_rng(8), 6, 6, 6, 3)
    popcounts = share_popcounts(list(net.layers[0].neurons(net.activations[0])), 6, tries=3)
    with pytest.raises(MappingError, match=r"^Shared must share the popcounts of layer 1, not of another$"):
        Shared(net, 1, popcounts)


def test_embedded_layers_of_another_network():
    net, other = (int_network(np.random.default_rng(seed), 4, 3, 2) for seed in (1, 2))
    made = Embedded.of(net, 0, ECP5, latency=0)
    with pytest.raises(MappingError, match=r"^Embedded must embed layers 0 ... 1, not others$"):
        Embedded(other, 0, made.slices, made.pipeline)


def test_part_of_a_network():
    """Layers in the middle are a mapping, too, which is not whole."""
    net = dense_network(np.random.default_rng(3), 9, 7, 5, 4)
    part = Mapping((Unrolled(net, 1, register=True), Unrolled(net, 2)))
    assert (part.start, part.stop, part.is_whole) == (1, 3, False)
    assert (part.given.size, part.gives.size) == (7, 4)
    assert part.latency == Latency(1, 1) and part.interval == 1 and part.feed_forward
    assert Mapping.unrolled(net).is_whole


def test_runs():
    """Feed-forward engines are one circuit together, an engine of its own is one alone."""
    whole = pruned_network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=((6, 2),))
    front = Sparse.of(whole, ECP5, stop=4)
    mapping = Mapping([front, Embedded.of(whole, 4, ECP5, latency=0), Unrolled(whole, 5)])
    first, second = mapping.runs
    assert first.engines == (front,) and second.engines == mapping.engines[1:]
    assert (first.feed_forward, second.feed_forward, mapping.feed_forward) == (False, True, False)
    assert mapping.input_io is Io.SERIAL and mapping.latency == front.latency
    assert mapping.interval == front.interval and mapping.is_whole


def test_with_registers():
    net = int_network(np.random.default_rng(4), 3, 4, 3)
    plain = Mapping.embedded(net, ECP5, latency=0)
    made = plain.with_registers()
    assert (plain.latency.most, made.latency.most) == (0, 2)
    registers = made.cost(ECP5).ff - plain.cost(ECP5).ff
    assert registers == sum(each.gives.size * each.gives.interval.word for each in made.engines)
