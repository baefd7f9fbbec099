"""Small networks, and ways to run a component: `rtl_*` have the signature of `sim_tests.reference.ref_evaluate`."""

import itertools
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.sim import Simulator

from logicnn.arithmetic.adders import Adder, AdderGraph, Term
from logicnn.bits import pack, unpack
from logicnn.data import datasets
from logicnn.engines.mapping import Mapping
from logicnn.flow import tools
from logicnn.gateware import Core
from logicnn.netlist.chains import open_chains
from logicnn.netlist.netlist import Netlist
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Offset,
    Requantize,
    Thermometer,
    Threshold,
)
from logicnn.resources import Device
from logicnn.verify.logic import decode


def all_bits(count: int) -> np.ndarray:  # (2 ** count, count) bool
    """Every input of `count` bits."""
    return (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(bool)


def every_input(intervals: Sequence[Interval]) -> np.ndarray:  # (samples, inputs)
    """Every combination of values in these ranges."""
    return np.array(list(itertools.product(*(range(each.low, each.high + 1) for each in intervals))))


def random_ternary(rng: np.random.Generator, *shape: int, density: float = 0.7) -> np.ndarray:
    return rng.choice([-1, 1], shape) * (rng.random(shape) < density)


def dense_network(rng: np.random.Generator, *sizes: int, density: float = 0.7, argmax: bool = True) -> Network:
    """Bits to thresholds to scores: random weights, thresholds near the middle but one in eight degenerate, balanced
    scores.
    """
    layers = []
    for inputs, outputs in itertools.pairwise(sizes[:-1]):
        weights = random_ternary(rng, outputs, inputs, density=density)
        fan_in = np.count_nonzero(weights, axis=1)
        middle = fan_in // 2 + rng.integers(0, 3, outputs)
        layers.append(
            BinaryDense(
                weights, Threshold(np.where(rng.random(outputs) < 0.125, rng.choice([-1, 20], outputs), middle))
            )
        )
    weights = random_ternary(rng, sizes[-1], sizes[-2], density=density)
    layers.append(BinaryDense(weights, Offset(rng.integers(-1, 2, sizes[-1]) - np.count_nonzero(weights, axis=1) // 2)))
    return Network(Activations((sizes[0],), Interval(0, 1)), [*layers, *([Argmax()] if argmax else [])], "dense")


def wide_network() -> Network:
    """Thirteen inputs, so that the last byte is padded, three of which nothing reads."""
    rng = np.random.default_rng(24)
    weights = rng.choice([-1, 1], (6, 13))
    weights[:, [2, 7, 12]] = 0
    return Network(
        Activations((13,), Interval(0, 1)),
        [
            BinaryDense(weights, Threshold(rng.integers(4, 7, 6))),
            BinaryDense(rng.choice([-1, 1], (3, 6)), Offset([0, 0, 0])),
            Argmax(),
        ],
    )


def conv_network(rng: np.random.Generator, padding: int = 1, stride: int = 1) -> Network:
    """Grey levels through a thermometer, a convolution, pooling and a dense layer."""
    given = Activations((1, 4, 4), Interval(0, 3))
    kernels = random_ternary(rng, 2, 2, 3, 3)
    layers = [
        Thermometer([1, 3]),
        BinaryConv2d(kernels, Threshold(rng.integers(1, 7, 2)), stride, padding),
        MaxPool2d(2 if padding and stride == 1 else 1),
        Flatten(),
    ]
    trail = given
    for layer in layers:
        trail = layer.infer(trail)
    layers += [BinaryDense(random_ternary(rng, 3, trail.size), Offset([0, -1, 1])), Argmax()]
    return Network(given, layers, "conv")


def rtl_words(component, inputs: np.ndarray) -> list[int]:
    """Outputs `o`, as unsigned words, of a combinational component for words on `i`: (n, bits) bool -> n integers."""
    simulator = Simulator(component)
    words: list[int] = []

    async def testbench(ctx):
        for row in inputs:
            ctx.set(Value.cast(component.i), int(sum(int(bit) << place for place, bit in enumerate(row))))
            words.append(ctx.get(Value.cast(component.o)))

    simulator.add_testbench(testbench)
    simulator.run()
    return [word % (1 << len(Value.cast(component.o))) for word in words]


def logic_only(command: str) -> str:
    """Synthesis of a design without memories: without reading the rules for them, most of a small design's time."""
    return f"{command} -run begin:map_ram\n{command} -run map_ffram:"


def synthesise(component, folder: Path, command: str = "synth_ice40", memories: bool = False) -> Path:
    """The netlist (JSON) of a design with ports `i` and `o`, by Yosys, on ECP5 with open chains as in a build."""
    script = f"{command} -top top" if memories else logic_only(f"{command} -top top")
    (folder / "top.il").write_text(rtlil.convert(component, ports=[Value.cast(component.i), Value.cast(component.o)]))
    (folder / "top.ys").write_text(f"read_rtlil top.il\n{script}\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], folder, "yosys.log")
    if "ecp5" in command:
        open_chains(folder / "top.json", folder / "top.json")
    return folder / "top.json"


def lut4_of(netlist: Path) -> int:
    cells = json.loads(netlist.read_text())["modules"]["top"]["cells"].values()
    return sum(cell["type"] in ("SB_LUT4", "LUT4") for cell in cells)


@cache
def digits() -> datasets.Dataset:
    return datasets.load("digits")


def carried_graph() -> AdderGraph:
    """Sums and differences of words of three bits, with a bit as their carry or borrow, shifted and negated ones among
    them.
    """
    adders = (
        Adder(Term(0), Term(1), 2),
        Adder(Term(0), Term(1, 0, True), 2),
        Adder(Term(0, 0, True), Term(1), 3),
        Adder(Term(4), Term(5, 1), 3),
        Adder(Term(4, 2, True), Term(6), 2),
    )
    inputs = (Interval(-4, 3), Interval(0, 7), Interval(0, 1), Interval(0, 1))
    return AdderGraph(inputs, adders, (Term(4), Term(5), Term(6, 1), Term(7), Term(8), Term(7, 0, True)))


def int_network(
    rng: np.random.Generator,
    *sizes: int,
    width: int | None = None,
    multipliers: bool = False,
    signed: bool = False,
    density: float = 0.7,
) -> Network:
    """Words of four bits through requantised layers to scores: random weights of five bits, widths that wrap where they
    are given.
    """
    layers = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weights = rng.integers(-15, 16, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
        activation = None
        if index < len(sizes) - 2:
            multiplier = rng.integers(1, 12, outputs) if multipliers else np.ones(outputs)
            shift = rng.integers(2, 6, outputs) + 2 * multipliers
            activation = Requantize(multiplier, shift, *((-8, 7) if signed else (0, 15)))
        layers.append(
            IntDense(
                weights, rng.integers(-30, 30, outputs), activation, None if width is None else np.full(outputs, width)
            )
        )
    return Network(Activations((sizes[0],), Interval(-8, 7)), [*layers, Argmax()], "int")


def rtl_evaluate(network: Network, encoded: np.ndarray, mapping: Mapping | None = None) -> np.ndarray:
    """What the combinational core gives for encoded samples, in the simulator."""
    mapping = mapping or Mapping.unrolled(network)
    word = all_bits_of(rtl_words(Core(mapping), encoded), network)
    return decode(network, word)


def all_bits_of(words: list[int], network: Network) -> np.ndarray:
    """Output words as bits (n, width)."""
    width = network.output.size * network.output.interval.word
    return np.array([[word >> place & 1 for place in range(width)] for word in words], bool)


def rtl_pipeline(mapping: Mapping, encoded: np.ndarray) -> np.ndarray:
    """What the core gives `latency` cycles after encoded samples, one a cycle, in the simulator."""
    core = Core(mapping)
    words: list[int] = []

    async def testbench(ctx):
        for cycle in range(len(encoded) + core.latency):
            if cycle < len(encoded):
                ctx.set(Value.cast(core.i), int(sum(int(bit) << place for place, bit in enumerate(encoded[cycle]))))
            if cycle >= core.latency:
                words.append(ctx.get(Value.cast(core.o)) % (1 << len(Value.cast(core.o))))
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return decode(mapping.network, all_bits_of(words, mapping.network))


def synthesised_outputs(mapping: Mapping, device: Device, encoded: np.ndarray, folder: Path) -> np.ndarray:
    """What the synthesised core gives for encoded samples, its registers taken as wires."""
    netlist = Netlist(synthesise(Core(mapping), folder, f"synth_{device.family.value}"))
    given = dict(zip(netlist.nets("i"), pack(encoded), strict=True))
    return decode(mapping.network, unpack(netlist.evaluate(given, netlist.nets("o")), len(encoded)))
