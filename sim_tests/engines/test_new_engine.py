"""A new layer and a new engine (`sim_tests.newcomer`), in every way that the interface of engines allows, through all
that a user can ask for, by the commands that users type: estimate, build with its netlist check, export and simulated
board.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.board import boards
from logicnn.commands import cli
from logicnn.engines import Embedded, Engine, Io, Latency, Mapping, MappingError, Unrolled
from logicnn.errors import CheckFailed
from logicnn.flow import design, tools
from logicnn.flow.sources import elaborated
from logicnn.gateware import Accelerator
from logicnn.netlist.simulate import Simulation
from logicnn.network import Activations, Argmax, IntDense, Interval, Network, Requantize, files
from logicnn.resources import DEVICES, Resources
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.newcomer import CLASSES, INPUTS, WAYS, Lone, Weighted, mapping_of, newcomer, samples
from sim_tests.stream_helpers import rtl_stream

UP5K = DEVICES["iCE40UP5K"]
ICEBREAKER = boards.find("icebreaker")
BUILT = ("values-whole", "whole-values-loaded")
pytestmark = pytest.mark.usefixtures("short_search")
UNLOADED = [name for name, way in WAYS.items() if not way.loaded]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The file of the network for each of `WAYS`."""
    folder = tmp_path_factory.mktemp("model")
    for name in WAYS:
        files.save(newcomer(name), folder / f"{name}.lnn")
    return lambda name: str(folder / f"{name}.lnn")


@pytest.mark.parametrize("name", WAYS)
def test_chosen(name):
    """The policy finds it, although the layer has no logic, with logic for what it leaves over; the estimates add
    up.
    """
    network, way = newcomer(name), WAYS[name]
    mapping = design.mapped(network, ICEBREAKER)
    assert mapping == mapping_of(network)
    engine, rest = mapping.engines
    leaving = CLASSES if way.output_io is Io.SERIAL else 0  # value by value, and collected
    assert mapping.latency == Latency(CLASSES + 1 + leaving, CLASSES * INPUTS + 1 + leaving)
    register = CLASSES * mapping.engines[0].gives.interval.word if leaving else 0
    collected = Resources(lut4=register, logic_cells=register, ff=register)
    assert mapping.cost(UP5K) == engine.cost(UP5K) + rest.cost(UP5K) + collected
    assert mapping.delay_ns(UP5K) == pytest.approx(
        UP5K.register_ns + max(engine.delay_ns(UP5K) for engine in mapping.engines)
    )
    assert len(mapping.images(UP5K)) == way.loaded
    x = samples(100)
    assert set(mapping.cycles(x)) == {CLASSES * used + 1 + leaving for used in range(1, INPUTS + 1)}


def test_clock_leaves_its_delay():
    """The icebreaker's clock for engines would be 24 MHz, which its 14 levels of logic do not reach."""
    made = design.designed(mapping_of(newcomer("values-whole")), ICEBREAKER, 115_200)
    assert 1.5 * made.mapping.delay_ns(UP5K) > 1e9 / 24e6 and made.clock_hz == 12e6 and not made.uses_pll


def test_later_layer():
    """Behind a layer that is logic, whole or value by value as it wants it."""
    second = Weighted(np.random.default_rng(3).integers(-9, 10, (CLASSES, CLASSES)))
    network = Network(Activations((INPUTS,), Interval(-8, 7)), [newcomer("").layers[0], second, Argmax()])
    mapping = design.mapped(network, ICEBREAKER)
    assert mapping == Mapping([Lone(network, 0), Lone(network, 1), Unrolled(network, 2)])


@pytest.mark.parametrize("start", [-1, 2])
def test_layer_that_is_not_there(start):
    with pytest.raises(MappingError, match=rf"^start must be a layer of the network, 0 \.\.\. 1, not {start}$"):
        Lone(newcomer(""), start)


@pytest.fixture(scope="module", params=BUILT)
def built(request, file, tmp_path_factory):
    """`logicnn build` of it for the icebreaker: the name, the folder and the report."""
    output = tmp_path_factory.mktemp("builds")
    arguments = ["build", "--board", "icebreaker", "--model", file(request.param), "--output", str(output)]
    assert cli.main(arguments) == 0
    (folder,) = output.iterdir()
    return request.param, folder, json.loads((folder / "report.json").read_text())


def test_build(built):
    """A bitstream, and every vector checked clock by clock on the netlist, its cycles as predicted for each."""
    name, folder, report = built
    latency = mapping_of(newcomer(name)).latency
    assert (folder / f"{name}.bin").stat().st_size > 100_000
    assert report["verification"]["vectors"] > 1000
    assert report["timing"]["latency_cycles"] == latency.most
    assert report["timing"]["latency_least_cycles"] == latency.least
    assert report["resources"]["logic_cells"] == pytest.approx(report["estimate"]["logic_cells"], rel=0.5)
    assert ("flash" in report) == (folder / f"{name}.flash.bin").is_file() == WAYS[name].loaded


def test_netlist_check_fails(built):
    """The check is one: a prediction that is off by a cycle ends it, and so do classes of another network."""
    name, folder, _ = built
    check = design.designed(mapping_of(newcomer(name)), ICEBREAKER, 115_200).check
    assert isinstance(check, CycleCheck)
    x = samples(300)
    run = check.run(folder / "top.json", x)
    assert check.judged(run, Vectors(x, np.zeros(0, int), "random")).vectors == 300
    run.cycles[17] += 1
    with pytest.raises(CheckFailed, match=r"^the netlist takes \d+ cycles for vector 17, but \d+ were predicted$"):
        check.judged(run, Vectors(x, np.zeros(0, int), "random"))
    network = newcomer(name)
    changed = network.layers[0].weights.copy()
    changed[0] += 1
    other = replace(network, layers=(Weighted(changed), network.layers[1]))
    with pytest.raises(CheckFailed, match=r"^the netlist differs from the network on \d+ of 300 vectors: vector \d+ "):
        replace(check, mapping=mapping_of(other)).judged(run, Vectors(x, np.zeros(0, int), "random"))


@pytest.mark.parametrize(
    ("name", "board"),
    [("whole-whole", "ulx3s"), ("values-values-loaded", "icebreaker"), ("values-whole-loaded", "ice40_hx8k_b_evn")],
)
def test_netlist(name, board, tmp_path):
    """What Yosys makes of other ways, and on other boards; the flash chip of one has no pins for protection."""
    made = design.designed(mapping_of(newcomer(name)), boards.find(board), 115_200)
    sources = elaborated(made)
    for file, data in sources.files.items():
        (tmp_path / file).write_bytes(data)
    tools.run(sources.synthesis, tmp_path, "synthesis.log")
    x, check = samples(300), made.check
    assert isinstance(check, CycleCheck)
    checked = check.judged(check.run(tmp_path / "top.json", x), Vectors(x, np.zeros(0, int), "random"))
    assert checked.vectors == 300


@pytest.mark.parametrize("name", BUILT)
def test_run(name, file, tmp_path, capsys):
    """The host's end and the simulated board's."""
    x = samples(5)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%d")
    assert cli.main(["run", "--port", "sim", "--model", file(name), "--json", str(tmp_path / "x.csv")]) == 0
    classes = [each["class"] for each in json.loads(capsys.readouterr().out)["classes"]]
    assert classes == newcomer(name).evaluate(x).tolist()


@pytest.mark.parametrize("second", UNLOADED)
@pytest.mark.parametrize("first", UNLOADED)
def test_two_in_a_row(first, second):
    """The second takes the sums of the first one by one or whole; each sample takes the cycles of both, and of what
    joins them.
    """
    rng = np.random.default_rng(8)
    layers = [Weighted(rng.integers(-3, 4, (3, INPUTS))), Weighted(rng.integers(-3, 4, (CLASSES, 3))), Argmax()]
    network = Network(Activations((INPUTS,), Interval(-8, 7)), layers)
    engines = [Lone(network, 0, WAYS[first]), Lone(network, 1, WAYS[second]), Unrolled(network, 2)]
    mapping = Mapping(engines)
    x = samples(8)

    def words(x: np.ndarray) -> list[int]:
        if mapping.input_io is Io.SERIAL:
            return (x & 15).ravel().tolist()
        return (x & 15) @ (1 << 4 * np.arange(INPUTS)) if len(x) else []

    each = INPUTS if mapping.input_io is Io.SERIAL else 1
    outputs, entered, _ = rtl_stream(Accelerator(mapping), [int(word) for word in words(x)], len(x))
    assert outputs == network.evaluate(x).tolist()
    assert max(np.diff(entered[::each])) <= mapping.interval
    # alone, so that none waits for the one before it
    for sample, cycles in zip(x[:3], mapping.cycles(x), strict=False):
        _, entered, left = rtl_stream(Accelerator(mapping), [int(word) for word in words(sample[None])], 1)
        assert left[0] - entered[-1] == cycles


@st.composite
def rows(draw) -> Mapping:
    """Up to three layers, by this engine in any way or as logic with any registers, of any small shape, and a class."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    acts = reads = Activations((draw(st.integers(1, 5)),), draw(st.sampled_from([Interval(-8, 7), Interval(0, 1)])))
    layers, builders = [], []
    for own in draw(st.lists(st.booleans(), min_size=1, max_size=3)):
        weights = rng.integers(-3, 4, (draw(st.integers(1, 4)), acts.size))
        outputs = len(weights)
        if own:
            layers.append(Weighted(weights))
            way = draw(st.sampled_from([*WAYS.values()]))
            builders.append(lambda network, index, way=way: Lone(network, index, way))
        else:
            relu = Requantize(np.ones(outputs), np.ones(outputs), 0, 7)
            layers.append(IntDense(weights, np.zeros(outputs), relu))
            latency = draw(st.integers(0, 2))
            builders.append(lambda network, index, latency=latency: Embedded.of(network, index, UP5K, latency=latency))
        acts = layers[-1].infer(acts)
    network = Network(reads, [*layers, Argmax()])
    engines: list[Engine] = []
    while (index := engines[-1].stop if engines else 0) < len(layers):
        engines.append(builders[index](network, index))
    return Mapping([*engines, Unrolled(network, index)])


@given(rows(), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_any_row(mapping, seed):
    """Values, the cycles of each sample alone, and the interval, whatever stands next to what."""
    network, rng = mapping.network, np.random.default_rng(seed)
    interval, size = network.input.interval, network.input.size
    x = rng.integers(interval.low, interval.high + 1, (4, size)) * (np.arange(size) < rng.integers(0, size + 1, (4, 1)))
    words = x & (1 << interval.word) - 1
    if mapping.input_io is Io.PARALLEL:
        words = words @ (1 << interval.word * np.arange(size))[:, None]
    each = words.shape[1]
    outputs, entered, _ = rtl_stream(Accelerator(mapping), words.ravel().tolist(), 4)
    assert outputs == network.evaluate(x).tolist()
    assert max(np.diff(entered[::each])) <= mapping.interval
    outputs, _, _ = rtl_stream(Accelerator(mapping), words.ravel().tolist(), 4, 0.4, 0.5)
    assert outputs == network.evaluate(x).tolist()
    _, entered, left = rtl_stream(Accelerator(mapping), words[0].tolist(), 1)
    assert left[0] - entered[-1] == mapping.cycles(x)[0]


def test_values_that_are_collected(monkeypatch):
    """Were the engine as fast as its values leave, whoever collects them would take a cycle more."""
    monkeypatch.setattr(Lone, "interval", property(lambda self: self.gives.size))
    network = newcomer("values-values")
    assert mapping_of(network).interval == CLASSES + 1
    assert Mapping([Lone(network, 0, WAYS["values-values"])]).interval == CLASSES + 1  # at the end, too
    assert Mapping([Lone(network, 0, WAYS["values-whole"])]).interval == CLASSES


@pytest.mark.parametrize("name", ["values-whole", "whole-values"])
def test_export(name, file, tmp_path):
    """The Verilog text, synthesised by itself: samples go in and classes come out, with pauses on either side."""
    text = tmp_path / "core.v"
    assert cli.main(["export", file(name), "--stream", "--verilog", str(text)]) == 0
    (tmp_path / "top.ys").write_text("read_verilog core.v\nsynth_ice40 -top core\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "synthesis.log")
    simulation, network, x = Simulation(tmp_path / "top.json"), newcomer(name), samples(64)
    for pause in range(3):
        serial = WAYS[name].input_io is Io.SERIAL
        for value in x.T & 15 if serial else [(x & 15) @ (1 << 4 * np.arange(INPUTS))]:
            simulation.set("i__valid", 0)
            simulation.step(pause)
            simulation.set("i__payload", value)
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
