"""The result of a build as a value: `report.json` and a page of text come from the same `Report`."""

from dataclasses import asdict, dataclass
from typing import Any

from logicnn.engines import Latency
from logicnn.errors import one_line
from logicnn.flow.placement import Placement
from logicnn.resources import Resources
from logicnn.verify.activity import Activity
from logicnn.verify.bitstream import BitstreamVerification
from logicnn.verify.energy import Energy
from logicnn.verify.prove import Proof
from logicnn.verify.vectors import Verification

__all__ = ["Bitstream", "FlashImage", "Report", "Timing"]

ACCELERATOR, PARTS, MOST = "classifier.accelerator", 2, 4  # whose parts are told, how deep, and how many to people
UNITS = ("mJ", 1e-3), ("uJ", 1), ("nJ", 1e3), ("pJ", 1e6)


@dataclass(frozen=True)
class Timing:
    """`fmax_mhz` and `clock_mhz` are those of the clock with the least margin. `core_delay_ns` is register to register
    through the network alone, of engines that take many cycles a sample the shortest period of the whole design; None
    where nothing is computed.

    Latency is from least to most, as `logicnn.engines.Latency` says.
    """

    fmax_mhz: float
    clock_mhz: float
    core_delay_ns: float | None
    latency_least_cycles: int
    latency_cycles: int
    interval_cycles: int

    @property
    def summary(self) -> str:
        if self.core_delay_ns is None:
            return "no logic between registers"
        return f"core {self.core_delay_ns:.1f} ns, {self.fmax_mhz:.1f} MHz"


@dataclass(frozen=True)
class Bitstream:
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class FlashImage:
    """What goes to byte `offset` of the board's flash: the weights."""

    path: str
    sha256: str
    bytes: int
    offset: int


@dataclass(frozen=True)
class Report:
    """One build. `verification` and `activity` are None where no vectors were asked for, `energy` also for devices of
    which no measurements are known; `proof` where nothing was proved, `from_pins` where the bitstream was not run.
    """

    name: str
    digest: str
    board: str
    device: str
    resources: Resources
    capacity: Resources
    timing: Timing
    placement: Placement
    verification: Verification | None
    proof: Proof | None
    activity: Activity | None
    phases: tuple[tuple[str, int], ...]
    energy: Energy | None
    bitstream: Bitstream
    flash: FlashImage | None
    from_pins: BitstreamVerification | None
    estimate: Resources
    warnings: tuple[str, ...]
    tools: dict[str, str]
    seconds: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The contract of ``report.json``."""
        return {
            "model": {"name": self.name, "digest": self.digest},
            "board": self.board,
            "device": self.device,
            "resources": asdict(self.resources) | {"capacity": asdict(self.capacity)},
            "timing": {key: value and round(value, 3) for key, value in asdict(self.timing).items()},
            "placement": asdict(self.placement),
            "verification": asdict(self.verification)
            if self.verification
            else asdict(Verification(0, 0, "not verified", None)) | {"mismatches": None},
            "proof": self.proof and asdict(self.proof) | {"whole": self.proof.whole},
            **self._switching(),
            "bitstream": asdict(self.bitstream),
            "bitstream_check": self.from_pins and asdict(self.from_pins),
            **({"flash": asdict(self.flash)} if self.flash else {}),
            "estimate": asdict(self.estimate),
            "warnings": list(self.warnings),
            "tools": self.tools,
            "seconds": {key: round(value, 3) for key, value in self.seconds.items()},
        }

    def _switching(self) -> dict[str, Any]:
        activity, energy = self.activity, self.energy
        if activity is None:
            return {}
        parts = {name: round(count, 1) for name, count in activity.by_part(PARTS, ACCELERATOR).items()}
        counted = {"cycles": activity.cycles, "net_changes": round(activity.total, 1), "by_part": parts}
        estimate = energy and {key: float(f"{value:.3g}") for key, value in asdict(energy).items()}
        if self.phases:
            counted["by_layer"] = {name: round(count, 1) for name, count in activity.by_phase(self.phases).items()}
        return {"activity": counted, "energy_estimate": estimate}

    def _switching_rows(self) -> list[tuple[str, str]]:
        activity, energy = self.activity, self.energy
        if activity is None:
            return []
        parts = activity.by_part(PARTS, ACCELERATOR)
        most = ", ".join(f"{name} {count / activity.total:.0%}" for name, count in list(parts.items())[:MOST] if count)
        rows = [("net changes", f"{activity.total:,.0f} a sample{f': {most}' if most else ''}")]
        if self.phases:
            layers = activity.by_phase(self.phases).items()
            rows.append(("by layer", ", ".join(f"{name}: {count / activity.total:.0%}" for name, count in layers)))
        if energy:
            unit, scale = next(((unit, scale) for unit, scale in UNITS if energy.most_uj * scale >= 1), UNITS[-1])
            least, most = (float(f"{each * scale:.2g}") for each in (energy.least_uj, energy.most_uj))
            span = f"{least:g} to {most:g} {unit} a sample"
            rows.append(("energy", f"by estimate {span}, without what memories and DSP blocks take"))
        return rows

    def rows(self) -> list[tuple[str, str]]:
        """What people want to know, by name."""
        used, room, timing = self.resources, self.capacity, self.timing
        latency = Latency(timing.latency_least_cycles, timing.latency_cycles)
        checked = self.verification
        if checked is None:
            verdict = "NOT VERIFIED (--verify none)"
        else:
            verdict = f"{checked.vectors - checked.mismatches} of {checked.vectors} vectors equal: {checked.dataset}"
        accuracy = (
            f"{checked.accuracy:.2%} of the labelled vectors, by the netlist"
            if checked and checked.accuracy is not None
            else "not measured"
        )
        return [
            ("model", f"{self.name} {self.digest[:12]}"),
            ("board", f"{self.board} ({self.device})"),
            (
                "logic cells",
                f"{used.logic_cells} of {room.logic_cells} ({used.logic_cells / room.logic_cells:.0%}), "
                f"estimated {self.estimate.logic_cells}",
            ),
            ("LUT4 / FF / carry", f"{used.lut4} / {used.ff} / {used.carry}"),
            ("block RAM / DSP", f"{used.bram} of {room.bram} / {used.dsp} of {room.dsp}"),
            (
                "core delay",
                "none" if timing.core_delay_ns is None else f"{timing.core_delay_ns:.1f} ns register to register",
            ),
            ("clock", f"{timing.clock_mhz:.2f} MHz, at most {timing.fmax_mhz:.2f} MHz"),
            (
                "placed with",
                f"seed {self.placement.seed}{f', {self.placement.router}' if self.placement.router else ''}",
            ),
            ("latency, interval", f"{latency} and {timing.interval_cycles} cycles"),
            ("netlist check", verdict),
            ("proof", self.proof.summary if self.proof else "none: vectors are samples"),
            ("accuracy", accuracy),
            *self._switching_rows(),
            ("bitstream check", self.from_pins.summary if self.from_pins else "none: the netlist was checked"),
            *(("warning", warning) for warning in self.warnings),
            ("bitstream", f"{self.bitstream.path} ({self.bitstream.bytes} bytes)"),
            *(
                [("flash image", f"{self.flash.path} ({self.flash.bytes} bytes, to {self.flash.offset:#x})")]
                if self.flash
                else []
            ),
            ("time", ", ".join(f"{key.replace('_', ' ')} {value:.1f} s" for key, value in self.seconds.items())),
            ("tools", ", ".join(dict.fromkeys(self.tools.values()))),
        ]

    def as_text(self) -> str:
        """A page for people."""
        rows = self.rows()
        width = max(len(key) for key, _ in rows)
        return "".join(one_line(f"{key:<{width}}  {value}") + "\n" for key, value in rows)
