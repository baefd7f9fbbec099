"""Retiming against every assignment of stages to small circuits, examples by hand, and one circuit of a real size."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.retiming import (
    TOLERANCE,
    Pipeline,
    as_placed,
    least_latency,
    least_period,
    period_ns,
    register_bits,
    retime,
    soonest,
)
from logicnn.arithmetic.synchronous import Circuit, Net, RetimingError, Shortcut

deterministic = settings(derandomize=True, deadline=None, max_examples=150)


def chain(*delays: float, width: int = 1, latch: float = 0.5) -> Circuit:
    """An input, vertices in a row, and an output."""
    nets = tuple(Net(each, width, (each + 1,)) for each in range(len(delays) + 1))
    return Circuit((0.0, *delays, 0.0), nets, (0,), (len(delays) + 1,), latch)


# Vertex 1 reads the input, 2 and 3 read 1, and 4 reads 2 and 3; 8 bits go in, 4 come out of vertex 1, 3 and 2 out of
# its readers.
DIAMOND = Circuit(
    (0.0, 1.0, 1.0, 2.0, 1.0, 0.0),
    (Net(0, 8, (1,)), Net(1, 4, (2, 3)), Net(2, 3, (4,)), Net(3, 2, (4,)), Net(4, 5, (5,))),
    (0,),
    (5,),
    0.5,
)


@st.composite
def circuits(draw, most: int = 7) -> Circuit:
    """Any small circuit: constants, vertices that nothing reads, delays of 0, nets in parallel, shortcuts."""
    count = draw(st.integers(2, most))
    inputs = draw(st.integers(0, min(2, count - 1)))
    outputs = draw(st.integers(1, min(2, count - inputs)))
    delays = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]), min_size=count, max_size=count))
    nets = []
    for source in range(count - outputs):
        possible = range(max(source + 1, inputs), count)
        for readers in draw(st.lists(st.sets(st.sampled_from(possible), min_size=1, max_size=3), max_size=2)):
            nets.append(Net(source, draw(st.integers(1, 4)), tuple(readers)))
    edges = sorted({(net.source, reader) for net in nets for reader in net.readers})
    taken = draw(st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)))
    shortcuts = [
        Shortcut(source, reader, draw(st.sampled_from([0.5, 1.0])) * delays[reader])
        for (source, reader), short in zip(edges, taken, strict=True)
        if short
    ]
    ends = tuple(range(inputs)), tuple(range(count - outputs, count))
    return Circuit(tuple(delays), tuple(nets), *ends, 0.2, tuple(shortcuts))


def random_circuit(seed: int, count: int, near: int = 200, outputs: int = 20) -> Circuit:
    """A tenth are inputs; the others read up to three of the `near` vertices before them."""
    rng = np.random.default_rng(seed)
    inputs = count // 10
    readers: list[set[int]] = [set() for _ in range(count)]
    for vertex in range(inputs, count - outputs):
        for source in rng.integers(max(0, vertex - near), vertex, 3).tolist():
            readers[source].add(vertex)
    for each in readers[: count - outputs]:
        if not each:
            each.add(int(rng.integers(count - outputs, count)))
    inner = rng.uniform(0.3, 1.2, count - outputs - inputs).round(2).tolist()
    nets = [Net(source, int(rng.integers(1, 9)), tuple(sorted(each))) for source, each in enumerate(readers) if each]
    delays = (*[0.0] * inputs, *inner, *[0.0] * outputs)
    return Circuit(delays, tuple(nets), tuple(range(inputs)), tuple(range(count - outputs, count)), 0.5)


def ref_paths(circuit: Circuit) -> list[list[int]]:
    """Every path of the circuit, one vertex long or longer."""
    paths = [[vertex] for vertex in range(len(circuit.delays))]
    for path in paths:  # which grows meanwhile
        paths += [[*path, reader] for net in circuit.nets if net.source == path[-1] for reader in net.readers]
    return paths


def ref_pipelines(circuit: Circuit, latency: int) -> list[tuple[float, int]]:
    """Period and register bits of all legal stages, from paths and single rows of registers."""
    count = len(circuit.delays)
    choices = [
        [0] if v in circuit.inputs else [latency] if v in circuit.outputs else range(latency + 1) for v in range(count)
    ]
    paths = ref_paths(circuit)
    saved = {(source, reader): ns for source, reader, ns in circuit.shortcuts}
    found = []
    for stages in itertools.product(*choices):
        if any(stages[reader] < stages[net.source] for net in circuit.nets for reader in net.readers):
            continue
        period = max(
            sum(circuit.delays[each] for each in path) - sum(saved.get(edge, 0.0) for edge in itertools.pairwise(path))
            for path in paths
            if len({stages[each] for each in path}) == 1
        )
        bits = 0
        for net in circuit.nets:
            for stage in range(latency):  # between it and the next
                bits += net.width * (
                    stages[net.source] <= stage and any(stages[reader] > stage for reader in net.readers)
                )
        found.append((period + circuit.latch_ns, bits))
    return found


@deterministic
@given(circuits(), st.integers(0, 3))
def test_fewest_bits_at_least_period(circuit, latency):
    every = ref_pipelines(circuit, latency)
    shortest = min(period for period, _ in every)
    assert least_period(circuit, latency) == pytest.approx(shortest, abs=1e-9)
    pipeline = retime(circuit, latency=latency)
    assert pipeline.latency == latency
    assert pipeline.period_ns == pytest.approx(shortest, abs=2e-9)
    assert pipeline.register_bits == min(bits for period, bits in every if period <= shortest + TOLERANCE)


@deterministic
@given(circuits(), st.integers(0, 3), st.floats(1, 2))
def test_fewest_bits_at_longer_period(circuit, latency, slack):
    period = slack * least_period(circuit, latency)
    pipeline = retime(circuit, latency=latency, period=period)
    assert pipeline.period_ns <= period + TOLERANCE
    first = soonest(circuit, period)
    assert first.period_ns <= period + TOLERANCE and first.latency == least_latency(circuit, period)
    assert first.latency < latency or pipeline.register_bits <= first.register_bits
    assert pipeline.register_bits == min(
        bits for each, bits in ref_pipelines(circuit, latency) if each <= period + TOLERANCE
    )


@deterministic
@given(circuits(6), st.floats(1, 2))
def test_least_latency(circuit, slack):
    period = slack * circuit.least_period_ns
    latency = least_latency(circuit, period)
    assert any(each <= period + TOLERANCE for each, _ in ref_pipelines(circuit, latency))
    assert latency == 0 or not any(each <= period + TOLERANCE for each, _ in ref_pipelines(circuit, latency - 1))
    pipeline = retime(circuit, period=period)
    assert pipeline.latency == latency
    assert pipeline == as_placed(circuit, pipeline.stages)


@st.composite
def sequential_circuits(draw, most: int = 6) -> Circuit:
    """Any small circuit with registers and loops: an input or none, an output, vertices that only loops lead to."""
    count = draw(st.integers(3, most))
    inputs = draw(st.integers(0, 1))
    delays = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]), min_size=count, max_size=count))
    nets = []
    for source in range(count - 1):
        readers = draw(st.lists(st.integers(inputs, count - 1), max_size=3))
        taps = [draw(st.integers(0 if reader > source else 1, 2)) for reader in readers]
        if readers:
            nets.append(Net(source, draw(st.integers(1, 3)), tuple(readers), tuple(taps)))
    edges = sorted({(net.source, reader) for net in nets for reader in net.readers})
    shortcuts = [Shortcut(*edge, 0.5 * delays[edge[1]]) for edge in edges if draw(st.booleans())]
    return Circuit(tuple(delays), tuple(nets), tuple(range(inputs)), (count - 1,), 0.2, tuple(shortcuts))


def ref_retimings(circuit: Circuit, latency: int, farthest: int = 3) -> list[tuple[float, int]]:
    """Period and register bits of all legal stages near 0, from registers edge by edge and tap by tap."""
    count = len(circuit.delays)
    near = range(-farthest, farthest + latency + 1)
    choices = [[0] if v in circuit.inputs else [latency] if v in circuit.outputs else near for v in range(count)]
    saved = {(source, reader): ns for source, reader, ns in circuit.shortcuts}
    taps = [(net, *tap) for net in circuit.nets for tap in zip(net.readers, net.taps, strict=True)]
    found = []
    for stages in itertools.product(*choices):
        left = [(net, reader, tap + stages[reader] - stages[net.source]) for net, reader, tap in taps]
        if any(registers < 0 for _, reader, registers in left):
            continue
        direct = [(net.source, reader) for net, reader, registers in left if not registers]

        def arrival(vertex: int, direct=direct) -> float:
            before = [
                arrival(source) - saved.get((source, vertex), 0.0) for source, reader in direct if reader == vertex
            ]
            return circuit.delays[vertex] + max([0.0, *before])

        longest: dict[int, int] = {}
        for net, _, registers in left:
            longest[id(net)] = max(longest.get(id(net), 0), registers)
        bits = sum(net.width * longest[id(net)] for net in circuit.nets)
        found.append((max(map(arrival, range(count))) + circuit.latch_ns, bits))
    return found


@settings(derandomize=True, deadline=None, max_examples=60)
@given(sequential_circuits(), st.integers(0, 1), st.floats(1, 1.5))
def test_loops(circuit, latency, slack):
    """The least period and the fewest bits of all retimings of a circuit with registers."""
    every = ref_retimings(circuit, latency)
    shortest = min(period for period, _ in every)
    assert least_period(circuit, latency) == pytest.approx(shortest, abs=1e-9)
    pipeline = retime(circuit, latency=latency)
    assert pipeline == as_placed(circuit, pipeline.stages) and pipeline.latency == latency
    assert pipeline.period_ns == pytest.approx(shortest, abs=2e-9)
    assert pipeline.register_bits == min(bits for period, bits in every if period <= shortest + TOLERANCE)
    period = slack * shortest
    slower = retime(circuit, latency=latency, period=period)
    assert slower.register_bits == min(bits for each, bits in every if each <= period + TOLERANCE)
    first = soonest(circuit, period)
    assert first.period_ns <= period + TOLERANCE and first.latency == least_latency(circuit, period) <= latency


# The correlator of Leiserson and Saxe, Fig. 1: comparators of 3, adders of 7, and the host (vertex 7) as logic of 0 in
# the loop; an output reads it, since a circuit here has one.
CORRELATOR = Circuit(
    (3.0, 3.0, 3.0, 3.0, 7.0, 7.0, 7.0, 0.0, 0.0),
    (
        Net(7, 1, (0, 8), (1, 0)),
        Net(0, 1, (1, 6), (1, 0)),
        Net(1, 1, (2, 5), (1, 0)),
        Net(2, 1, (3, 4), (1, 0)),
        Net(3, 1, (4,)),
        Net(4, 1, (5,)),
        Net(5, 1, (6,)),
        Net(6, 1, (7,)),
    ),
    (),
    (8,),
    0.0,
)


def test_correlator():
    """The paper's periods: 24 as it is drawn, 13 at best; in between more registers than four buy time."""
    assert as_placed(CORRELATOR, [0] * 9) == Pipeline((0,) * 9, 0, 24.0, 4)
    assert least_period(CORRELATOR, 0) == least_period(CORRELATOR, 3) == 13.0
    assert retime(CORRELATOR, latency=0, period=24.0).register_bits == 4
    best = retime(CORRELATOR, latency=0)
    assert best.period_ns == 13.0
    assert best.register_bits == min(bits for period, bits in ref_retimings(CORRELATOR, 0, 2) if period <= 13.0)


def test_ring():
    """Two vertices of 1 ns and one register: no retiming gets below 2 ns, whatever the latency."""
    nets = (Net(0, 1, (1,)), Net(1, 1, (2,), (0,)), Net(2, 1, (1, 3), (1, 0)))
    ring = Circuit((0.0, 1.0, 1.0, 0.0), nets, (0,), (3,), 0.0)
    assert retime(ring, latency=0) == Pipeline((0, 0, 0, 0), 0, 2.0, 1)
    assert retime(ring, latency=1).period_ns == 2.0
    with pytest.raises(
        RetimingError, match=r"^period 1\.5 ns is less than a loop takes by its registers, whatever the latency$"
    ):
        least_latency(ring, 1.5)


def test_register_moves_forwards():
    """From behind the input to between two vertices: a stage below 0."""
    circuit = Circuit((0.0, 1.0, 1.0, 0.0), (Net(0, 4, (1,), (1,)), Net(1, 1, (2,)), Net(2, 2, (3,))), (0,), (3,), 0.0)
    assert retime(circuit, latency=0) == Pipeline((0, -1, 0, 0), 0, 1.0, 1)
    assert period_ns(circuit, (0, 0, 0, 0)) == 2.0 and register_bits(circuit, (0, 0, 0, 0)) == 4
    assert soonest(circuit, 2.0).stages == (0, -1, -1, 0)


def test_loop_that_nothing_leads_to():
    """A counter's bit, 2 ns and a register, reads no input: its stage is below whatever reads it."""
    circuit = Circuit((1.0, 1.0, 0.0), (Net(0, 1, (1,)), Net(1, 1, (0, 2), (1, 0))), (), (2,), 0.0)
    assert retime(circuit, latency=0) == Pipeline((0, 0, 0), 0, 2.0, 1)
    first = soonest(circuit, 2.0)
    assert first.latency == 0 and first.period_ns == 2.0


@pytest.mark.parametrize("latency", range(13))
def test_chain(latency):
    circuit = chain(*[1.0] * 12, width=3)
    pipeline = retime(circuit, latency=latency)
    assert pipeline.period_ns == least_period(circuit, latency) == math.ceil(12 / (latency + 1)) + 0.5
    assert pipeline.register_bits == 3 * latency  # wherever they are
    assert least_latency(circuit, pipeline.period_ns) <= latency


def test_chain_of_decimals():
    """Three times 0.1 is not 0.3 in binary, and is not to need a stage of its own."""
    assert least_latency(chain(*[0.1] * 9, latch=0.0), 0.3) == 2


def test_diamond():
    """2 + 2 ns; the cut is after vertex 1, not after 2 and 3 (5 bits, but 3 ns and 1 ns) nor before 4."""
    assert least_period(DIAMOND, 0) == 4.5
    assert retime(DIAMOND, latency=1) == Pipeline((0, 0, 1, 1, 1, 1), 1, 3.5, 4)
    assert retime(DIAMOND, latency=2) == Pipeline((0, 0, 1, 1, 2, 2), 2, 2.5, 4 + 3 + 2)
    assert least_latency(DIAMOND, 2.5) == 2
    assert least_latency(DIAMOND, math.inf) == 0


def test_slack_saves_bits():
    """Two registers after vertex 1 are 8 bits; at 2.5 ns vertex 4 must start a stage of its own, which is 9."""
    assert retime(DIAMOND, latency=2, period=3.5).register_bits == 8
    assert retime(DIAMOND, latency=2, period=3.4).register_bits == 9


def test_readers_share_registers():
    """A net read one stage on and three stages on has three registers; two nets with the same readers have them
    twice.
    """
    circuit = Circuit((0.0, 1.0, 1.0, 1.0), (Net(0, 2, (1, 3)), Net(1, 1, (2,)), Net(2, 1, (3,))), (0,), (3,), 0.0)
    assert register_bits(circuit, (0, 1, 2, 3)) == 2 * 3 + 1 + 1
    assert register_bits(replace(circuit, nets=(*circuit.nets, Net(0, 2, (1, 3)))), (0, 1, 2, 3)) == 2 * 3 * 2 + 1 + 1
    assert retime(circuit, latency=2) == Pipeline((0, 0, 1, 2), 2, 1.0, 2 * 2 + 1 + 1)


def test_as_placed():
    """Both registers left at the output: every bit of it twice, and the period of none."""
    assert as_placed(DIAMOND, [0, 0, 0, 0, 0, 2]) == Pipeline((0, 0, 0, 0, 0, 2), 2, 4.5, 10)


def test_a_carry_goes_on():
    """A chain of 1 ns and three slices of 0.25 ns: 1.75 ns whole; cut after the second slice, the third starts with a
    way in of its own.
    """
    nets = (Net(0, 8, (1, 2, 3)), Net(1, 1, (2,)), Net(2, 1, (3,)), Net(3, 1, (4,)))
    circuit = Circuit((0.0, 1.25, 1.25, 1.25, 0.0), nets, (0,), (4,), 0.0, (Shortcut(1, 2, 1.0), Shortcut(2, 3, 1.0)))
    assert least_period(circuit, 0) == 1.75
    assert least_period(circuit, 1) == 1.5
    assert least_period(circuit, 2) == 1.25
    assert period_ns(circuit, (0, 0, 0, 1, 1)) == 1.5


def test_constant_moves_to_its_reader():
    """Vertex 1 reads nothing, and is no input: it needs no registers."""
    circuit = Circuit(
        (0.0, 0.0, 1.0, 1.0, 0.0), (Net(0, 1, (2,)), Net(1, 9, (3,)), Net(2, 1, (3,)), Net(3, 1, (4,))), (0,), (4,), 0.0
    )
    assert retime(circuit, latency=1) == Pipeline((0, 1, 0, 1, 1), 1, 1.0, 1)


def test_real_size():
    circuit = random_circuit(1, 2000)
    periods = [least_period(circuit, latency) for latency in range(12)]
    assert periods == sorted(periods, reverse=True)
    for latency in (1, 3, 6):
        pipeline = retime(circuit, latency=latency)
        assert pipeline == as_placed(circuit, pipeline.stages)
        assert pipeline.period_ns == pytest.approx(periods[latency], abs=2e-9)
        assert least_latency(circuit, periods[latency]) == latency
        with pytest.raises(RetimingError):
            retime(circuit, latency=latency, period=periods[latency] - 1e-6)
        longer = retime(circuit, latency=latency, period=1.1 * periods[latency])
        assert longer.register_bits < pipeline.register_bits


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_start_vertices(monkeypatch, block):
    circuit = random_circuit(2, 150, near=20, outputs=3)
    whole = retime(circuit, latency=4)
    monkeypatch.setattr("logicnn.arithmetic.retiming.BLOCK", block)
    assert retime(circuit, latency=4).register_bits == whole.register_bits


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("delays", (0.0, 1.0, -1.0), r"delays\[2\] must be finite and at least 0 ns, not -1\.0"),
        ("delays", (0.0, math.nan, 0.0), r"delays\[1\] must be finite and at least 0 ns, not nan"),
        ("latch_ns", math.inf, r"latch_ns must be finite and at least 0 ns, not inf"),
        ("nets", (Net(3, 1, (4,)),), r"nets\[0\]\.source must be a vertex of 0 \.\.\. 2, not 3"),
        ("nets", (Net(0, 1, (1,)), Net(1, 0, (2,))), r"nets\[1\]\.width must be at least 1 bit, not 0"),
        ("nets", (Net(0, 1, ()),), r"nets\[0\]\.readers must name at least one vertex, not \(\)"),
        ("nets", (Net(1, 1, (1,)),), r"nets\[0\]\.readers must come after source 1, up to 2, not 1"),
        ("nets", (Net(0, 1, (1,), (0, 1)),), r"nets\[0\]\.registers must be one for every reader, not 2"),
        ("nets", (Net(0, 1, (1,), (-1,)),), r"nets\[0\]\.registers must be at least 0, not -1"),
        ("nets", (Net(1, 1, (3,), (1,)),), r"nets\[0\]\.readers must be a vertex, up to 2, not 3"),
        ("nets", (Net(1, 1, (2, 3)),), r"nets\[0\]\.readers must come after source 1, up to 2, not 3"),
        ("inputs", (0, -1), r"inputs\[1\] must be a vertex of 0 \.\.\. 2, not -1"),
        ("inputs", (1,), r"inputs\[0\] must be a vertex that reads nothing, not 1"),
        ("outputs", (), r"outputs must name at least one vertex, not \(\)"),
        ("outputs", (2, 1), r"outputs\[1\] must be no input and nothing's source, not 1"),
        ("shortcuts", (Shortcut(0, 2, 0.0),), r"shortcuts\[0\] must join a net's source and reader, not 0 and 2"),
        (
            "shortcuts",
            (Shortcut(0, 1, 1.5),),
            r"shortcuts\[0\]\.saved_ns must be within the reader's 1\.0 ns, not 1\.5",
        ),
    ],
)
def test_circuit_wrong(field, value, message):
    with pytest.raises(RetimingError, match=f"^{message}$"):
        replace(chain(1.0), **{field: value})


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((0, 0, 1), r"stages must have 4 entries, one per vertex, not 3"),
        ((0, 0, 2, 1), r"stages\[2\] must be an integer of 0 \.\.\. 1, the stage of outputs\[0\], not 2"),
        ((0, 0.5, 1, 1), r"stages\[1\] must be an integer of 0 \.\.\. 1, the stage of outputs\[0\], not 0\.5"),
        ((1, 1, 1, 1), r"stages\[0\] must be 0, as of all inputs, not 1"),
        ((0, 1, 0, 1), r"stages\[2\] must be at least 1, the stage of its driver 1, not 0"),
    ],
)
@pytest.mark.parametrize("function", [as_placed, period_ns, register_bits])
def test_stages_wrong(function, stages, message):
    with pytest.raises(RetimingError, match=f"^{message}$"):
        function(chain(1.0, 1.0), stages)


def test_stages_of_a_sequential_circuit_wrong():
    with pytest.raises(RetimingError, match=r"^stages\[1\] must be an integer, not -0\.5$"):
        as_placed(CORRELATOR, (0, -0.5, 0, 0, 0, 0, 0, 0, 0))
    message = r"^stages\[1\] must be at least -1, the stage of its driver 0, less 1 registers, not -2$"
    with pytest.raises(RetimingError, match=message):
        as_placed(CORRELATOR, (0, -2, 0, 0, 0, 0, 0, 0, 0))


def test_outputs_in_different_stages():
    circuit = Circuit((0.0, 0.0, 0.0), (Net(0, 1, (1, 2)),), (0,), (1, 2), 0.0)
    with pytest.raises(RetimingError, match=r"^stages\[2\] must be 1, as of all outputs, not 0$"):
        as_placed(circuit, (0, 1, 0))


@pytest.mark.parametrize("period", [2.4, 0.0, -1.0, math.nan])
@pytest.mark.parametrize("function", [least_latency, lambda circuit, period: retime(circuit, period=period)])
def test_period_below_one_vertex(function, period):
    with pytest.raises(
        RetimingError,
        match=rf"^period must be at least 2\.5 ns, the slowest vertex between two registers, not {period}$",
    ):
        function(DIAMOND, period)


def test_latency_or_period():
    with pytest.raises(RetimingError, match=r"^retime needs latency, period or both, not None and None$"):
        retime(DIAMOND)
    with pytest.raises(
        RetimingError, match=r"^period 2\.5 ns needs a latency of 2 cycles, but latency is 1; 3\.5 ns fits$"
    ):
        retime(DIAMOND, latency=1, period=2.5)
    for function in (least_period, lambda circuit, latency: retime(circuit, latency=latency)):
        with pytest.raises(RetimingError, match=r"^latency must be at least 0, not -1$"):
            function(DIAMOND, -1)
