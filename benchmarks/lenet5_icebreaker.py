"""LeNet-5, pruned to patterns, on boards: cycles against their prediction, time an image, and the netlists on all MNIST
test images.

On the icebreaker weights come from the flash image through the netlist's own loader into SPRAM; on the ulx3s they are
in block RAM. A netlist is what Yosys wrote for the board, clock cycle by clock cycle, with models of SPRAM, block RAM
and DSP blocks (`logicnn.netlist.cells`); only the serial receiver is passed over. Multiplications by weights that are 0
do not count. About ten minutes on one core.
"""

import sys
from typing import Any

import numpy as np

from benchmarks.common import parser_for, write_result
from logicnn.board import boards
from logicnn.board.flash import OFFSET
from logicnn.board.protocol import BAUD, Frame, Kind, encode, pack_sample
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Split
from logicnn.engines import Mapping, Sparse
from logicnn.flow.build import Options, build, netlist_path
from logicnn.flow.design import designed
from logicnn.flow.progress import Steps
from logicnn.gateware.board.uart import LEAST
from logicnn.network import Network, load
from logicnn.verify.cycles import CycleCheck

MODEL = "lenet5-ikr"
SEED = 1
BOARDS = ("icebreaker", "ulx3s")
BITS = 10  # of a byte on the line, with its start and stop bit


def measured(network: Network, board: boards.Board, test: Split, options: Options) -> dict[str, Any]:
    """A board's build, and its netlist on the test images."""
    engine = Sparse.of(network, board.device)
    mapping, plan = Mapping((engine,)), engine.plan
    report = build(mapping, board, options, Steps(quiet=False))
    design = designed(mapping, board, options.baud)
    check = CycleCheck(mapping, design.image, design.loading_cycles, design.period_ns, design.uses_pll)
    run = check.run(netlist_path(design, options), test.x)
    expected = network.evaluate(test.x)
    clock_mhz, cycles = report.timing.clock_mhz, int(run.cycles.max())
    peak = min(board.device.multipliers, 16)
    return {
        "device": board.device.name,
        "cycles": cycles,
        "least_cycles": int(run.cycles.min()),
        "predicted_cycles": mapping.latency.most,
        "interval_cycles": mapping.interval,
        "clock_mhz": clock_mhz,
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "ms_per_image": round(mapping.interval / clock_mhz / 1e3, 4),
        **on_the_line(network, test.x, clock_mhz),
        "products": plan.products,
        "multipliers": plan.tile.multipliers,
        "products_per_cycle_peak": peak,
        "fraction_of_peak": round(plan.products / cycles / peak, 4),
        "simulated_images": len(test.x),
        "mismatches": int(np.count_nonzero(run.answers != expected)),
        "error_netlist": float(np.mean(run.answers != test.y)),
        "error_evaluate": float(np.mean(expected != test.y)),
        "logic_cells": report.resources.logic_cells,
        "lut4": report.resources.lut4,
        "bram": report.resources.bram,
        "dsp": report.resources.dsp,
        "spram": report.resources.spram,
        "estimated_logic_cells": report.estimate.logic_cells,
        "loading_cycles": run.loading,
        "flash_bytes": len(design.image or b""),
        "flash_offset": OFFSET if design.image else None,
    }


def on_the_line(network: Network, x: np.ndarray, clock_mhz: float) -> dict[str, Any]:
    """How long a request for an image takes on the serial line, with its frame and escapes, in the mean over x: at the
    default baud rate, and at the fastest, of as few cycles a bit as the link is tested with in simulation.
    """
    word = network.core_input.interval.word
    sizes = [len(encode(Frame(Kind.CLASSIFY, 1, pack_sample(values, word)))) for values in network.encoded_words(x)]
    sent, fastest = float(np.mean(sizes)), clock_mhz * 1e6 / LEAST
    return {
        "bytes_per_image": round(sent, 2),
        "baud": BAUD,
        "line_ms_per_image": round(1e3 * sent * BITS / BAUD, 2),
        "fastest_baud": round(fastest),
        "fastest_line_ms_per_image": round(1e3 * sent * BITS / fastest, 3),
    }


def required(rows: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """On every board."""
    every, first = rows.values(), rows[BOARDS[0]]
    return {
        "every image takes the predicted cycles": all(
            row["least_cycles"] == row["cycles"] == row["predicted_cycles"] for row in every
        ),
        "every class is that of the network": all(row["mismatches"] == 0 for row in every),
        "all 10,000 test images are simulated": all(row["simulated_images"] == 10_000 for row in every),
        "the clock is 24 MHz or faster": all(row["clock_mhz"] >= 24 for row in every),
        "an image takes at most 3 ms": all(row["ms_per_image"] <= 3 for row in every),
        "at least 60 % of the products that 16 multipliers make": all(row["fraction_of_peak"] >= 0.6 for row in every),
        "the icebreaker uses all 8 DSP blocks and 4 large memories": (first["dsp"], first["spram"]) == (8, 4),
    }


def main() -> None:
    given = parser_for(__doc__, output="lenet5", data=True).parse_args()
    network, test = load(MODEL), datasets.load("mnist", given.data_dir).test
    options = Options(given.output, SEED, "none", data_dir=given.data_dir)
    rows = {name: measured(network, boards.find(name), test, options) for name in BOARDS}
    first, *others = BOARDS
    figures = {"dataset": f"mnist test ({len(test.x)})", "digest": network.digest(), **rows[first]}
    figures |= {other: rows[other] for other in others}
    write_result("lenet5_icebreaker", SEED, figures, required(rows), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
