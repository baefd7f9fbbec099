"""From a network to a verified bitstream: ``python -m logicnn.build --board icebreaker``.

Elaborate, synthesise, compare the netlist with the network, place and route, pack. Each stage is repeated only when
what it reads has changed; the bitstream appears last, under its final name, and only when every check has passed.
"""

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from logicnn.board import flash
from logicnn.board.boards import Board
from logicnn.board.protocol import BAUD
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow import tools
from logicnn.flow.design import CORE, PROBE, Design, check_fits, designed
from logicnn.flow.floorplan import PLACED, Floorplan, Parts
from logicnn.flow.page import Decisions, hops_of, page
from logicnn.flow.pins import bitstream_check
from logicnn.flow.placement import REPORT, Placement, stuck, tuned
from logicnn.flow.progress import Steps
from logicnn.flow.report import Bitstream, FlashImage, Report, Timing
from logicnn.flow.sources import TOP, Sources, elaborated
from logicnn.flow.stages import RUNNING, Stages
from logicnn.flow.timing import Placed
from logicnn.netlist import icestorm
from logicnn.netlist.chains import open_chains
from logicnn.netlist.netlist import Netlist
from logicnn.resources import Family, Resources
from logicnn.storage import replace_file
from logicnn.verify.bitstream import LANES, BitstreamVerification
from logicnn.verify.energy import energy_of
from logicnn.verify.exhaustive import can_exhaust, exhausted
from logicnn.verify.prove import Proof, can_prove, prove
from logicnn.verify.vectors import Vectors, vectors_for

__all__ = ["PROOF_SAMPLES", "Options", "build", "build_folder", "netlist_path", "synthesised"]

LOCK = ".lock"  # of a build folder
TEMPORARY = ".*.????????"  # files that `replace_file` writes
FLASH_SUFFIX = ".flash.bin"  # what goes to a board's flash beside the bitstream
FIRST_RUN = "the first run of a tool compiles it, up to a minute"
CACHED = "unchanged, not repeated"
SUFFIXES = {
    Family.ICE40: (".bin",),
    Family.ECP5: (".bit", ".svf"),
}  # what can be flashed; the first is the one that is reported
NETLISTS = {Family.ICE40: f"{TOP}.json", Family.ECP5: "opened.json"}  # what is verified and placed
PROOF_S = 60.0  # in which nearly all are; `logicnn prove` takes as long as it takes
PROOF_SAMPLES = 1024  # that show which nets may be the same
MOST_CYCLES = 2_000_000  # in which a bitstream answers over its line, simulated in a minute at most
CELLS = {  # names of the places of each family in nextpnr's report: logic cells, block RAM, DSP
    Family.ICE40: ("ICESTORM_LC", "ICESTORM_RAM", "ICESTORM_DSP"),
    Family.ECP5: ("TRELLIS_COMB", "DP16KD", "MULT18X18D"),
}


@dataclass(frozen=True)
class Options:
    """How to build: the folder that holds all builds, the seed of place and route, how much to verify, where data are,
    the line's rate, the user's own test samples, and the command that says all this, for the page.
    """

    output: Path = Path("build")
    seed: int | None = None  # of place and route; None: the first of `placement.attempts`
    verify: Literal["full", "quick", "none"] = "full"
    data_dir: str | None = None
    baud: int = BAUD
    test: Path | None = None
    command: str = ""

    def vectors(self, design: Design) -> Vectors | None:
        return None if self.verify == "none" else vectors_for(design.network, self.verify, self.data_dir, self.test)


def build(mapping: Mapping, board: Board, options: Options, steps: Steps) -> Report:
    """Builds and verifies; writes the bitstream, ``report.json``, ``.txt`` and ``.html`` into `build_folder`.

    Raises `TooBig` before synthesis, `CheckFailed` for a mismatch, a missed clock or a failing tool; then no bitstream
    is left.
    """
    design = designed(mapping, board, options.baud)
    check_fits(design)
    with _alone(build_folder(design, options), steps) as folder:
        report, netlist, placed, vectors = _results_of(design, folder, options, steps)
        with steps.step("page", "draw the page", silent_s=2):  # a build is one without it, too
            drawn = _page(design, report, netlist, placed, vectors, folder, options.command)
            replace_file(folder / "report.html", drawn.encode("utf-8", "replace"))
    return report


def _results_of(
    design: Design, folder: Path, options: Options, steps: Steps
) -> tuple[Report, Netlist, Placed, Vectors | None]:
    """Everything but the page, and what that is drawn from."""
    with _results(folder, design.device.family):
        stages = Stages(folder)
        vectors = options.vectors(design)
        sources, versions, netlist = _netlist(design, stages, folder, steps)
        with steps.step("verify", "verify the netlist") as remark:
            verification = design.check.verified(netlist, vectors) if vectors else None
            activity = design.check.activity(netlist, vectors.typical) if vectors else None
            remark(f"{verification.vectors} vectors equal" if verification else "not asked for")
        proof = None
        if vectors and options.verify == "full" and (can_exhaust(design.mapping) or can_prove(design.mapping)):
            with steps.step("prove", "prove the netlist") as remark:
                proof = _proof(design, netlist, vectors, remark)
        with steps.step("place_route", "place and route", FIRST_RUN) as remark:
            placement, placed = _placed(design, sources, stages, folder, options.seed, remark)
            timing = _timing(design, netlist, placed)
            remark(timing.summary)
        with steps.step("pack", "pack the bitstream"):
            made = [f"{TOP}{suffix}" for suffix in SUFFIXES[design.device.family]]
            stages.once("pack", sources.pack, [sources.place[-1]], made)
        from_pins = _from_pins(design, sources, folder, vectors, steps) if options.verify == "full" else None
        report = Report(
            name=design.name,
            digest=design.network.digest(),
            board=design.board.name,
            device=design.device.name,
            resources=_resources(netlist, placed, design.device.family),
            capacity=design.device.capacity,
            timing=timing,
            placement=placement,
            verification=verification,
            proof=proof,
            activity=activity,
            phases=design.mapping.phases,
            energy=energy_of(activity, design.device, timing.clock_mhz * 1e6) if activity else None,
            bitstream=_bitstream(design, folder),
            flash=_flash_image(design, folder),
            from_pins=from_pins,
            estimate=design.estimate,
            warnings=_warnings(design, netlist),
            tools=versions,
            seconds=steps.seconds | {"total": sum(steps.seconds.values())},
        )
        _finish(design, report, folder)
    return report, netlist, placed, vectors


def synthesised(design: Design, options: Options, steps: Steps) -> Netlist:
    """The netlist of a design, in its build's folder; what a build has left there stays."""
    with _alone(build_folder(design, options), steps) as folder:
        return _netlist(design, Stages(folder), folder, steps)[2]


def build_folder(design: Design, options: Options) -> Path:
    """Where a build goes: one folder a board and network digest."""
    return options.output / f"{design.board.name}-{design.network.digest()[:16]}"


def netlist_path(design: Design, options: Options) -> Path:
    """The netlist of a build that is verified and placed, once it was made."""
    return build_folder(design, options) / NETLISTS[design.device.family]


@contextmanager
def _alone(folder: Path, steps: Steps) -> Iterator[Path]:
    """The folder of a build, for it alone, without what builds that were killed have left."""
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(_locked(folder, steps))
            _remove_remains(folder)
        except (OSError, NotImplementedError) as error:  # NotImplementedError: a disk without locks
            why = getattr(error, "strerror", None) or error
            raise LogicnnError(f"cannot write to the output folder {folder}: {why}; choose another") from None
        yield folder


def _locked(folder: Path, steps: Steps) -> AbstractContextManager[Any]:
    """The lock of a folder, which the system takes from a process that ends in any way; waits for another build."""
    lock = FileLock(folder / LOCK)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        with steps.step("wait", f"wait for another build in {folder}"):
            return lock.acquire()


@contextmanager
def _results(folder: Path, family: Family) -> Iterator[None]:
    """Every old result in a folder is gone; if the build fails, so are its own."""

    def remove() -> None:
        flashable = [path for suffix in SUFFIXES[family] for path in folder.glob(f"*{suffix}")]
        for path in [*flashable, *(folder / f"report.{suffix}" for suffix in ("json", "txt", "html"))]:
            path.unlink(missing_ok=True)

    remove()
    try:
        yield
    except BaseException:
        remove()
        raise


def _netlist(design: Design, stages: Stages, folder: Path, steps: Steps) -> tuple[Sources, dict[str, str], Netlist]:
    """Elaborated and synthesised, where that has not been done: sources, the tools' versions, the netlist."""
    with steps.step("elaborate", "elaborate"):
        sources = _written(elaborated(design), folder)
        versions = _versions(sources)
    with steps.step("synthesis", "synthesise", FIRST_RUN) as remark:
        return sources, versions, _synthesised(sources, stages, folder, design.device.family, remark)


def _remove_remains(folder: Path) -> None:
    """What builds that were killed have left: files half written, and folders that tools ran in."""
    for path in folder.glob(f"{RUNNING}*"):
        shutil.rmtree(path, ignore_errors=True)  # a tool that was left behind may still write there
    for path in folder.glob(TEMPORARY):
        path.unlink(missing_ok=True)


def _written(sources: Sources, folder: Path) -> Sources:
    """The sources, in files; one that has not changed is left as it is."""
    for file, data in sources.files.items():
        if not (folder / file).is_file() or (folder / file).read_bytes() != data:
            replace_file(folder / file, data)
    return sources


def _versions(sources: Sources) -> dict[str, str]:
    """Versions of all tools, which are there before the first of them runs."""
    names = [command[0] for command in (sources.synthesis, sources.place, sources.pack)]
    versions = {name: tools.version(name) for name in names if tools.executable(name)}
    return versions | {"amaranth": f"amaranth {importlib.metadata.version('amaranth')}"}


def _synthesised(sources: Sources, stages: Stages, folder: Path, family: Family, remark) -> Netlist:
    made, netlist = f"{TOP}.json", folder / NETLISTS[family]
    if not stages.run("synthesis", sources.synthesis, sources.named(".il", ".ys"), [made]):
        remark(CACHED)
    if family is Family.ECP5:
        open_chains(folder / made, netlist)
    return Netlist(netlist)


def _placed(
    design: Design, sources: Sources, stages: Stages, folder: Path, seed: int | None, remark
) -> tuple[Placement, Placed]:
    """Places and routes by the first attempt that comes to an end."""
    tried: Sequence[Placement] = design.attempts(seed)
    netlist = tuned(folder, NETLISTS[design.device.family], tried[0])
    reads, makes = [netlist, *sources.named(".pcf", ".lpf")], [REPORT, PLACED, sources.place[-1]]
    for placement in tried:
        try:
            command = *placement.command(sources.place, netlist), "--write", PLACED
            ran = stages.run("place_route", command, reads, makes, stuck)
        except tools.ToolGaveUp:
            continue
        if not ran:
            remark(CACHED)
        return placement, Placed.read(folder / REPORT)
    seeds = f"seeds {tried[0].seed} to {tried[-1].seed}"
    raise CheckFailed(
        f"place and route come to no end with {seeds}: try another --seed, a smaller network, or a larger board"
    )


def _proof(design: Design, netlist: Netlist, vectors: Vectors, remark) -> Proof | None:
    """That the netlist is the network for every input, where that is proved in time."""
    try:
        if can_exhaust(design.mapping):
            proof = exhausted(netlist, design.mapping, PROBE, PROOF_S)
        else:
            encoded = design.network.encode(vectors.varied(PROOF_SAMPLES))
            proof = prove(netlist, design.mapping, encoded, PROBE, PROOF_S)
    except CheckFailed:
        raise
    except LogicnnError as failure:  # no time, or nothing that it knows how to prove
        remark(str(failure))
        return None
    remark(f"equal for all 2**{proof.inputs} inputs")
    return proof


def _from_pins(
    design: Design, sources: Sources, folder: Path, vectors: Vectors | None, steps: Steps
) -> BitstreamVerification | None:
    """The bitstream itself on a few vectors, where there is something here that reads it, and time."""
    if vectors is None or design.device.family is not Family.ICE40 or not icestorm.is_installed():
        return None
    check, data = bitstream_check(design, sources), (folder / f"{TOP}{SUFFIXES[Family.ICE40][0]}").read_bytes()
    with steps.step("bitstream", "run the bitstream from pin to pin") as remark:
        try:
            if check.most_cycles > MOST_CYCLES:
                raise icestorm.BitsUnknown(
                    f"not done: it answers in {check.most_cycles} cycles, more than {MOST_CYCLES}"
                )
            verification = check.verified(data, vectors.varied(LANES), vectors.source)
        except (icestorm.BitsUnknown, icestorm.IcestormMissing) as failure:
            remark(str(failure))
            return None
        remark(f"{verification.samples} samples equal")
    return verification


def _timing(design: Design, netlist: Netlist, placed: Placed) -> Timing:
    """The delay of the network alone is that into its registers; of engines that take many cycles it is the design's
    shortest period.
    """
    achieved, required = placed.clock()
    if achieved < required:
        raise CheckFailed(
            f"the placed design reaches {achieved:.2f} MHz but its clock is {required:.2f} MHz; try another --seed"
        )
    mapping = design.mapping
    delay: float | None = 1e3 / achieved
    if mapping.feed_forward and netlist.constant(PROBE.output) is not None:
        delay = None  # nothing is computed
    elif mapping.feed_forward:
        inside = netlist.registers_below(CORE) if mapping.latency.most else []
        cells = {place for name in [*inside, PROBE.output] for place in netlist.places_of_registers(name)}
        delay = placed.delay_into(cells)
    return Timing(achieved, required, delay, mapping.latency.least, mapping.latency.most, mapping.interval)


def _resources(netlist: Netlist, placed: Placed, family: Family) -> Resources:
    cells = netlist.cells
    logic, bram, dsp = CELLS[family]
    return Resources(
        lut4=cells["SB_LUT4"] + cells["LUT4"],
        logic_cells=placed.used(logic),
        ff=cells["TRELLIS_FF"] + sum(count for kind, count in cells.items() if kind.startswith("SB_DFF")),
        carry=cells["SB_CARRY"] + 2 * cells["CCU2C"],
        bram=placed.used(bram),
        dsp=placed.used(dsp),
        spram=cells["SB_SPRAM256KA"],
    )


def _warnings(design: Design, netlist: Netlist) -> tuple[str, ...]:
    """What a user should look at although nothing is wrong."""
    constant = netlist.constant(PROBE.output)
    if constant is None:
        return ()
    labels = design.network.labels
    name = f" ({labels[constant]})" if labels else ""
    return (f"{design.name} gives the class {constant}{name} for every input: synthesis has found it constant",)


def _bitstream(design: Design, folder: Path) -> Bitstream:
    suffix = SUFFIXES[design.device.family][0]
    data = (folder / f"{TOP}{suffix}").read_bytes()
    return Bitstream(str(folder / f"{design.name}{suffix}"), hashlib.sha256(data).hexdigest(), len(data))


def _flash_image(design: Design, folder: Path) -> FlashImage | None:
    image = design.image
    if image is None:
        return None
    path = str(folder / f"{design.name}{FLASH_SUFFIX}")
    return FlashImage(path, hashlib.sha256(image).hexdigest(), len(image), flash.OFFSET)


def _page(
    design: Design,
    report: Report,
    netlist: Netlist,
    placed: Placed,
    vectors: Vectors | None,
    folder: Path,
    command: str,
) -> str:
    """`report.html`."""
    parts = Parts.of(netlist, design.check.layers(netlist, vectors) if vectors else {}, design.mapping)
    activity = report.activity
    return page(
        report,
        Floorplan.read(folder / PLACED, parts, design.device.name),
        hops_of(placed.slowest(), parts),
        Decisions.of(design.mapping, vectors),
        (activity.by_phase(report.phases) if report.phases else parts.added(activity.changes)) if activity else {},
        design.network,
        command,
    )


def _finish(design: Design, report: Report, folder: Path) -> None:
    """The results get their final names at the very end."""
    replace_file(folder / "report.json", (json.dumps(report.as_json(), indent=2) + "\n").encode())
    replace_file(folder / "report.txt", report.as_text().encode())
    if design.image:
        replace_file(folder / f"{design.name}{FLASH_SUFFIX}", design.image)
    for suffix in SUFFIXES[design.device.family]:
        (folder / f"{TOP}{suffix}").rename(folder / f"{design.name}{suffix}")
