"""The bits that are flashed against `Network.evaluate`, from pin to pin: what a bitstream of iCE40 makes of its chip is
simulated on the serial line that a host would talk to.

Nothing of the flow is used but the pins of the board and the rate of the line: synthesis, placement, routing and
packing are all between the network and these bits.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.board.flash import OFFSET, RESOURCE
from logicnn.board.protocol import Decoder, Fault, Frame, Identity, Kind, encode, pack_sample
from logicnn.errors import CheckFailed
from logicnn.netlist.configured import LOCK, configured, main_clock, written
from logicnn.netlist.flash_chip import FlashChip
from logicnn.netlist.icestorm import unpacked
from logicnn.netlist.netlist import Module
from logicnn.netlist.simulate import Simulation
from logicnn.network import Network

__all__ = ["LANES", "BitstreamCheck", "BitstreamVerification", "Wiring"]

LANES = 64  # conversations side by side
PIECE = 1 << 15  # cycles whose levels are kept as integers at a time
BITS = 10  # of a byte on the line
TAG = 5  # of every request
SETTLES = 64  # cycles before anything is sent
SLACK = 1000  # cycles beyond a prediction
WAKES_NS = 3_000  # tRES1 of the flash chip
SIMPLE = 1  # FEEDBACK_PATH of a PLL
WRONG = 0.01  # of a PLL's frequency
RISES = 4  # of a divided clock that are looked at


@dataclass(frozen=True)
class Wiring:
    """What a board's file says: names of ports by pins of the package, in IceStorm's spelling (``sg48``), and which of
    them are the clock of `clock_hz` and the line of `baud`.
    """

    pins: Mapping[str, str]
    package: str
    clock: str
    clock_hz: float
    rx: str
    tx: str
    baud: int


@dataclass(frozen=True)
class BitstreamVerification:
    """How many samples went over the line, how often an answer differed, the cycles of the design's clock that were
    simulated (for `LANES` samples at a time), and the cells that the bits configure.
    """

    samples: int
    mismatches: int
    cycles: int
    cells: int

    @property
    def summary(self) -> str:
        return f"{self.samples - self.mismatches} of {self.samples} samples equal from pin to pin, {self.cells} cells"


@dataclass(frozen=True)
class BitstreamCheck:
    """A bitstream that is to answer for `network`, with `identity`, on a board.

    Its clock of `clock_hz` is the board's own, divided by `divider`, or of a PLL where `locks`; an answer comes within
    `latency` cycles. `image` is what the board's flash holds, which is read in `loading` cycles, or None.
    """

    network: Network
    identity: Identity
    wiring: Wiring
    clock_hz: float
    divider: int
    locks: bool
    latency: int
    image: bytes | None = None
    loading: int = 0

    @property
    def most_cycles(self) -> int:
        """Of the design's clock, for the identity and up to `LANES` samples."""
        sent, said = self.identity.sample_bytes + len(self.identity.to_bytes()), self.identity.answer_on_line
        return self.loading + 2 * (self.latency + SLACK) + round((2 * sent + said + SLACK) * BITS * self._bit)

    @property
    def _bit(self) -> float:
        """Cycles of a bit that a host sends."""
        return self.clock_hz / self.wiring.baud

    def verified(self, data: bytes, x: np.ndarray, source: str = "given") -> BitstreamVerification:
        """Sends inputs x (n, ...) and compares the answers; the board must also say that it runs this network.

        Raises `CheckFailed` with the first sample that differs, the expected and the actual value, or where no answer
        comes; `NetlistError` for bits that are not known, `IcestormMissing`.
        """
        module = configured(unpacked(data), self.wiring.pins, self.wiring.package)
        with tempfile.TemporaryDirectory() as folder:
            netlist = Path(folder, "bits.json")
            written(module, netlist)
            simulation = self._begun(module, netlist)
            self._check_identity(simulation)
            actual = self._answers(simulation, x)
        expected = self.network.evaluate(x)
        actual = actual.reshape(expected.shape)
        differs = (expected != actual).reshape(len(expected), -1).any(axis=1)
        if differs.any():
            first = int(np.argmax(differs))
            raise CheckFailed(
                f"the bitstream differs from the network on {np.count_nonzero(differs)} of {len(x)} samples: sample "
                f"{first} ({source}) should give {expected[first].tolist()} but gives {actual[first].tolist()}"
            )
        return BitstreamVerification(len(x), 0, simulation.cycle, len(module.cells))

    def _begun(self, module: Module, netlist: Path) -> Simulation:
        """A simulation of the clock that the design runs on, whose making is checked; flash is loaded."""
        wiring, (clock, others) = self.wiring, main_clock(module)
        for port in (wiring.clock, wiring.rx, wiring.tx):
            if port not in module.ports:
                raise CheckFailed(f"the bitstream does not use the pin of {port}")
        if self.locks:
            _check_pll(module, self.clock_hz / wiring.clock_hz)
        elif self.divider > 1:
            _check_divider(netlist, wiring.clock, clock if others else "", self.divider)
        elif others:
            raise CheckFailed(f"the bitstream has {others} flip-flops of another clock than the pin {wiring.clock}")
        has_lock = LOCK in module.names
        simulation = Simulation(netlist, LANES, forced=[LOCK] if has_lock else [], clock=clock)
        if has_lock:
            simulation.set(LOCK, 1)
        simulation.set(wiring.rx, 1)
        if self.image is not None:
            self._load(simulation, self.image)
        simulation.step(SETTLES)
        return simulation

    def _load(self, simulation: Simulation, image: bytes) -> None:
        chip = FlashChip(image, OFFSET, round(WAKES_NS * self.clock_hz / 1e9))
        name = "_".join(map(str, RESOURCE))
        cs_n, clk, copi, cipo = (simulation.pin(f"{name}__{pin}__io") for pin in ("cs", "clk", "copi", "cipo"))
        cipo.set(chip.step(cs_n.get(), clk.get(), copi.get()))
        detach = simulation.attach(lambda _: cipo.set(chip.step(cs_n.get(), clk.get(), copi.get())))
        simulation.step(self.loading + SLACK)
        detach()

    def _check_identity(self, simulation: Simulation) -> None:
        """Every lane is the same board, so that the first one is asked."""
        said = self.identity.to_bytes()
        (found, *_) = self._conversation(simulation, [encode(Frame(Kind.IDENTIFY, TAG))], 2 * len(said) + SLACK // BITS)
        if found != Frame(Kind.IDENTIFY, TAG, said):
            raise CheckFailed(
                f"the bitstream should say that it runs {self.network.name or 'a network'} "
                f"{self.identity.digest[:12]}, but {_shown(found)}"
            )

    def _answers(self, simulation: Simulation, x: np.ndarray) -> np.ndarray:  # (n, ...) -> (n, outputs)
        identity = self.identity
        requests = [
            encode(Frame(Kind.CLASSIFY, TAG, pack_sample(values, identity.word)))
            for values in self.network.encoded_words(x)
        ]
        found = np.zeros((len(x), identity.outputs), np.int64)
        for start in range(0, len(x), LANES):
            part = requests[start : start + LANES]
            for index, answer in enumerate(self._conversation(simulation, part, identity.answer_on_line), start):
                if not isinstance(answer, Frame) or answer.kind != Kind.CLASSIFY or answer.tag != TAG:
                    raise CheckFailed(f"the bitstream should answer sample {index} with a class, but {_shown(answer)}")
                found[index] = identity.answer(answer.payload)
        return found

    def _conversation(self, simulation: Simulation, requests: Sequence[bytes], answered: int) -> list:
        """The first frame that each lane answers to its request, within the latency and so many bytes; None where none
        comes.
        """
        lines = [_line(request, self._bit) for request in requests]
        total = max(map(len, lines)) + self.latency + SLACK + round((answered + 1) * BITS * self._bit)
        rx = np.ones((total, simulation.lanes), np.uint8)
        for lane, line in enumerate(lines):
            rx[: len(line), lane] = line
        wiring, pieces = self.wiring, []
        for start in range(0, total, PIECE):
            sent = simulation.run({wiring.rx: rx[start : start + PIECE]}, record=[wiring.tx])[wiring.tx]
            pieces.append(sent.astype(np.uint8))
        back = np.concatenate(pieces)
        return [next(iter(_heard(back[:, lane], self._bit)), None) for lane in range(len(requests))]


def _line(data: bytes, bit_cycles: float) -> np.ndarray:  # (cycles,) uint8
    """Levels of a line: a start bit, eight of data, the lowest first, a stop bit."""
    places = np.unpackbits(np.frombuffer(data, np.uint8)[:, None], axis=1, bitorder="little")
    bits = np.pad(places, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))).ravel()
    edges = np.round(np.arange(len(bits) + 1) * bit_cycles).astype(int)
    return np.repeat(bits, np.diff(edges))


def _heard(line: np.ndarray, bit_cycles: float) -> list:  # (cycles,) -> frames, and what is none
    """What a host reads from a line, in the middle of every bit; a byte without its stop bit is lost."""
    low, at, data = np.flatnonzero(line == 0), 0, bytearray()
    middles = np.round((np.arange(BITS) + 0.5) * bit_cycles).astype(int)
    while (place := int(np.searchsorted(low, at))) < len(low) and low[place] + middles[-1] < len(line):
        bits = line[low[place] + middles]
        if bits[-1]:
            data += np.packbits(bits[1:-1], bitorder="little").tobytes()
        at = low[place] + int(middles[-1])
    return Decoder().feed(bytes(data))


def _shown(found: object) -> str:
    """What came for an answer, in words."""
    if found is None:
        return "nothing comes"
    if isinstance(found, Frame) and found.kind == Kind.ERROR and found.payload[:1] in {bytes([each]) for each in Fault}:
        return f"it answers ERROR {Fault(found.payload[0]).name}"
    return f"it answers {found}"


def _check_pll(module: Module, factor: float) -> None:
    """That the clock is so many times as fast as its pin's."""
    plls = [cell for cell in module.cells.values() if cell["type"].startswith("SB_PLL40")]
    if len(plls) != 1 or plls[0]["parameters"]["FEEDBACK_PATH"] != SIMPLE:
        raise CheckFailed(f"the bitstream should have a PLL with simple feedback, not {len(plls)} of other kinds")
    found = plls[0]["parameters"]
    made = (found["DIVF"] + 1) / ((found["DIVR"] + 1) << found["DIVQ"])
    if abs(made / factor - 1) > WRONG:
        raise CheckFailed(f"the PLL in the bitstream makes its clock {made:g} times as fast, not {factor:g} times")


def _check_divider(netlist: Path, pin: str, clock: str, divider: int) -> None:
    """That the clock of the design, a register's output or none (""), rises once in so many cycles of its pin's."""
    rises = np.zeros(0, np.int64)
    if clock:
        levels = Simulation(netlist, LANES, clock=pin).run({}, record=[clock], cycles=divider * (RISES + 1))[clock]
        rises = np.flatnonzero(np.diff(levels[:, 0]) == 1)
    if len(rises) < RISES or (np.diff(rises) != divider).any():
        raise CheckFailed(f"the clock in the bitstream should be that of {pin} divided by {divider}, but is not")
