"""A new engine is one file: this one defines an engine that the package does not know, and takes it through all that a
user can ask for, by the commands that users type: estimate, build with its netlist check, export and simulated board.

It multiplies and adds one weight a cycle, and leaves out the zeros that a sample ends in: values come one by one, sums
leave together for the logic behind it, and its latency varies.
"""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.board import boards
from logicnn.commands import cli
from logicnn.engines import Engine, Io, Latency, Mapping, Unrolled
from logicnn.errors import CheckFailed
from logicnn.flow import design, tools
from logicnn.gateware import Accelerator
from logicnn.gateware.engine import streamed
from logicnn.gateware.wires import port_shape, word_shape
from logicnn.netlist.simulate import Simulation
from logicnn.network import Activations, Argmax, IntDense, Interval, Network, files
from logicnn.resources import DEVICES, Device, Resources
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.stream_helpers import rtl_stream

UP5K = DEVICES["iCE40UP5K"]
INPUTS, CLASSES = 6, 4


@dataclass(frozen=True)
class Serial(Engine):
    """A dense layer of integers that gives its sums, by one multiplication a cycle."""

    network: Network
    start: int

    @property
    def span(self) -> int:
        return 1

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Serial | None":
        layer = network.layers[start]
        return cls(network, start) if isinstance(layer, IntDense) and layer.activation is None else None

    @property
    def input_io(self) -> Io:
        return Io.SERIAL

    @property
    def output_io(self) -> Io:
        return Io.PARALLEL

    @property
    def latency(self) -> Latency:
        return Latency(self.gives.size + 1, self.gives.size * self.given.size + 1)

    @property
    def interval(self) -> int:
        return self.given.size + self.latency.most

    def cycles(self, x: np.ndarray) -> np.ndarray:
        used = np.where(x.any(1), x.shape[1] - (x != 0)[:, ::-1].argmax(1), 1)
        return self.gives.size * used + 1

    def cost(self, device: Device) -> Resources:
        cells = 8 * self.given.size + 2 * self.gives.size * self.gives.interval.word + 120
        return Resources(lut4=cells, logic_cells=cells, ff=8 * self.given.size)

    def delay_ns(self, device: Device) -> float:
        return device.level_ns * 14


class SerialComponent(wiring.Component):
    """Takes values until a sample is whole, then adds up one neuron after another."""

    def __init__(self, engine: Serial):
        self._engine = engine
        super().__init__(
            {
                "i": In(stream.Signature(word_shape(engine.given.interval))),
                "o": Out(stream.Signature(port_shape(engine.gives))),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        (layer,) = self._engine.layers
        outputs, inputs = layer.weights.shape
        word = word_shape(self._engine.gives.interval)
        values = Array(Signal.like(self.i.payload, name=f"x{index}") for index in range(inputs))
        sums = Array(Signal(word, name=f"y{index}") for index in range(outputs))
        place, last, neuron = Signal(range(inputs)), Signal(range(inputs)), Signal(range(outputs))
        weight = Array(C(int(each), signed(8)) for each in layer.weights.ravel())[neuron * inputs + place]
        before = Signal(word)
        m.d.comb += [Value.cast(self.o.payload).eq(Cat(sums))]
        m.d.comb += before.eq(Mux(place == 0, Array(C(int(each), word) for each in layer.bias)[neuron], sums[neuron]))
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [values[place].eq(self.i.payload), place.eq(place + 1)]
                    with m.If((self.i.payload != 0) | (place == 0)):
                        m.d.sync += last.eq(place)
                    with m.If(place == inputs - 1):
                        m.d.sync += place.eq(0)
                        m.next = "ADD"
                with m.If(self.clear):
                    m.d.sync += place.eq(0)
                    m.next = "TAKE"
            with m.State("ADD"):
                m.d.sync += [sums[neuron].eq(before + weight * values[place]), place.eq(place + 1)]
                with m.If(place == last):
                    m.d.sync += [place.eq(0), neuron.eq(neuron + 1)]
                    with m.If(neuron == outputs - 1):
                        m.d.sync += neuron.eq(0)
                        m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "TAKE"
        return m


@streamed.register
def _(engine: Serial, loaded: bool) -> SerialComponent:
    return SerialComponent(engine)


@pytest.fixture(scope="module")
def network() -> Network:
    rng = np.random.default_rng(4)
    layer = IntDense(rng.integers(-9, 10, (CLASSES, INPUTS)), rng.integers(-50, 50, CLASSES))
    return Network(Activations((INPUTS,), Interval(-8, 7)), [layer, Argmax()], "newcomer")


@pytest.fixture
def too_large(monkeypatch):
    """As if logic had no room, so that the policy looks for an engine."""
    monkeypatch.setattr("logicnn.engines.embedded.SEARCHED", 0)


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "newcomer.lnn"
    files.save(network, path)
    return path


def samples(count: int) -> np.ndarray:
    """Of every number of zeros at the end."""
    rng = np.random.default_rng(6)
    x = rng.integers(-8, 8, (count, INPUTS))
    return x * (np.arange(INPUTS) < rng.integers(0, INPUTS + 1, (count, 1)))


def test_chosen(network, too_large):
    """The policy finds it, with logic for what it leaves over; the estimates add up."""
    mapping = design.mapped(network, boards.find("icebreaker"))
    assert mapping == Mapping([Serial(network, 0), Unrolled(network, 1)])
    assert mapping.latency == Latency(CLASSES + 1, CLASSES * INPUTS + 1)
    assert mapping.cost(UP5K) == Serial(network, 0).cost(UP5K) + Unrolled(network, 1).cost(UP5K)
    assert mapping.delay_ns(UP5K) == pytest.approx(
        UP5K.register_ns + max(engine.delay_ns(UP5K) for engine in mapping.engines)
    )
    x = samples(100)
    assert set(mapping.cycles(x)) == {CLASSES * used + 1 for used in range(1, INPUTS + 1)}


@pytest.fixture(scope="module")
def built(file, tmp_path_factory):
    """`python -m logicnn.build` of it for the icebreaker: the folder and the report."""
    output = tmp_path_factory.mktemp("builds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logicnn.engines.embedded.SEARCHED", 0)
        assert cli.main(["build", "--board", "icebreaker", "--model", str(file), "--output", str(output)]) == 0
    (folder,) = output.iterdir()
    return folder, json.loads((folder / "report.json").read_text())


def test_build(built):
    """A bitstream, and every vector checked clock by clock on the netlist, its cycles as predicted for each."""
    folder, report = built
    assert (folder / "newcomer.bin").stat().st_size > 100_000
    assert report["verification"]["vectors"] > 1000
    assert report["timing"]["latency_cycles"] == CLASSES * INPUTS + 1
    assert report["timing"]["latency_least_cycles"] == CLASSES + 1
    assert report["resources"]["logic_cells"] == pytest.approx(report["estimate"]["logic_cells"], rel=0.5)


def test_netlist_check_fails(built, network):
    """The check is one: another network's weights, or a prediction that is off by a cycle, end it."""
    folder, _ = built
    mapping = Mapping([Serial(network, 0), Unrolled(network, 1)])
    check = design.designed(mapping, boards.find("icebreaker"), 115_200).check
    assert isinstance(check, CycleCheck)
    x = samples(300)
    run = check.run(folder / "top.json", x)
    assert check.judged(run, Vectors(x, np.zeros(0, int), "random")).vectors == 300
    run.cycles[17] += 1
    with pytest.raises(CheckFailed, match=r"^the netlist takes \d+ cycles for vector 17, but \d+ were predicted$"):
        check.judged(run, Vectors(x, np.zeros(0, int), "random"))


def test_run(file, network, too_large, tmp_path, capsys):
    """The host's end and the simulated board's."""
    x = samples(5)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%d")
    assert cli.main(["run", "--port", "sim", "--model", str(file), "--json", str(tmp_path / "x.csv")]) == 0
    classes = [each["class"] for each in json.loads(capsys.readouterr().out)["classes"]]
    assert classes == network.evaluate(x).tolist()


def test_two_in_a_row():
    """The second takes the sums of the first one by one; each sample takes the cycles of both, and of what joins
    them.
    """
    rng = np.random.default_rng(8)
    layers = [
        IntDense(rng.integers(-3, 4, (3, INPUTS)), np.zeros(3)),
        IntDense(rng.integers(-3, 4, (CLASSES, 3)), np.zeros(CLASSES)),
    ]
    network = Network(Activations((INPUTS,), Interval(-8, 7)), [*layers, Argmax()])
    mapping = Mapping([Serial(network, 0), Serial(network, 1), Unrolled(network, 2)])
    x = samples(12)
    outputs, entered, _ = rtl_stream(Accelerator(mapping), (x & 15).ravel().tolist(), len(x))
    assert outputs == network.evaluate(x).tolist()
    assert max(np.diff(entered[::INPUTS])) <= mapping.interval
    assert mapping.latency == Latency(CLASSES + 1 + 3 + 1 + 3, CLASSES * 3 + 1 + 3 * INPUTS + 1 + 3)
    # alone, so that none waits for the one before it
    for sample, cycles in zip(x[:5], mapping.cycles(x), strict=False):
        _, entered, left = rtl_stream(Accelerator(mapping), (sample & 15).tolist(), 1)
        assert left[0] - entered[-1] == cycles


def test_export(file, network, too_large, tmp_path):
    """The Verilog text, synthesised by itself: values go in and classes come out, with pauses on either side."""
    text = tmp_path / "core.v"
    assert cli.main(["export", str(file), "--stream", "--verilog", str(text)]) == 0
    (tmp_path / "top.ys").write_text("read_verilog core.v\nsynth_ice40 -top core\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "synthesis.log")
    simulation, x = Simulation(tmp_path / "top.json"), samples(64)
    for pause in range(3):
        for value in x.T:
            simulation.set("i__valid", 0)
            simulation.step(pause)
            simulation.set("i__payload", value & 15)
            simulation.set("i__valid", 1)
            assert simulation.get("i__ready").all()
            simulation.step(1)
        simulation.set("i__valid", 0)
        assert (simulation.run_until("o__valid", 100) >= 0).all()
        simulation.step(100 + pause)
        assert simulation.get("o__valid").all()
        assert np.array_equal(simulation.get("o__payload"), network.evaluate(x))
        simulation.set("o__ready", 1)
        simulation.step(1)
        simulation.set("o__ready", 0)
        assert not simulation.get("o__valid").any()
        x = x[::-1]
