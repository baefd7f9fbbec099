"""The bits that are flashed, from pin to pin: ``LOGICNN_DATA=../shared/data python -m benchmarks.bitstreams``.

Builds networks for boards with iCE40, reads each bitstream back by IceStorm's database of its chip, and runs what it
configures on the serial line: half of the samples are test samples, half random ones. The rows are a part of
``trust.json``, which `benchmarks.trust` measures with its others; this command measures them alone, in minutes.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, extend_result, finished, new_row, parser_for
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.flow.build import Options, build
from logicnn.flow.design import designed, mapped
from logicnn.flow.pins import bitstream_check
from logicnn.flow.progress import Steps
from logicnn.flow.sources import elaborated
from logicnn.network import load
from logicnn.verify.vectors import vectors_for

__all__ = ["bitstreams", "required"]

RUN = (  # network, board, samples
    ("digits-bnn", "icebreaker", 256),
    ("digits-bnn", "tinyfpga_bx", 256),
    ("digits-bnn", "ice40_hx8k_b_evn", 256),
    ("mnist-bnn", "icebreaker", 128),
    ("mnist-luts", "icebreaker", 128),
    ("jsc-reuse", "icebreaker", 128),
    ("lenet5-ikr", "icebreaker", 64),
)


def bitstream_of(name: str, board_name: str, samples: int, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A row: raises `CheckFailed` where an answer differs."""
    network, board = load(name), boards.find(board_name)
    options = Options(folder, verify="quick", data_dir=data_dir)
    mapping = mapped(network, board)
    made = build(mapping, board, options, Steps(quiet=True)).bitstream
    design = designed(mapping, board, options.baud)
    vectors = vectors_for(network, "full", data_dir)
    check, start = bitstream_check(design, elaborated(design)), time.monotonic()
    verification = check.verified(Path(made.path).read_bytes(), vectors.varied(samples), vectors.source)
    return {
        "network": name,
        "digest": network.digest(),
        "board": board_name,
        "device": board.device.name,
        "samples": verification.samples,
        "mismatches": verification.mismatches,
        "cells": verification.cells,
        "cycles": verification.cycles,
        "clock_mhz": design.clock_hz / 1e6,
        "baud": options.baud,
        "seconds": round(time.monotonic() - start, 1),
        "sha256": made.sha256,
    }


def bitstreams(folder: Path, data_dir: str | None, run: Sequence[tuple[str, str, int]] = RUN) -> list[dict[str, Any]]:
    """A row for each bitstream."""
    rows = []
    for name, board, samples in run:
        at = folder / f"bits-{name}-{board}-{load(name).digest()[:16]}"
        rows.append(finished(at, bitstream_of, name, board, samples, at, data_dir))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def required(rows: Sequence[dict[str, Any]]) -> dict[str, bool]:
    return {
        "every bitstream answers as its network": all(not row["mismatches"] for row in rows),
        "at least 50 samples each": all(row["samples"] >= 50 for row in rows),
    }


def main() -> None:
    parser = parser_for(__doc__, output="trust", data=True)
    parser.add_argument("--only", action="append", metavar="NETWORK", help="networks to measure (default: all)")
    given = parser.parse_args()
    run = [each for each in RUN if not given.only or each[0] in given.only]
    rows = [new_row("bitstreams", row, given) for row in bitstreams(given.output.absolute(), given.data_dir, run)]
    from benchmarks import trust  # which measures these rows, too, and knows what its others must show

    figures = json.loads((RESULTS / "trust.json").read_text()) | {"bitstreams": rows}
    extend_result("trust", {"bitstreams": rows}, trust.required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
