"""Every shipped network on a board of each kind of FPGA: built and checked, or why it does not fit.

    LOGICNN_DATA=../shared/data python -m benchmarks.boards

Whole board designs, each netlist checked on the test set of its network and on random and structured inputs;
that of a convolution engine clock cycle by clock cycle. Half an hour on one core.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.common import RESULTS, extend_result, finished, new_row, parser_for, rounded, write_result
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.engines import TooBig
from logicnn.flow.build import Options, build
from logicnn.flow.design import mapped
from logicnn.flow.progress import Steps
from logicnn.network import load, shipped

__all__ = ["BOARDS"]

SEED = 1
BOARDS = "ice40_hx8k_b_evn", "icebreaker", "ulx3s"


def placed(model: str, name: str, options: Options) -> dict[str, Any]:
    """One network on one board."""
    network, board = load(model), boards.find(name)
    common = {"model": model, "digest": network.digest(), "board": name, "device": board.device_name}
    try:
        mapping = mapped(network, board)
        report = build(mapping, board, options, Steps(quiet=False))
    except TooBig as refusal:
        return common | {"fits": False, "refusal": str(refusal)}
    checked = report.verification
    assert checked is not None
    return common | {
        "fits": True,
        "lut4": report.resources.lut4,
        "logic_cells": report.resources.logic_cells,
        "estimated_logic_cells": report.estimate.logic_cells,
        "bram": report.resources.bram,
        "dsp": report.resources.dsp,
        "spram": report.resources.spram,
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "clock_mhz": round(report.timing.clock_mhz, 3),
        "core_delay_ns": rounded(report.timing.core_delay_ns),
        "latency_cycles": report.timing.latency_cycles,
        "interval_cycles": report.timing.interval_cycles,
        **asdict(report.placement),
        **asdict(checked),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Clocks are met, and netlists are the networks, wherever a build comes to its end."""
    placed = figures["placed"]
    return {
        "every netlist is compared on its network's test set": all("test (" in row["dataset"] for row in placed),
        "every netlist is compared on 4,096 vectors more": all(row["vectors"] > 4096 for row in placed),
        "every design computes something": all(row["core_delay_ns"] and row["lut4"] > 0 for row in placed),
        "every network fits the ulx3s": {row["model"] for row in placed if row["board"] == "ulx3s"} == set(shipped()),
    }


def main() -> None:
    parser = parser_for(__doc__, output="boards", data=True)
    parser.add_argument(
        "--only", nargs="+", metavar="MODEL", choices=shipped(), help="measure these, beside the rows that are there"
    )
    given = parser.parse_args()
    options = Options(given.output, SEED, data_dir=given.data_dir)
    rows = []
    for model in given.only or shipped():
        for name in BOARDS:
            row = finished(given.output / f"{model}-{name}", placed, model, name, options)
            rows.append(new_row("boards", row, given) if given.only else row)
            print(json.dumps(rows[-1]), flush=True)
    if given.only:
        kept = json.loads((RESULTS / "boards.json").read_text())
        rows += [row for row in [*kept["placed"], *kept["refused"]] if row["model"] not in given.only]
        rows.sort(key=lambda row: (row["model"], row["board"]))
    figures = {
        "placed": [row for row in rows if row["fits"]],
        "refused": [row for row in rows if not row["fits"]],
    }
    if given.only:
        extend_result("boards", figures, required(figures), given=given)
    else:
        write_result("boards", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
