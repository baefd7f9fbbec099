"""What is proved, and what becomes of faults: ``LOGICNN_DATA=../shared/data python -m benchmarks.trust``.

Proves netlists of boards equal to their networks for every input (`logicnn prove`), layer by layer. Plants `FAULTS`
faults in the netlist of mnist-bnn on the icebreaker, link included, one at a time (`benchmarks.planted`), decides each
(`benchmarks.decided`), and counts those of the network's logic that matter and that a build notices: by its vectors,
the 10,000 test images and 4,096 random and structured inputs, by the inputs that it makes beside these
(`logicnn.verify.directed`), or by its proof. Two hours of one core; `PART` faults at a time are kept.
"""

import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bitstreams
from benchmarks.common import finished, parser_for, write_result
from benchmarks.decided import HARMLESS, INPUT, LINE, OPEN, UNREACHED, Board
from benchmarks.planted import KINDS, planted
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.commands.options import count
from logicnn.data import datasets
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.flow.build import PROOF_SAMPLES, Options, synthesised
from logicnn.flow.design import PROBE, designed, mapped
from logicnn.flow.progress import Steps
from logicnn.netlist.netlist import Netlist
from logicnn.network import load
from logicnn.verify.logic import LogicCheck
from logicnn.verify.prove import prove
from logicnn.verify.vectors import Vectors, random_vectors, vectors_for

SEED = 25
PROVED = (
    ("digits-bnn", "icebreaker"),
    ("digits-bnn", "ulx3s"),
    ("mnist-bnn", "icebreaker"),
    ("mnist-luts", "icebreaker"),
    ("ofc-a", "ulx3s"),
    ("jsc-a", "ulx3s"),
    ("nid-a", "ulx3s"),
)
FAULTED = ("mnist-bnn", "icebreaker")
FAULTS = 500
BAUD = 1_500_000  # few cycles a bit, so that many conversations are simulated
PART = 20  # faults


def proof_of(name: str, board: str, options: Options) -> dict[str, Any]:
    network, on = load(name), boards.find(board)
    mapping = mapped(network, on)
    netlist = synthesised(designed(mapping, on, options.baud), options, Steps(quiet=True))
    start = time.monotonic()
    proof = prove(netlist, mapping, network.encode(random_vectors(network, PROOF_SAMPLES)), PROBE)
    seconds = round(time.monotonic() - start, 1)
    blocks = [(kind, count, method) for layer in proof.layers for kind, count, method in layer.blocks]
    return {
        "network": name,
        "digest": network.digest(),
        "board": board,
        "inputs": proof.inputs,
        "gates": proof.gates,
        "blocks": sum(count for _, count, _ in blocks),
        "proved": sum(count for _, count, method in blocks if method),
        "layers": [dataclasses.asdict(layer) for layer in proof.layers],
        "seconds": seconds,
    }


def _notices(mapping: Mapping, path: Path, vectors: Vectors) -> bool:
    """Whether the comparison of a build ends with an error."""
    try:
        LogicCheck(mapping.network, PROBE).verified(Netlist(path), vectors)
    except CheckFailed:
        return True
    return False


def _is_refuted(mapping: Mapping, path: Path, encoded: np.ndarray) -> bool:
    try:
        prove(Netlist(path), mapping, encoded, PROBE)
    except CheckFailed:
        return True
    return False


@cache
def _board(folder: Path, options: Options) -> tuple[Mapping, Board, Vectors]:
    """The netlist that faults are planted in, and the vectors of its build."""
    (name, board_name) = FAULTED
    network, on = load(name), boards.find(board_name)
    mapping = mapped(network, on)
    design = designed(mapping, on, BAUD)
    netlist = synthesised(design, dataclasses.replace(options, output=folder), Steps(quiet=True))
    vectors = vectors_for(network, "full", options.data_dir)
    divisor = round(design.clock_hz / design.baud)
    return mapping, Board(network, netlist, network.encode(vectors.x), divisor, SEED, folder), vectors


def faults(first: int, many: int, folder: Path, options: Options) -> list[dict[str, Any]]:
    """Outcomes of so many faults, and how a build notices those that matter."""
    mapping, board, vectors = _board(folder, options)
    return [_fault(number, mapping, board, vectors) for number in range(first, first + many)]


def _fault(number: int, mapping: Mapping, board: Board, vectors: Vectors) -> dict[str, Any]:
    rng, start = np.random.default_rng([SEED, number]), time.monotonic()
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    said, module = planted(kind, board.module, board.places, rng)
    outcome, in_core, plain = board.outcome(module)
    row = {"kind": kind, "fault": said, "outcome": outcome, "in_core": in_core}
    if outcome == INPUT:
        row["by_vectors"] = plain is not None
        wrong = board.folder / "wrong.json"
        board.write(module, wrong)
        row["by_directed"] = plain is None and _notices(mapping, wrong, vectors)
        if plain is None and not row["by_directed"]:
            encoded = mapping.network.encode(vectors.varied(PROOF_SAMPLES))
            row["by_proof"] = _is_refuted(mapping, wrong, encoded)
    row["seconds"] = round(time.monotonic() - start, 1)
    print(number, json.dumps(row), flush=True)
    return row


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the record says of faults."""
    name, board = FAULTED
    outcomes = Counter(row["outcome"] for row in rows)
    harmful = [row for row in rows if row["outcome"] == INPUT]
    others = [row["by_proof"] for row in harmful if "by_proof" in row]
    plain, directed = (sum(row[key] for row in harmful) for key in ("by_vectors", "by_directed"))
    return {
        "faulted": f"{name}, {board}",
        "planted_faults": len(rows),
        "by_kind": {kind: dict(Counter(row["outcome"] for row in rows if row["kind"] == kind)) for kind in KINDS},
        "refuted": outcomes[INPUT] + outcomes[LINE],
        "proved_harmless": outcomes[HARMLESS] + outcomes[UNREACHED],
        "open": outcomes[OPEN],
        "open_faults": [row["fault"] for row in rows if row["outcome"] == OPEN],
        "harmful_in_core": len(harmful),
        "caught_by_vectors": plain + directed,
        "caught_by_samples": plain,
        "proofs_of_others": len(others),
        "caught_by_these_proofs": sum(others),
        "seconds_of_faults": round(sum(row["seconds"] for row in rows), 1),
        "slowest_fault": max(row["seconds"] for row in rows),
    }


def price(folder: Path, options: Options) -> dict[str, float]:
    """Seconds of a build's comparison on vectors, with the inputs that it makes beside them and without these."""
    mapping, board, vectors = _board(folder, options)
    check, start = LogicCheck(mapping.network, PROBE), time.process_time()
    check.verified(board.netlist, vectors)
    whole, start = time.process_time() - start, time.process_time()
    check.compared(board.netlist, vectors)
    return {"seconds": round(whole, 2), "seconds_of_samples": round(time.process_time() - start, 2)}


def required(figures: dict[str, Any]) -> dict[str, bool]:
    harmful = figures["harmful_in_core"]
    return {
        "every block of every network is proved": all(row["proved"] == row["blocks"] for row in figures["proved"]),
        f"{FAULTS} faults are planted": figures["planted_faults"] >= FAULTS,
        "every fault is refuted or proved harmless": figures["open"] == 0,
        "vectors notice 95 % of those in the logic that matter": figures["caught_by_vectors"] >= 0.95 * harmful,
        "proofs notice what vectors do not": figures["caught_by_these_proofs"] == figures["proofs_of_others"],
        **bitstreams.required(figures["bitstreams"]),
    }


def main() -> None:
    parser = parser_for(__doc__, output="trust", data=True)
    parser.add_argument("--faults", type=count, default=FAULTS, help="how many are planted (default: %(default)s)")
    given = parser.parse_args()
    datasets.load("mnist", given.data_dir)  # or say at once that it is missing
    options = Options(given.output, data_dir=given.data_dir)
    proved = []
    for name, board in PROVED:
        folder = given.output / f"{name}-{board}-{load(name).digest()[:16]}"
        proved.append(finished(folder, proof_of, name, board, dataclasses.replace(options, output=folder)))
        print(json.dumps(proved[-1]), flush=True)
    rows: list[dict[str, Any]] = []
    folder = given.output / "faults"
    for first in range(0, given.faults, PART):
        part, many = folder / f"from-{first}", min(PART, given.faults - first)
        rows += finished(
            part if many == PART else folder / f"from-{first}-{many}", faults, first, many, folder, options
        )
    check = finished(folder / "price", price, folder, options)
    figures = {"proved": proved, **summary(rows), "comparison": check}
    figures["bitstreams"] = bitstreams.bitstreams(given.output.absolute(), given.data_dir)
    write_result("trust", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
