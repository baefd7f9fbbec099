"""Integer networks as pipelines: golden model, simulation, netlist, and what is made of their widths."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from logicnn.arithmetic.sharing import optimise, without_sharing
from logicnn.engines import MappingError
from logicnn.engines.embedded import Embedded, computes, datapath_of, pipelined, run_of, unshared_bits
from logicnn.engines.mapping import Mapping
from logicnn.gateware import Core
from logicnn.netlist.netlist import Netlist
from logicnn.network import (
    Activations,
    Argmax,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Requantize,
    Slicer,
)
from logicnn.resources import DEVICES
from sim_tests.helpers import int_network, rtl_evaluate, rtl_pipeline, synthesise, synthesised_outputs

quick = partial(optimise, tries=3)
ECP5, HX8K = DEVICES["LFE5U-85F"], DEVICES["iCE40HX8K"]


def samples(network: Network, count: int = 60) -> np.ndarray:
    given = network.input
    return np.random.default_rng(3).integers(given.interval.low, given.interval.high + 1, (count, *given.shape))


def conv_network() -> Network:
    rng = np.random.default_rng(5)
    layers = [
        IntConv2d(
            rng.integers(-7, 8, (2, 1, 3, 3)), rng.integers(-20, 20, 2), Requantize([1, 1], [3, 2], 0, 15), None, 2, 1
        ),
        Flatten(),
        IntDense(rng.integers(-7, 8, (3, 8)), rng.integers(-20, 20, 3)),
        Argmax(),
    ]
    return Network(Activations((1, 4, 4), Interval(0, 15)), layers)


def pooled_network() -> Network:
    """Two pipelines with a maximum of words between them."""
    rng = np.random.default_rng(7)
    layers = [
        IntConv2d(rng.integers(-7, 8, (2, 1, 2, 2)), rng.integers(-20, 20, 2), Requantize([1, 1], [3, 2], -8, 7)),
        MaxPool2d(2),
        Flatten(),
        IntDense(rng.integers(-7, 8, (3, 8)), rng.integers(-20, 20, 3)),
        Argmax(),
    ]
    return Network(Activations((1, 5, 5), Interval(0, 15)), layers)


def networks() -> list[Network]:
    rng = np.random.default_rng(4)
    return [
        int_network(rng, 4, 5, 3),
        int_network(rng, 4, 5, 3, width=8),
        int_network(rng, 4, 6, 4, 3, width=9, multipliers=True),
        int_network(rng, 5, 4, 3, signed=True),
        conv_network(),
        Network(Activations((6,), Interval(0, 1)), [IntDense([[3, -2, 0, 7, 0, 1]], [-4]), Slicer([0])]),
        pooled_network(),
    ]


@pytest.mark.parametrize("index", range(7))
def test_datapath_equals_network(index):
    network = networks()[index]
    x = samples(network, 500)
    datapath = datapath_of(network, 0, quick)
    body = Network(network.input, network.layers[: run_of(network, 0)])
    assert np.array_equal(datapath.evaluate(x.reshape(len(x), -1)), body.evaluate(x).reshape(len(x), -1))
    assert computes(datapath, network, 0)


@pytest.mark.parametrize("latency", [0, 2])
@pytest.mark.parametrize("index", range(7))
def test_simulated(index, latency):
    network = networks()[index]
    mapping = Mapping.embedded(network, ECP5, latency=latency, optimiser=quick)
    x = samples(network, 30)
    pipelines = sum(isinstance(engine, Embedded) for engine in mapping.engines)
    assert mapping.latency.most == (pipelines * (latency + 1) if latency else 0)
    actual = rtl_pipeline(mapping, network.encode(x)) if latency else rtl_evaluate(network, network.encode(x), mapping)
    assert np.array_equal(actual, network.evaluate(x))


@pytest.mark.parametrize("device", [ECP5, HX8K], ids=lambda device: device.name)
def test_synthesised(device, tmp_path):
    network = int_network(np.random.default_rng(6), 5, 6, 3, width=9)
    mapping = Mapping.embedded(network, device, latency=1, optimiser=quick)
    x = samples(network, 300)
    assert np.array_equal(synthesised_outputs(mapping, device, network.encode(x), tmp_path), network.evaluate(x))


def test_trimmed_bits_are_not_made():
    network = int_network(np.random.default_rng(7), 8, 6, 3)
    first = network.layers[0]
    trimmed = Network(network.input, [replace(first, width=np.full(6, 8)), *network.layers[1:]])
    whole, less = (datapath_of(each, 0, quick).layers[0][0] for each in (network, trimmed))
    assert less.bits < whole.bits
    assert max(less.made_bits[len(less.inputs) :]) <= 8 < max(whole.made_bits)


def test_sharing_is_an_option():
    network = int_network(np.random.default_rng(8), 8, 8, 3, density=1.0)
    shared, separate = (datapath_of(network, 0, optimiser) for optimiser in (quick, without_sharing))
    assert sum(graph.bits for graph, _ in shared.layers) < sum(graph.bits for graph, _ in separate.layers)


def test_period():
    network = networks()[0]
    slow, fast, least = (
        Mapping.embedded(network, ECP5, period_ns=period, optimiser=quick) for period in (1000.0, 8.0, 0.1)
    )
    assert slow.latency.most == 0 < fast.latency.most < least.latency.most
    assert isinstance(fast.engines[0], Embedded) and fast.engines[0].pipeline.period_ns <= 8.0


def test_pipeline_is_that_of_the_device():
    datapath = datapath_of(networks()[0], 0, quick)
    assert pipelined(datapath, ECP5, latency=1)[1].period_ns != pipelined(datapath, HX8K, latency=1)[1].period_ns


@pytest.mark.parametrize("device", [ECP5, HX8K], ids=lambda device: device.name)
def test_estimated_cells(device, tmp_path):
    network = int_network(np.random.default_rng(9), 8, 5, 4, 3, width=10)
    body = Network(network.input, network.layers[:-1])
    mapping = Mapping.embedded(body, device, latency=0, optimiser=quick)
    netlist = Netlist(synthesise(Core(mapping), tmp_path, f"synth_{device.family.value}"))
    # iCE40's carries read their operands directly, so that subtracted words need inverters, which the estimate leaves
    # out
    assert netlist.logic_cells == pytest.approx(mapping.cost(device).logic_cells, rel=0.15 if device is ECP5 else 0.25)


ECP5 = DEVICES["LFE5U-85F"]


def test_embedded_layers_of_another_network():
    net, other = (int_network(np.random.default_rng(seed), 4, 3, 2) for seed in (1, 2))
    made = Embedded.of(net, 0, ECP5, latency=0)
    with pytest.raises(MappingError, match=r"^Embedded must embed layers 0 ... 1, not others$"):
        Embedded(other, 0, made.slices, made.pipeline)


def test_unshared_bits():
    """By hand: 2 and 1 further weights of bytes at one place; 3 of words of 4 bits at four places."""
    dense = Network(Activations((3,), Interval(0, 255)), [IntDense([[1, 2, 3], [0, 4, 5], [0, 0, 0]], [0, 0, 0])])
    conv = Network(Activations((1, 3, 3), Interval(0, 15)), [IntConv2d(np.ones((1, 1, 2, 2)), [0])])
    assert (unshared_bits(dense, 0), unshared_bits(conv, 0)) == (3 * 8, 3 * 4 * 4)


def test_proposed_is_shallow_but_in_a_full_device():
    """Where cells run short, the fewest that there are; else a depth near the least."""
    layer = IntDense(np.random.default_rng(1).integers(-128, 128, (8, 8)), np.zeros(8, int))
    network = Network(Activations((8,), Interval(0, 255)), [layer, Argmax()])
    roomy = Embedded.proposed(network, 0, HX8K, None)
    assert roomy
    cells = roomy.logic(HX8K).logic_cells
    tight = replace(HX8K, capacity=replace(HX8K.capacity, logic_cells=cells))
    full = Embedded.proposed(network, 0, tight, None)
    assert full and full.logic(tight).logic_cells < cells

    def deepest(engine: Embedded) -> int:
        return max(graph.depth for graph, _ in engine.slices.datapath.layers)

    assert deepest(roomy) < deepest(full)
