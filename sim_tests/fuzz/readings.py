"""All readings of one network, each of which must give what `sim_tests.reference` gives.

A reading of those in `CHEAP` is a function of a `Case`, None where it cannot read it, and takes milliseconds. The other
`check_*` take a kind of engine: a simulation, or synthesis and what reads its netlists and texts.
"""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import strategies as st

from benchmarks.verilog import compiled, simulated
from logicnn.bits import pack, unpack
from logicnn.board import boards
from logicnn.board.protocol import BAUD
from logicnn.engines import Engine, Io, Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.qonnx import ExportRefused
from logicnn.flow.qonnx import exported as qonnx_of
from logicnn.flow.sources import elaborated
from logicnn.flow.verilog import NEUTRAL
from logicnn.flow.verilog import exported as verilog_of
from logicnn.gateware import Accelerator, Core
from logicnn.importers import Given, ImportRefused
from logicnn.importers.qonnx import imported
from logicnn.netlist.netlist import Netlist
from logicnn.network import Layer, Network, simplify
from logicnn.network.files import from_bytes, to_bytes
from logicnn.resources import Device
from logicnn.verify.logic import decode
from logicnn.verify.vectors import Vectors
from sim_tests.fuzz.engines import mapping_with
from sim_tests.fuzz.networks import Draw, networks, samples_of
from sim_tests.helpers import all_bits_of, synthesise
from sim_tests.reference import ref_evaluate
from sim_tests.stream_helpers import as_integers, rtl_stream

__all__ = [
    "CHEAP",
    "Case",
    "cases",
    "check",
    "check_board",
    "check_core",
    "check_engine",
    "check_verilog",
    "through_qonnx",
]

SIMULATED = 6  # samples of a simulation, which costs a millisecond and more a cycle


@dataclass(frozen=True)
class Case:
    """A network, samples of it, and what it gives for these."""

    network: Network
    x: np.ndarray  # (n, *network.input.shape)
    expected: np.ndarray  # (n, *network.output.shape)

    def __repr__(self) -> str:
        given, layers = self.network.input, self.network.layers
        names = ", ".join(_shown(each) for each in layers)
        return f"{given.shape} of {given.interval.low} ... {given.interval.high}: {names}"

    @classmethod
    def of(cls, network: Network, x: np.ndarray) -> "Case":
        return cls(network, x, ref_evaluate(network, x))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # how hypothesis shows it
        printer.text(repr(self))

    def part(self, count: int) -> "Case":
        return replace(self, x=self.x[:count], expected=self.expected[:count])

    def compare(self, reading: str, found: np.ndarray | None) -> None:
        """Raises `AssertionError` with the first sample that differs."""
        if found is None:
            return
        assert found.shape == self.expected.shape, f"{reading} gives {found.shape}, not {self.expected.shape}"
        wrong = np.flatnonzero((found != self.expected).reshape(len(self.x), -1).any(1))
        if len(wrong):
            first = int(wrong[0])
            raise AssertionError(
                f"{reading} differs on {len(wrong)} of {len(self.x)} samples: {self.x[first].tolist()} should give "
                f"{self.expected[first].tolist()} but gives {found[first].tolist()}"
            )


@st.composite
def cases(draw: Draw, family: str, count: int) -> Case:
    """Networks of a family, with so many samples each."""
    network = draw(networks(family))
    return Case.of(network, samples_of(network, count))


def _shown(layer: Layer) -> str:
    values = [f"{name}={_values(value)}" for name, value in vars(layer).items()]
    return f"{type(layer).__name__}({', '.join(values)})"


def _values(value: object) -> str:
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    return (
        f"{type(value).__name__}({', '.join(map(_values, vars(value).values()))})"
        if is_dataclass(value)
        else str(value)
    )


def _evaluated(case: Case) -> np.ndarray:
    return case.network.evaluate(case.x)


def _in_pieces(case: Case) -> np.ndarray:
    """Sample by sample: words that are packed have one bit."""
    return np.concatenate([case.network.evaluate(each[None]) for each in case.x])


def _last_value(case: Case) -> np.ndarray | None:
    """The last of what every layer gives; None where the only one encodes."""
    values = list(case.network.values(case.network.encode(case.x)))
    return values[-1].reshape(case.expected.shape) if values else None


def _from_file(case: Case) -> np.ndarray:
    data = to_bytes(case.network)
    again = from_bytes(data)
    assert again == case.network and to_bytes(again) == data and again.name == case.network.name
    return again.evaluate(case.x)


def _simplified(case: Case) -> np.ndarray:
    return simplify(case.network).evaluate(case.x)


def _unread_changed(case: Case) -> np.ndarray:
    """With every bit inverted that no layer is said to read."""
    encoded = case.network.encode(case.x)
    unread = np.ones(encoded.shape[1], bool)
    unread[list(case.network.read_inputs())] = False
    return case.network.evaluate_bits(encoded ^ unread)


def through_qonnx(case: Case) -> np.ndarray | None:
    """Written as a QONNX file and read again; that has no place for a network without binarized layers."""
    network = case.network
    try:
        data = qonnx_of(network)
    except ExportRefused:
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.onnx"
        path.write_bytes(data)
        try:
            again = imported(path, Given(network.input.interval, 1.0))
        except ImportRefused:
            return None
        return again.network.evaluate(case.x)


CHEAP: dict[str, Callable[[Case], np.ndarray | None]] = {
    "evaluate": _evaluated,
    "evaluate, sample by sample": _in_pieces,
    "the last of all values": _last_value,
    "the network file": _from_file,
    "simplify": _simplified,
    "evaluate, with what is not read changed": _unread_changed,
    "QONNX there and back": through_qonnx,
}


def check(case: Case) -> None:
    """All cheap readings."""
    for name, reading in CHEAP.items():
        case.compare(name, reading(case))


def given_words(mapping: Mapping, x: np.ndarray) -> np.ndarray:  # (transfers, bits of one) bool
    """What an accelerator is given for samples: whole, or value by value."""
    encoded = mapping.network.encode(x)
    return encoded.reshape(-1, mapping.given.interval.word) if mapping.input_io is Io.SERIAL else encoded


def stream(case: Case, mapping: Mapping, stall: float) -> np.ndarray:
    """The accelerator in Amaranth's simulator, both sides stalling at random; where none does, the first sample takes
    the cycles that are predicted for it.
    """
    words = as_integers(given_words(mapping, case.x))
    most = 4 * len(case.x) * (mapping.interval + mapping.latency.most)
    outputs, entered, left = rtl_stream(Accelerator(mapping), words, len(case.x), stall, stall, most)
    if not stall:
        transfers = len(words) // len(case.x)
        predicted = mapping.cycles(case.network.encoded_words(case.x))
        assert left[0] - entered[transfers - 1] == predicted[0], (
            f"takes {left[0] - entered[transfers - 1]} cycles where {predicted[0]} are predicted"
        )
    width = case.network.output.size * case.network.output.interval.word
    return decode(case.network, all_bits_of([word % (1 << width) for word in outputs], case.network))


def check_engine(case: Case, kind: type[Engine], seed: int) -> Mapping | None:
    """The network on engines of which at least one is of a kind, in the simulator; the mapping, None where it is for
    none of its layers.
    """
    mapping = mapping_with(kind, case.network, seed)
    if mapping is None:
        return None
    some = case.part(SIMULATED)
    for stall in (0.0, 0.5):
        some.compare(f"{mapping_name(mapping)}, stalling {stall}", stream(some, mapping, stall))
    return mapping


def mapping_name(mapping: Mapping) -> str:
    """Its engines and their settings, for messages."""
    return ", ".join(_engine(each) for each in mapping.engines)


def _engine(engine: Engine) -> str:
    settings = {name: value for name, value in vars(engine).items() if isinstance(value, int)}
    return f"{type(engine).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"


class _Beside(wiring.Component):
    """A core beside a gate of two more inputs: at what has no logic at all, ABC of Yosys 0.70 ends without a word."""

    def __init__(self, mapping: Mapping):
        self._core = Core(mapping)
        given, gives = (Value.cast(each).shape().width for each in (self._core.i, self._core.o))
        super().__init__({"i": In(given + 2), "o": Out(gives + 1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self._core
        m.d.comb += [
            Value.cast(core.i).eq(self.i[:-2]),
            self.o.eq(Cat(Value.cast(core.o), self.i[-2] & self.i[-1])),
        ]
        return m


def check_core(case: Case, kind: type[Engine], seed: int, device: Device) -> Mapping | None:
    """What synthesis for a device makes of engines that are logic and registers, registers taken as wires; None where
    there are none of the kind.
    """
    mapping = mapping_with(kind, case.network, seed, device)
    if mapping is None or not mapping.feed_forward:
        return None
    with TemporaryDirectory() as folder:
        netlist = Netlist(synthesise(_Beside(mapping), Path(folder), f"synth_{device.family.value}"))
    encoded = np.pad(case.network.encode(case.x), [(0, 0), (0, 2)], constant_values=True)
    given = dict(zip(netlist.nets("i"), pack(encoded), strict=True))
    word = unpack(netlist.evaluate(given, netlist.nets("o")), len(encoded))
    assert word[:, -1].all(), "the gate beside"
    name = f"the netlist for {device.name} of {mapping_name(mapping)}"
    case.compare(name, decode(case.network, word[:, :-1]))
    return mapping


def check_verilog(case: Case, kind: type[Engine], seed: int) -> Mapping | None:
    """The exported text and its testbench in Icarus Verilog, with streams, and without where there is no register."""
    mapping = mapping_with(kind, case.network, seed, NEUTRAL)
    if mapping is None:
        return None
    case.compare("evaluate", case.network.evaluate(case.x))  # which the testbench expects
    for streams in (True, False):
        if not streams and mapping.latency.most:
            continue
        with TemporaryDirectory() as name:
            folder = Path(name)
            built = mapping if mapping.latency.most or not streams else mapping.with_registers()
            made = verilog_of(built, "core", folder, stream=streams)
            made.write(folder / "core.v", force=True)
            done = simulated(folder / "core.v", compiled(folder / "core.v", "iverilog"))
        assert done.returncode == 0 and f"PASS: {made.vectors} vectors" in done.stdout, (
            f"Icarus Verilog, {'with' if streams else 'without'} streams, of {mapping_name(mapping)}: "
            f"{done.stdout[-300:]}{done.stderr[-300:]}"
        )
    return mapping


def check_board(case: Case, kind: type[Engine], seed: int, board: str) -> Mapping | None:
    """A board's whole netlist, by the check of a build: as logic between registers, or clock by clock from reset on.
    None where there is no engine of the kind, or the board cannot have the network.
    """
    found = boards.find(board)
    mapping = mapping_with(kind, case.network, seed, found.device)
    if mapping is None:
        return None
    try:
        design = designed(mapping, found, BAUD)
    except LogicnnError:
        return None
    case.compare("evaluate", case.network.evaluate(case.x))  # which the check expects
    with TemporaryDirectory() as name:
        sources = elaborated(design)
        for file, data in sources.files.items():
            (Path(name) / file).write_bytes(data)
        tools.run(sources.synthesis, Path(name), "synthesis.log")
        vectors = Vectors(case.x, np.zeros(0, np.int64), "fuzz")
        try:
            design.check.verified(Netlist(Path(name) / "top.json"), vectors)
        except CheckFailed as error:
            raise AssertionError(f"{board}, {mapping_name(mapping)}: {error}") from None
    return mapping
