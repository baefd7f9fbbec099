"""Mappings: engines that follow each other, what they predict together, and what is refused."""

import numpy as np
import pytest

from logicnn.engines import Embedded, Io, Latency, Mapping, MappingError, Sparse, Unrolled
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
