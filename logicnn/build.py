"""From a network to a verified bitstream: ``python -m logicnn.build --board icebreaker``.

Elaborate, synthesise, compare the netlist with the network, place and route, pack. Each stage is repeated only when what it
reads has changed; the bitstream appears last, under its final name, and only when every check has passed.
"""

import argparse
import hashlib
import importlib.metadata
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from logicnn import boards, estimate, flash, tools
from logicnn.boards import Board
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.files import load, replace_file
from logicnn.kernels import SparseError
from logicnn.mapping import Mapping
from logicnn.netlist import Netlist
from logicnn.network import Argmax, BinaryConv2d, BinaryDense, Network, Slicer, Threshold
from logicnn.placement import Placement, attempts, placed_by, stuck, tuned
from logicnn.progress import Steps
from logicnn.protocol import BAUD
from logicnn.report import Bitstream, FlashImage, Report, Timing
from logicnn.resources import Family, Resources
from logicnn.sparse import EngineTimes
from logicnn.stages import Stages
from logicnn.timing import Placed
from logicnn.verify import Probe, Vectors, Verification, vectors_for, verify_netlist

__all__ = ["Options", "TooBig", "baud_rate", "board_script", "build", "built_engine", "check_answers_a_byte", "main", "mapped", "program"]

PROBE = Probe(inputs="classifier.store.bits", output="classifier.result")
CORE = "classifier.accelerator.core"
FLASH_SUFFIX = ".flash.bin"  # what goes to a board's flash beside the bitstream
TOP = "top"
FIRST_RUN = "the first run of a tool compiles it, up to a minute"
MARGIN = 1.5  # the estimate of the core's delay may be short by a third before the clock is missed
# Wide multiplexers inflate popcounts on ECP5: a 256-bit one is 1,087 LUT4 with them and 488 without, no slower.
SYNTH_OPTIONS = {Family.ICE40: "", Family.ECP5: "-nowidelut"}
# Sparse layers are generated in the shape that LUT4 want: covered as they are (&if), `mnist-bnn` takes 7 % fewer LUT4 than after
# ABC's restructuring. Wide neurons of shared inputs need that restructuring, which finds the sums that they share: 1.3 against
# 1.8 LUT4 a synapse.
COVER_AS_IS = "scratchpad -copy abc9.script.default.fast abc9.script"
# No word of the memories of modules of this name is read while it is written; where Yosys does not know, it adds a register a bit on iCE40.
NO_COLLISIONS = "setparam -set COLLISION_X_MASK 1'1 *{}*/t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i"
NARROW = 6  # synapses of a neuron that is generated without a compressor tree
SUFFIXES = {Family.ICE40: (".bin",), Family.ECP5: (".bit", ".svf")}  # what can be flashed; the first is the one that is reported
CELLS = {  # names of the places of each family in nextpnr's report: logic cells, block RAM, DSP
    Family.ICE40: ("ICESTORM_LC", "ICESTORM_RAM", "ICESTORM_DSP"),
    Family.ECP5: ("TRELLIS_COMB", "DP16KD", "MULT18X18D"),
}


class TooBig(LogicnnError):
    """A network whose estimate exceeds the device."""


@dataclass(frozen=True)
class Options:
    """How to build: the folder that holds all builds, the seed of place and route, how much to verify, where data are, the line's rate."""

    output: Path = Path("build")
    seed: int | None = None  # of place and route; None: the first of `placement.attempts`
    verify: Literal["full", "quick", "none"] = "full"
    data_dir: str | None = None
    baud: int = BAUD


def divider_for(mapping: Mapping, board: Board, frequency: float) -> int:
    """The smallest clock divider (1 or even) that leaves the estimated core delay its margin."""
    period_ns = 1e9 / frequency
    needed = MARGIN * estimate.core_delay_ns(mapping, board.device) / period_ns
    return 1 if needed <= 1 else 2 * math.ceil(needed / 2)


def mapped(network: Network, board: Board) -> Mapping:
    """As logic, or where that is far too big, with memories: on sparse processing engines. Raises `TooBig` where neither will do."""
    needed, there = estimate.unshared_bits(network), board.device.capacity.logic_cells
    if needed <= estimate.SEARCHED * there:
        period_ns = 1e9 / board.make_platform().default_clk_frequency / MARGIN
        return estimate.cheapest(Mapping.embedded(network, board.device, period=period_ns), board.device)
    try:
        mapping = Mapping.sparse(network, board.device)
    except SparseError as error:
        raise TooBig(
            f"{network.name or 'the network'} needs about {needed} logic cells without sharing, too many for sharing to bring down to the "
            f"{there} of the {board.device.name} on {board.name}, and has no sparse engine: {error}"
        ) from None
    _check_memory(mapping, board)
    return mapping


def _check_memory(mapping: Mapping, board: Board) -> None:
    """Refuses a sparse engine whose memories the device has no room for."""
    plan, device = mapping.plan, board.device
    assert plan is not None
    weights = len(plan.words) * plan.tile.word_bits
    needed = weights + sum(depth * width for depth, width in plan.memories.values())
    cost = estimate.core(mapping, device)
    if cost.bram > device.capacity.bram or cost.spram > device.capacity.spram:
        raise TooBig(
            f"{_name(mapping)} needs {needed} bits of memory, {weights} of them for weights, but the {device.name} on {board.name} "
            f"has {device.memory_bits}; prune it to fewer weights or choose a larger board"
        )


def _check_fits(predicted: Resources, board: Board, what: str) -> None:
    room = board.device.capacity
    for kind, name in (("logic_cells", "logic cells"), ("bram", "block RAMs")):
        needed, there = getattr(predicted, kind), getattr(room, kind)
        if needed > there:
            raise TooBig(
                f"{what} needs about {needed} {name}, {needed - there} more than the {there} of the {board.device.name} on {board.name}; "
                "prune it to a smaller budget or choose a larger board"
            )


def check_answers_a_byte(network: Network) -> None:
    """A board answers with the class, one byte."""
    if not isinstance(network.layers[-1], Argmax | Slicer) or network.output.interval.high > 255:
        raise LogicnnError(
            "a board needs a network that ends in Argmax or Slicer, of at most 256 classes; use logicnn.gateware.Core for others"
        )
    if not network.read_inputs():
        raise LogicnnError("the network reads none of its inputs: there is nothing to build")


@dataclass(frozen=True)
class _Plan:
    """Files of a build and the commands that Amaranth's platform wants run on them: synthesis, place and route, packing."""

    files: dict[str, bytes]
    commands: list[list[str]]
    engine: EngineTimes | None  # of a convolution engine
    flash: bytes | None  # what its weights' flash holds


def synthesis_script(network: Network) -> str:
    """What Yosys is told before synthesis: nothing, or to cover the logic as it is where all thresholds are narrow."""
    wide = any(
        isinstance(layer, BinaryDense | BinaryConv2d)
        and isinstance(layer.activation, Threshold)
        and np.count_nonzero(layer.weights.reshape(len(layer.weights), -1), axis=1).max() > NARROW
        for layer in network.layers
    )
    return "" if wide else COVER_AS_IS


def board_script(mapping: Mapping) -> str:
    """What Yosys is told before synthesis of a board's design."""
    core = NO_COLLISIONS.format("engine") if mapping.plan else synthesis_script(mapping.network)
    return f"{NO_COLLISIONS.format('.framer')}\n{core}"


def clock_hz(mapping: Mapping, board: Board) -> float:
    """The clock of a board's design before any divider."""
    default = board.make_platform().default_clk_frequency
    return board.engine_hz or default if mapping.plan else default


def _check_engine(mapping: Mapping, board: Board) -> None:
    """What a board must have for a convolution engine: a clock that can be made, and flash where weights are loaded."""
    from logicnn.gateware.pll import dividers

    platform = board.make_platform()
    board.check_engine(platform, loaded=bool(board.device.capacity.spram))
    wanted = clock_hz(mapping, board)
    if wanted != platform.default_clk_frequency:
        dividers(platform.default_clk_frequency, wanted)


def _check_baud(mapping: Mapping, board: Board, options: Options) -> None:
    """That the design's clock makes the serial line's rate."""
    from logicnn.gateware.uart import divisor_of

    frequency = clock_hz(mapping, board)
    divisor_of(frequency if mapping.plan else frequency / divider_for(mapping, board, frequency), options.baud)


def _attempts(mapping: Mapping, board: Board, options: Options) -> list[Placement]:
    return attempts(board.device.family, options.seed, engine=mapping.plan is not None)


def _place(stages: Stages, command: Sequence[str], tried: Sequence[Placement], reads: Sequence[str]) -> tuple[Placement, bool]:
    """Places and routes, from a netlist and what else is read, by the first attempt that comes to an end; whether a tool ran."""
    for placement in tried:
        try:
            return placement, stages.run("place_route", placed_by(command, placement, reads[0]), reads, ["timing.json", command[-1]], stuck)
        except tools.ToolGaveUp:
            continue
    seeds = f"seeds {tried[0].seed} to {tried[-1].seed}"
    raise CheckFailed(f"place and route come to no end with {seeds}: try another --seed, a smaller network, or a larger board")


def _plan(mapping: Mapping, board: Board, options: Options, divider: int) -> _Plan:
    from logicnn.gateware.sparse_top import SparseBoardTop
    from logicnn.gateware.top import BoardTop

    platform, family = board.make_platform(), board.device.family
    top = SparseBoardTop(mapping.plan, clock_hz(mapping, board), options.baud) if mapping.plan else BoardTop(mapping, divider, options.baud)
    plan = platform.prepare(
        top,
        TOP,
        debug_verilog=False,
        emit_src=False,  # paths and line numbers would make stages run again that read nothing new
        synth_opts=SYNTH_OPTIONS[family],
        script_after_read=board_script(mapping),
        nextpnr_opts=_attempts(mapping, board, options)[0].options,
    )
    files = {name: data if isinstance(data, bytes) else data.encode() for name, data in plan.files.items()}
    commands = json.loads(files[f"build_{TOP}.json"])["commands"]
    files = {name: data for name, data in files.items() if not name.startswith("build_")}
    if not isinstance(top, SparseBoardTop) or mapping.plan is None:
        return _Plan(files, commands, None, None)
    times = top.times
    assert times is not None  # the top is elaborated
    image = flash.image(mapping.plan.image_words, mapping.network.digest()) if times.loading else None
    return _Plan(files, commands, times, image)


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


def _timing(placed: Placed, netlist: Netlist, mapping: Mapping) -> Timing:
    achieved, required = placed.clock()
    if achieved < required:
        raise CheckFailed(f"the placed design reaches {achieved:.2f} MHz but its clock is {required:.2f} MHz; try another --seed")
    if mapping.plan:
        return Timing(achieved, required, 1e3 / achieved, mapping.latency, mapping.interval)
    inside = netlist.registers_below(CORE) if mapping.latency else []
    delay = placed.delay_into({place for name in [*inside, PROBE.output] for place in netlist.places_of_registers(name)})
    return Timing(achieved, required, delay, mapping.latency, mapping.interval)


def build_folder(mapping: Mapping, board: Board, options: Options) -> Path:
    """Where a build goes: one folder a board and network digest."""
    return options.output / f"{board.name}-{mapping.network.digest()[:16]}"


def _remove_results(folder: Path, family: Family) -> None:
    flashable = [path for suffix in SUFFIXES[family] for path in folder.glob(f"*{suffix}")]
    for path in [*flashable, folder / "report.json", folder / "report.txt"]:
        path.unlink(missing_ok=True)


def _prepare_folder(folder: Path, family: Family) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_results(folder, family)  # whatever happens from here on, no stale result is left
    except OSError as error:
        raise LogicnnError(f"cannot write to the output folder {folder}: {error.strerror}; choose another with --output") from None


def build(mapping: Mapping, board: Board, options: Options, steps: Steps) -> Report:
    """Builds and verifies; writes the bitstream, ``report.json`` and ``report.txt`` into `build_folder`.

    Raises `TooBig` before synthesis, `CheckFailed` for a mismatch, a missed clock or a failing tool; then no bitstream is left.
    """
    family = board.device.family
    check_answers_a_byte(mapping.network)
    predicted = estimate.design(mapping, board.device)
    _check_fits(predicted, board, _name(mapping))
    if mapping.plan:
        _check_engine(mapping, board)
    _check_baud(mapping, board, options)
    folder = build_folder(mapping, board, options)
    _prepare_folder(folder, family)
    try:
        return _run_stages(mapping, board, options, steps, predicted)
    except BaseException:
        _remove_results(folder, family)
        raise


def _name(mapping: Mapping) -> str:
    return mapping.network.name or "network"


def _run_stages(mapping: Mapping, board: Board, options: Options, steps: Steps, predicted: Resources) -> Report:
    """All stages in the prepared folder; the results get their final names at the very end."""
    network, name, family = mapping.network, _name(mapping), board.device.family
    folder = build_folder(mapping, board, options)
    bitstream = folder / f"{name}{SUFFIXES[family][0]}"
    stages = Stages(folder)
    cached = "unchanged, not repeated"
    with steps.step("elaborate", "elaborate"):
        vectors = None if options.verify == "none" else vectors_for(network, options.verify, options.data_dir)
        frequency = board.make_platform().default_clk_frequency
        plan = _plan(mapping, board, options, divider_for(mapping, board, frequency))
        for file, data in plan.files.items():
            if not (folder / file).is_file() or (folder / file).read_bytes() != data:
                replace_file(folder / file, data)
    versions = {tool: tools.version(tool) for tool, *_ in plan.commands if tools.executable(tool)}  # all there, before the first runs
    sources = sorted(plan.files)
    synthesis, place, pack = plan.commands
    with steps.step("synthesis", "synthesise", FIRST_RUN) as remark:
        if not stages.run("synthesis", synthesis, [file for file in sources if Path(file).suffix in (".il", ".ys")], [f"{TOP}.json"]):
            remark(cached)
    with steps.step("verify", "verify the netlist") as remark:
        netlist = Netlist(folder / f"{TOP}.json")
        checked = vectors and _verified(netlist, folder / f"{TOP}.json", mapping, plan, vectors)
        if checked:
            remark(f"{checked.vectors} vectors equal")
    with steps.step("place_route", "place and route", FIRST_RUN) as remark:
        constraints = [file for file in sources if Path(file).suffix in (".pcf", ".lpf")]
        tried = _attempts(mapping, board, options)
        placement, ran = _place(stages, place, tried, [tuned(folder, f"{TOP}.json", tried[0]), *constraints])
        if not ran:
            remark(cached)
        placed = Placed.read(folder / "timing.json")
        timing = _timing(placed, netlist, mapping)
        remark(f"core {timing.core_delay_ns:.1f} ns" if mapping.plan is None else f"{timing.fmax_mhz:.1f} MHz")
    with steps.step("pack", "pack the bitstream"):
        tools.run(pack, folder, "pack.log")
        data = (folder / f"{TOP}{SUFFIXES[family][0]}").read_bytes()
    image = folder / f"{name}{FLASH_SUFFIX}"
    report = Report(
        name=name,
        digest=network.digest(),
        board=board.name,
        device=board.device.name,
        resources=_resources(netlist, placed, family),
        capacity=board.device.capacity,
        timing=timing,
        placement=placement,
        verification=checked,
        bitstream=Bitstream(str(bitstream), hashlib.sha256(data).hexdigest(), len(data)),
        flash=None if plan.flash is None else FlashImage(str(image), hashlib.sha256(plan.flash).hexdigest(), len(plan.flash), flash.OFFSET),
        estimate=predicted,
        tools=versions | {"amaranth": f"amaranth {importlib.metadata.version('amaranth')}"},
        seconds=steps.seconds | {"total": sum(steps.seconds.values())},
    )
    replace_file(folder / "report.json", (json.dumps(report.as_json(), indent=2) + "\n").encode())
    replace_file(folder / "report.txt", report.as_text().encode())
    if plan.flash:
        replace_file(image, plan.flash)
    for suffix in SUFFIXES[family]:
        (folder / f"{TOP}{suffix}").rename(folder / f"{name}{suffix}")
    return report


def _verified(netlist: Netlist, path: Path, mapping: Mapping, plan: _Plan, vectors: Vectors) -> Verification:
    """The netlist compared with the network, on every vector; that of an engine simulated cycle by cycle, from reset."""
    if mapping.plan is None or plan.engine is None:
        return verify_netlist(netlist, PROBE, mapping.network, vectors)
    from logicnn.verify_engine import engine_outputs, verify_engine

    return verify_engine(engine_outputs(path, mapping.plan, vectors.x, plan.flash, plan.engine), mapping.plan, plan.engine, vectors)


def built_engine(mapping: Mapping, board: Board, options: Options) -> tuple[Path, bytes | None, EngineTimes]:
    """The netlist of a built convolution engine, its flash image where it has one, and its predicted times."""
    plan = _plan(mapping, board, options, 1)
    if plan.engine is None:
        raise LogicnnError(f"{_name(mapping)} on {board.name} has no convolution engine")
    return build_folder(mapping, board, options) / f"{TOP}.json", plan.flash, plan.engine


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 31:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {(1 << 31) - 1}, not {text!r}")
    return int(text)


def baud_rate(text: str) -> int:
    """For the command line."""
    if not text.isdecimal() or not 300 <= int(text) <= 12_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 300 to 12000000, not {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", required=True, help=f"a board ({', '.join(boards.names())}) or the path of a board file")
    parser.add_argument("--model", default="mnist-bnn", help="a shipped network or a .lnn file (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Options.output, metavar="DIR", help="folder for builds (default: %(default)s)")
    parser.add_argument("--seed", type=_seed, default=Options.seed, help="of place and route (default: 1)")
    parser.add_argument(
        "--verify", choices=("full", "quick", "none"), default=Options.verify, help="vectors to compare (default: %(default)s)"
    )
    parser.add_argument("--data-dir", help="folder of data sets for verification (default: the environment's LOGICNN_DATA)")
    parser.add_argument("--baud", type=baud_rate, default=Options.baud, help="of the serial line (default: %(default)s)")
    parser.add_argument("--program", action="store_true", help="write the board's flash in the end")
    parser.add_argument("--json", action="store_true", help="print report.json instead of the text report")


def _programmer(board: Board) -> tuple[str, str]:
    """Tool and package of a board's programmer."""
    if board.programmer is None:
        raise LogicnnError(f"board {board.name} names no programmer; give its Board one, or write the bitstream by hand")
    return board.programmer.tool, board.programmer.package


def _check_program(mapping: Mapping, board: Board) -> None:
    """Refuses, before anything is built, a programmer that cannot write what the build makes."""
    _programmer(board)
    assert board.programmer is not None
    loaded = mapping.plan is not None and bool(board.device.capacity.spram)
    board.programmer.commands("the bitstream", "the image of the weights" if loaded else None)


def program(board: Board, report: Report) -> None:
    """Writes a board's flash: the bitstream, and the image of the weights where there is one."""
    _, package = _programmer(board)
    assert board.programmer is not None
    image = report.flash
    for command in board.programmer.commands(report.bitstream.path, image and image.path, image.offset if image else 0):
        tools.program(command, package)


def run(arguments: argparse.Namespace) -> None:
    """The build command."""
    board = boards.find(arguments.board)
    network = load(arguments.model)
    if arguments.program:
        tools.programmer(*_programmer(board))
    options = Options(arguments.output, arguments.seed, arguments.verify, arguments.data_dir, arguments.baud)
    steps = Steps(quiet=False)
    with steps.step("map", "map layers to engines", silent_s=1):
        mapping = mapped(network, board)
        if arguments.program:
            _check_program(mapping, board)
    report = build(mapping, board, options, steps)
    sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n" if arguments.json else report.as_text())
    if arguments.program:
        sys.stdout.flush()
        program(board, report)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m logicnn.build``: the `build` command by itself."""
    from logicnn.cli import command

    return command("python -m logicnn.build", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
