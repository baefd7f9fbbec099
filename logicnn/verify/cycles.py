"""A board's netlist against `Network.evaluate` clock cycle by clock cycle, from the image of its memories to the
class, or to its outputs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.board.flash import OFFSET, RESOURCE
from logicnn.board.protocol import CYCLES_BYTES
from logicnn.engines import Io, Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.netlist.flash_chip import FlashChip
from logicnn.netlist.netlist import Net, Netlist
from logicnn.netlist.simulate import Simulation
from logicnn.verify.activity import Activity, Watch
from logicnn.verify.check import Check
from logicnn.verify.layers import layers_of_nets
from logicnn.verify.logic import decode
from logicnn.verify.vectors import Vectors, Verification, compared

__all__ = ["CycleCheck", "CycleProbe", "CycleRun"]

LANES = 256  # inputs that are simulated side by side
WAKES_NS = 3_000  # tRES1 of the flash chip
LOCK = "pll_locks"
CYCLES_BITS = 8 * CYCLES_BYTES  # of the board's counter
SLACK = 1000  # cycles beyond a prediction until the simulation gives up
WATCHED = 2048  # cycles whose changes are counted, at most
STRIDES = 1, 2, 3, 5, 7, 13, 31, 61, 127, 251, 509, 1021  # 1 and primes, each about twice the one before
ANSWERED = 1 << 20  # cycles in which an answer has gone over the slowest line


@dataclass(frozen=True)
class CycleProbe:
    """Names in a board's netlist: what comes and when, the answer, when it is there and when the line takes a byte of
    several, and the flash chip's pins, if there are any.
    """

    word: str = "classifier.feed.word"  # of samples that come value by value
    arrives: str = "classifier.feed.arrives"
    bits: str = "classifier.store.bits"  # of samples that come whole
    offers: str = "classifier.offers"
    idle: str = "classifier.idle"
    result: str = "classifier.result"
    answers: str = "classifier.answers"
    takes: str = "classifier.takes"
    cycles: str = "classifier.cycles"
    done: str = "classifier.loaded"
    corrupt: str = "classifier.corrupt"
    flash: str = "_".join(map(str, RESOURCE))


@dataclass(frozen=True)
class CycleRun:
    """What a netlist computed: answers (n, *output.shape), the cycles (n,) from each input's last value to its answer,
    and until its memories were there.
    """

    answers: np.ndarray
    cycles: np.ndarray
    loading: int


@dataclass(frozen=True)
class CycleCheck(Check):
    """The whole design from reset on, with its memories, multipliers and loader; each sample takes as many cycles as is
    predicted.

    `image` is what a flash chip holds that it reads in `loading` cycles of `period_ns`, or None. The serial receiver is
    left out: values come a cycle each, whole samples at once. So is the transmitter where answers have several bytes.
    """

    mapping: Mapping
    image: bytes | None
    loading: int
    period_ns: float
    locks: bool  # whether a PLL makes the clock
    probe: CycleProbe = CycleProbe()

    def verified(self, netlist: Netlist, vectors: Vectors) -> Verification:
        return self.judged(self.run(netlist.path, vectors.x), vectors)

    def judged(self, run: CycleRun, vectors: Vectors) -> Verification:
        """What a netlist computed from these vectors against its network, and its cycles against the prediction for
        each.

        Raises `CheckFailed` with the first vector that differs.
        """
        network = self.mapping.network
        checked = compared(network.evaluate(vectors.x), run.answers, vectors)
        predicted = self.mapping.cycles(network.encoded_words(vectors.x))
        wrong = np.flatnonzero(run.cycles != predicted)
        if len(wrong):
            first = int(wrong[0])
            raise CheckFailed(
                f"the netlist takes {run.cycles[first]} cycles for vector {first}, but {predicted[first]} were "
                f"predicted"
            )
        return checked

    def run(self, netlist: Path, x: np.ndarray) -> CycleRun:
        """What a netlist makes of inputs x (n, ...). Raises `LogicnnError` for those of another size, `CheckFailed`
        where no answer comes.
        """
        simulation, given, loaded = self._begun(netlist, x)
        probe = self.probe
        network = self.mapping.network
        answers, cycles = np.zeros((len(x), *network.output.shape), np.int64), np.zeros(len(x), np.int64)
        limit = self.mapping.latency.most + SLACK
        for start in range(0, len(x), LANES):
            batch = given[start : start + LANES]
            filled = np.concatenate([batch, np.zeros((LANES - len(batch), given.shape[1]), given.dtype)])
            begun = simulation.cycle
            self._offer(simulation, filled)
            taken = simulation.run_until(probe.answers, limit)
            if (taken < 0).any():
                raise CheckFailed(
                    f"the netlist gives no answer in {limit} cycles; {self.mapping.latency} were predicted"
                )
            simulation.step(1)
            counted = simulation.get(probe.cycles)
            if (counted != (taken + 1) % (1 << CYCLES_BITS)).any():
                raise CheckFailed(f"the netlist counts {counted[0]} cycles where {taken[0] + 1} went by")
            answers[start : start + LANES] = decode(network, simulation.bits(probe.result))[: len(batch)]
            cycles[start : start + LANES] = taken[: len(batch)] + 1  # edges after that of the last value
            simulation.run_until(probe.idle, ANSWERED)
            simulation.step(max(0, begun + self.mapping.interval - simulation.cycle))  # until it takes the next ones
        return CycleRun(answers, cycles, loaded)

    def activity(self, netlist: Netlist, x: np.ndarray) -> Activity:
        """From the first value of a sample to its class, of as many inputs as are simulated side by side; where that
        takes long, of cycles here and there.
        """
        simulation, given, _ = self._begun(netlist.path, x[:LANES])
        every = next((each for each in STRIDES if self.mapping.interval <= each * WATCHED), STRIDES[-1])
        with Watch(simulation, every) as watch:
            self._offer(simulation, np.resize(given, (LANES, given.shape[1])))
            simulation.run_until(self.probe.answers, self.mapping.latency.most + SLACK)
        return watch.activity

    def layers(self, netlist: Netlist, vectors: Vectors) -> dict[Net, str]:
        if not all(engine.has_own_logic for engine in self.mapping.engines):
            return {}
        x = vectors.varied(LANES)
        simulation, given, _ = self._begun(netlist.path, x)
        self._offer(simulation, np.resize(given, (LANES, given.shape[1])))
        simulation.run_until(self.probe.answers, self.mapping.latency.most + SLACK)
        simulation.settle()
        network = self.mapping.network
        encoded = np.resize(network.encode(x), (LANES, network.core_bits))
        values = {net: simulation.values[row] for net, row in simulation.nets.items()}
        return layers_of_nets(netlist, network, values, encoded, through=False)

    def _begun(self, netlist: Path, x: np.ndarray) -> tuple[Simulation, np.ndarray, int]:
        """A simulation whose memories are loaded, what it is given for inputs x, and the cycles that loading took."""
        network = self.mapping.network
        if x.shape[1:] != network.input.shape:
            raise LogicnnError(f"x must have samples of shape {network.input.shape}, not {x.shape[1:]}")
        probe, serial = self.probe, self.mapping.input_io is Io.SERIAL
        driven = [probe.word, probe.arrives] if serial else [probe.bits, probe.offers]
        taken = [probe.takes] if network.output.size * network.output.interval.word > 8 else []  # bits of a byte
        simulation = Simulation(netlist, LANES, forced=[*driven, *taken, *([LOCK] if self.locks else [])])
        for name in taken:
            simulation.set(name, 1)
        loaded = self._load(simulation) if self.image else 0
        return simulation, self._words(x) if serial else network.encode(x)[:, list(network.read_inputs())], loaded

    def _words(self, x: np.ndarray) -> np.ndarray:  # (n, ...) -> (n, values), unsigned
        network = self.mapping.network
        return network.encoded_words(x) & (1 << network.core_input.interval.word) - 1

    def _offer(self, simulation: Simulation, batch: np.ndarray) -> None:
        """A sample to each lane; returns behind the edge of the last transfer."""
        probe = self.probe
        if self.mapping.input_io is Io.SERIAL:
            simulation.run({probe.word: batch.T, probe.arrives: np.ones(batch.shape[1], np.int64)})
            simulation.set(probe.arrives, 0)
        else:
            simulation.set(probe.bits, batch)
            simulation.set(probe.offers, 1)
            simulation.step(1)
            simulation.set(probe.offers, 0)

    def _load(self, simulation: Simulation) -> int:
        """Runs a netlist from reset until it has read its flash, a chip that holds the image; returns the cycles that
        it took.

        Raises `CheckFailed` where it finds the image corrupt, or is not done a little after its time.
        """
        assert self.image is not None
        probe = self.probe
        if self.locks:
            simulation.set(LOCK, 1)
        chip = FlashChip(self.image, OFFSET, round(WAKES_NS / self.period_ns))
        cs_n, clk, copi, cipo = (simulation.pin(f"{probe.flash}__{name}__io") for name in ("cs", "clk", "copi", "cipo"))
        detach = simulation.attach(lambda _: cipo.set(chip.step(cs_n.get(), clk.get(), copi.get())))
        cipo.set(chip.step(cs_n.get(), clk.get(), copi.get()))
        done = simulation.run_until(probe.done, self.loading + SLACK)
        detach()
        if (done < 0).any():
            corrupt = simulation.get(probe.corrupt).any()
            raise CheckFailed(
                "the netlist finds its flash image corrupt"
                if corrupt
                else f"the netlist has not loaded its memories in {self.loading + SLACK} cycles"
            )
        return int(done[0])
