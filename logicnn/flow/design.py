"""A mapping on a board, as one value: everything that a build, an export, a simulation or a benchmark asks about it is
decided here.

What differs between designs of logic alone and those with engines that take many cycles a sample is in this file, and
nowhere else: the clock, what synthesis and placement are told, what is checked and how, and where the delay of the
network itself is read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from logicnn.board import boards, flash
from logicnn.board.boards import Board
from logicnn.board.protocol import MOST_OUTPUTS
from logicnn.engines import Engine, Mapping, TooBig, chosen
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.flow.placement import Placement, attempts
from logicnn.network import Network
from logicnn.resources import Device, Family, Resources
from logicnn.verify.check import Check
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.logic import LogicCheck, Probe

__all__ = [
    "CORE",
    "Design",
    "check_answers",
    "check_fits",
    "designed",
    "mapped",
    "yosys_script",
]

PROBE = Probe()
CORE = "classifier.accelerator.core"  # feed-forward engines in a board's netlist
MARGIN = 1.5  # the estimate of a delay may be short by a third before the clock is missed
# Wide multiplexers inflate popcounts on ECP5 to about twice the LUT4, and make them no faster.
SYNTH_OPTIONS = {Family.ICE40: "", Family.ECP5: "-nowidelut"}
# ABC of Yosys 0.70 ends without a word on designs for ECP5 with many named wires: all that are not kept go before it.
HALVES = {Family.ECP5: ("-run begin:map_luts", "clean -purge\nsynth_ecp5 {options} -top top -run map_luts:")}
# Narrow neurons are generated in the shape that LUT4 want: mapped as they are (&if), `mnist-bnn` takes fewer LUT4 than
# after ABC's restructuring (`lut4_default_script` in benchmarks/results/payra.json). Wide neurons of shared inputs need
# that restructuring, which finds the sums that they share.
MAP_AS_IS = "scratchpad -copy abc9.script.default.fast abc9.script"
# No word of the memories of modules of this name, and of those inside, is read while it is written; where Yosys does
# not know, it adds a register a bit on iCE40.
NO_COLLISIONS = "setparam -set COLLISION_X_MASK 1'1 *.{0}/t:$memrd_v2 *.{0}.*/t:$memrd_v2 %u r:COLLISION_X_MASK=1'0 %i"


def _shortage(mapping: Mapping, board: Board) -> tuple[str, str] | None:
    """What a board has too little of for a mapping by the estimate, and what to prune; None where it fits."""
    device, room = board.device, board.device.capacity
    cost = mapping.cost(device)
    memories = [engine.memory_bits for engine in mapping.engines]
    total, weights = sum(each.total for each in memories), sum(each.weights for each in memories)
    if total and (cost.bram > room.bram or cost.spram > room.spram):
        return (
            f"needs {total} bits of memory, {weights} of them for weights, but the {device.name} on {board.name} "
            f"has {device.memory_bits}",
            "fewer weights",
        )
    whole = board_estimate(mapping, device)
    for kind, name in (("logic_cells", "logic cells"), ("bram", "block RAMs"), ("dsp", "DSP blocks")):
        needed, there = getattr(whole, kind), getattr(room, kind)
        if needed > there:
            return (
                f"needs about {needed} {name}, {needed - there} more than the {there} of the {device.name} on "
                f"{board.name}",
                "a smaller budget",
            )
    return None


def lacking(mapping: Mapping, board: Board) -> str | None:
    """What a board has too little of for a mapping, and what to do about it; None where it fits by the estimate."""
    shortage = _shortage(mapping, board)
    if shortage is None:
        return None
    what, less = shortage
    others = sorted(map(boards.find, boards.names()), key=lambda each: each.device.capacity.logic_cells)
    larger = next((f", such as {each.name}" for each in others if _shortage(mapping, each) is None), "")
    return f"{what}; prune it to {less} or choose a larger board{larger}"


def mapped(network: Network, board: Board, only: type[Engine] | None = None) -> Mapping:
    """The mapping that is chosen for a network on a board: `logicnn.engines.choose`, with what the board has room for;
    of one kind of engine, where `only` that is asked for.

    Raises `TooBig` where none fits.
    """
    period_ns = 1e9 / board.make_platform().default_clk_frequency / MARGIN
    return chosen(network, board.device, period_ns, lambda mapping: lacking(mapping, board), only)


@dataclass(frozen=True)
class Design:
    """A mapping of a whole network on a board, its clock made and its serial line's rate checked (`designed`)."""

    mapping: Mapping
    board: Board
    clock_hz: float
    divider: int  # of the board's own clock; 1 where it is not divided
    uses_pll: bool
    baud: int

    @property
    def network(self) -> Network:
        return self.mapping.network

    @property
    def name(self) -> str:
        return self.network.name or "network"

    @property
    def device(self) -> Device:
        return self.board.device

    @property
    def period_ns(self) -> float:
        return 1e9 / self.clock_hz

    @cached_property
    def estimate(self) -> Resources:
        return board_estimate(self.mapping, self.device)

    @cached_property
    def image(self) -> bytes | None:
        """What the board's flash holds for its memories; None where there are none to be loaded."""
        images = self.mapping.images(self.device)
        return flash.image(images, self.network.digest()) if images else None

    @property
    def loading_cycles(self) -> int:
        """Clock cycles from reset until memories are loaded; 0 where none is."""
        from logicnn.gateware.board.classifier import loading_cycles

        return loading_cycles(self.mapping, self.device, self.period_ns)

    def top(self):
        """The design as an Amaranth elaboratable."""
        from logicnn.gateware.board.classifier import Classifier
        from logicnn.gateware.board.clock import Clock, dividers
        from logicnn.gateware.board.top import BoardTop, leds_of
        from logicnn.gateware.board.uart import divisor_of

        platform = self.board.make_platform()
        pll = dividers(platform.default_clk_frequency, self.clock_hz) if self.uses_pll else None
        divisor = divisor_of(self.clock_hz, self.baud)
        classifier = Classifier(
            self.mapping, divisor, leds_of(platform), loads_for=self.device, period_ns=self.period_ns
        )
        return BoardTop(classifier, Clock(self.clock_hz, self.divider, pll))

    @property
    def script(self) -> str:
        """What Yosys is told before synthesis."""
        return f"{NO_COLLISIONS.format('framer')}\n{yosys_script(self.mapping)}"

    @property
    def synthesis_options(self) -> str:
        before, _ = HALVES.get(self.device.family, ("", ""))
        return f"{SYNTH_OPTIONS[self.device.family]} {before}".strip()

    @property
    def script_after(self) -> str:
        """What Yosys is told after that."""
        _, after = HALVES.get(self.device.family, ("", ""))
        return after.format(options=SYNTH_OPTIONS[self.device.family])

    def attempts(self, seed: int | None) -> Sequence[Placement]:
        """How to place and route, one try after another. Engines from memory, whose words go to many selectors, route
        better one way, logic another.
        """
        return attempts(self.device.family, seed, crowded=self.mapping.crowded, density=self.mapping.density)

    @property
    def check(self) -> Check:
        """How its netlist is checked."""
        if self.mapping.feed_forward:
            return LogicCheck(self.network, PROBE)
        return CycleCheck(self.mapping, self.image, self.loading_cycles, self.period_ns, self.uses_pll)


def yosys_script(mapping: Mapping) -> str:
    """What Yosys is told before it synthesises a mapping's engines, wherever they are."""
    engines = [NO_COLLISIONS.format(f"engine{each.start}") for each in mapping.engines if not each.collides]
    if not any(engine.restructured for engine in mapping.engines):
        engines.append(MAP_AS_IS)
    return "\n".join(engines)


def check_answers(network: Network) -> None:
    """A board answers with the class, or with what a network without one gives, packed into bytes."""
    if network.decides and network.output.interval.high > 255:
        raise LogicnnError(
            f"a board answers with one of at most 256 classes, not of {network.output.interval.high + 1}; use "
            f"logicnn.gateware.Core"
        )
    answer_bytes = -(-network.output.size * network.output.interval.word // 8)
    if answer_bytes > MOST_OUTPUTS:
        raise LogicnnError(
            f"a board answers with at most {MOST_OUTPUTS} bytes, not {answer_bytes}; use logicnn.gateware.Core"
        )
    if not network.read_inputs():
        raise LogicnnError("the network reads none of its inputs: there is nothing to build")


def check_fits(design: Design) -> None:
    """Raises `TooBig` where the device has no room by the estimate."""
    reason = lacking(design.mapping, design.board)
    if reason:
        raise TooBig(f"{design.name} {reason}", design.mapping)


def designed(mapping: Mapping, board: Board, baud: int) -> Design:
    """The design of a mapping on a board.

    It gets the board's clock, or with engines that take many cycles a sample the board's `engine_hz` if its estimated
    delay leaves that time, divided so far that this delay fits. Raises `LogicnnError` for a network that no
    board can answer for, a board that lacks a clock or a flash chip for it, and a rate that the clock cannot make.
    """
    from logicnn.gateware.board.clock import dividers
    from logicnn.gateware.board.uart import divisor_of

    check_answers(mapping.network)
    if not mapping.is_whole:
        raise LogicnnError(
            f"a board needs a mapping of the whole network, not of layers {mapping.start} ... {mapping.stop - 1}"
        )
    platform = board.make_platform()
    own, wanted = platform.default_clk_frequency, platform.default_clk_frequency
    if not mapping.feed_forward:
        wanted = board.engine_hz or own
        board.check_engine(platform, loaded=bool(mapping.images(board.device)))
    delay_ns = mapping.delay_ns(board.device)
    if wanted != own:
        dividers(own, wanted)
        if MARGIN * delay_ns > 1e9 / wanted:
            wanted = own
    needed = MARGIN * delay_ns * wanted / 1e9
    divider = 1 if needed <= 1 else 2 * math.ceil(needed / 2)
    clock_hz = wanted / divider
    divisor_of(clock_hz, baud)
    return Design(mapping, board, clock_hz, divider, wanted != own, baud)
