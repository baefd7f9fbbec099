"""The clock of a board's design: the board's own, a fraction of it, or a faster one from a PLL of iCE40.

Ref: Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL design and user guide): with simple feedback the output is
``input * (DIVF + 1) / ((DIVR + 1) * 2 ** DIVQ)``.
"""

from dataclasses import dataclass

from amaranth import *

from logicnn.errors import LogicnnError

__all__ = ["Clock", "Dividers", "clocked_by_pll", "dividers"]

REFERENCE = 10e6, 133e6  # Hz, of the phase detector
OSCILLATOR = 533e6, 1066e6
FILTERS = (17e6, 26e6, 44e6, 66e6, 101e6, 133e6)  # upper ends of the ranges 1 to 6 of the loop filter


@dataclass(frozen=True)
class Dividers:
    """Settings of a PLL, and the frequency in Hz that they give."""

    reference: int
    feedback: int
    output: int
    filter: int
    frequency: float


@dataclass(frozen=True)
class Clock:
    """A clock of `hz`: the board's own divided by `divider` (1 or even), or made from it by a `pll`."""

    hz: float
    divider: int = 1
    pll: Dividers | None = None


def dividers(given: float, wanted: float) -> Dividers:
    """The settings that come nearest to `wanted` Hz from a clock of `given` Hz. Raises `LogicnnError` where it is more
    than 1 % away.
    """
    best: Dividers | None = None
    for reference in range(16):
        detector = given / (reference + 1)
        if not REFERENCE[0] <= detector <= REFERENCE[1]:
            continue
        for feedback in range(128):
            oscillator = detector * (feedback + 1)
            if not OSCILLATOR[0] <= oscillator <= OSCILLATOR[1]:
                continue
            for output in range(1, 7):
                frequency = oscillator / 2**output
                if best is None or abs(frequency - wanted) < abs(best.frequency - wanted):
                    filter_range = 1 + next(place for place, end in enumerate(FILTERS) if detector <= end)
                    best = Dividers(reference, feedback, output, filter_range, frequency)
    if best is None or abs(best.frequency / wanted - 1) > 0.01:
        raise LogicnnError(f"clock of {wanted / 1e6:g} MHz cannot be made from {given / 1e6:g} MHz by a PLL of iCE40")
    return best


def clocked_by_pll(m: Module, pin, chosen: Dividers, clock: Signal, locked: Signal) -> None:
    """A PLL on the pin of a board's clock, which drives `clock` and `locked`."""
    m.submodules.pll = Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=C(chosen.reference, 4),
        p_DIVF=C(chosen.feedback, 7),
        p_DIVQ=C(chosen.output, 3),
        p_FILTER_RANGE=C(chosen.filter, 3),
        i_PACKAGEPIN=pin.io,
        i_RESETB=1,
        i_BYPASS=0,
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
