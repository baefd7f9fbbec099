"""What a sample costs in energy: an estimate from how often a netlist's nets change.

The energies are those of circuits that others have measured, divided by what the same circuits' nets change. A design's
lie between a counter's, whose nets are short, and a multiplier's, whose nets are long and change several times before
they settle. What memories and DSP blocks spend inside is in none of them, nor are pins.
"""

from dataclasses import dataclass

from logicnn.resources import Device
from logicnn.verify.activity import Activity

__all__ = ["ENERGIES", "CoreCurrents", "Energies", "Energy", "energy_of"]


@dataclass(frozen=True)
class CoreCurrents:
    """Microamperes at `volts`, measured at `megahertz` of an oscillator on the chip, or of a clock from outside."""

    volts: float
    halted: float  # one counter, its clock stopped
    fast: tuple[float, float]  # MHz, and a counter at this clock
    megahertz: float  # of what follows
    counters: tuple[float, float]  # one counter of 28 bits, eight of them
    multiplier: tuple[float, float]  # without and with two counters of 8 bits and their product in logic


@dataclass(frozen=True)
class Energies:
    """Of a device: at rest, of a clock cycle, and of a net's change, from least to most."""

    static_uw: float
    clock_pj: float
    least_change_pj: float
    most_change_pj: float

    @classmethod
    def of(cls, measured: CoreCurrents, counter_changes: float, multiplier_changes: float) -> "Energies":
        """From currents, and how often a cycle the nets change of a counter, and of two with their product."""
        megahertz, fast = measured.fast
        seven, product = (after - before for before, after in (measured.counters, measured.multiplier))
        return cls(
            static_uw=measured.volts * measured.halted,
            clock_pj=measured.volts * (fast - measured.halted) / megahertz,
            least_change_pj=measured.volts * seven / measured.megahertz / (7 * counter_changes),
            most_change_pj=measured.volts * product / measured.megahertz / multiplier_changes,
        )


# tinyvision-ai-inc/ice40_power, README.md (a Joulescope on the core's rail of Lattice's breakout board)
UP5K = CoreCurrents(1.219, 92.1, (48, 2184.0), 12, (613.5, 641.3), (645.0, 996.0))

# Changes are those of the same circuits as our flow synthesises them (`sim_tests/verify/test_energy.py`)
ENERGIES = {"iCE40UP5K": Energies.of(UP5K, counter_changes=5.0, multiplier_changes=71.0)}


@dataclass(frozen=True)
class Energy:
    """Of a sample, in microjoules, from `least_uj` to `most_uj`; memories and DSP blocks not counted."""

    least_uj: float
    most_uj: float


def energy_of(activity: Activity, device: Device, clock_hz: float) -> Energy | None:
    """While a design works at a sample; None for devices of which no measurements are known."""
    found = ENERGIES.get(device.name)
    if found is None:
        return None
    always = activity.cycles * (found.clock_pj * 1e-6 + found.static_uw / clock_hz)
    least, most = (always + activity.total * each * 1e-6 for each in (found.least_change_pj, found.most_change_pj))
    return Energy(least, most)
