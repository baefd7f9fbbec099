"""What is proved, and what becomes of faults: ``LOGICNN_DATA=../shared/data python -m benchmarks.trust``.

Proves netlists of boards equal to their networks for every input (`logicnn prove`), layer by layer. Plants `FAULTS`
faults in the netlist of mnist-bnn on the icebreaker, link included, one at a time (`benchmarks.planted`), decides each,
and counts those of the network's logic that matter and that a build notices: by its vectors, the 10,000 test images and
4,096 random and structured inputs, or by its proof. Some hours of one core.
"""

import dataclasses
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bitstreams
from benchmarks.common import finished, parser_for, write_result
from benchmarks.planted import KINDS, Board, planted
from logicnn.board import boards
from logicnn.board.protocol import Identity
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
    ("ofc-a", "ulx3s"),
    ("jsc-a", "ulx3s"),
    ("nid-a", "ulx3s"),
)
FAULTED = ("mnist-bnn", "icebreaker")
FAULTS = 500
BAUD = 1_500_000  # few cycles a bit, so that many conversations are simulated
PROOFS = 20  # of faults that vectors do not notice, at most


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


def faults(folder: Path, options: Options, many: int) -> dict[str, Any]:
    """Outcomes of all faults, and which of those that matter a build notices."""
    (name, board_name), rng = FAULTED, np.random.default_rng(SEED)
    network, on = load(name), boards.find(board_name)
    mapping = mapped(network, on)
    design = designed(mapping, on, BAUD)
    netlist = synthesised(design, dataclasses.replace(options, output=folder), Steps(quiet=True))
    divisor = round(design.clock_hz / design.baud)
    vectors = vectors_for(network, "full", options.data_dir)
    size = Identity.of(network, 1).sample_bytes
    board = Board.of(network, netlist.path, network.encode(vectors.x), size, divisor, SEED)
    encoded = network.encode(vectors.varied(PROOF_SAMPLES))
    clock, wrong = board.module.nets("clk")[0], folder / "wrong.json"
    rows: list[dict[str, Any]] = []
    unnoticed: list[bool] = []
    for number in range(many):
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        said, module = planted(kind, board.module, clock, rng)
        outcome, in_core = board.outcome(module, wrong)
        row = {"kind": kind, "fault": said, "outcome": outcome, "in_core": in_core}
        if outcome == "refuted by an input":
            row["by_vectors"] = _notices(mapping, wrong, vectors)
            if not row["by_vectors"] and len(unnoticed) < PROOFS:
                unnoticed.append(_is_refuted(mapping, wrong, encoded))
        rows.append(row)
        print(number, json.dumps(row), flush=True)
    harmful = [row for row in rows if row["outcome"] == "refuted by an input"]
    outcomes = Counter(row["outcome"] for row in rows)
    return {
        "network": name,
        "board": board_name,
        "planted_faults": len(rows),
        "by_kind": {kind: dict(Counter(row["outcome"] for row in rows if row["kind"] == kind)) for kind in KINDS},
        "proved_harmless": outcomes["harmless"],
        "refuted": outcomes["refuted by an input"] + outcomes["refuted on the line"],
        "open": outcomes["open"],
        "open_faults": [row["fault"] for row in rows if row["outcome"] == "open"],
        "harmful_in_core": len(harmful),
        "caught_by_vectors": sum(row["by_vectors"] for row in harmful),
        "proofs_of_others": len(unnoticed),
        "caught_by_these_proofs": sum(unnoticed),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    planted_in = figures["faults"]
    return {
        "every block of every network is proved": all(row["proved"] == row["blocks"] for row in figures["proved"]),
        f"{FAULTS} faults are planted": planted_in["planted_faults"] >= FAULTS,
        "every fault is refuted or proved harmless": planted_in["open"] == 0,
        "proofs notice what vectors do not": planted_in["caught_by_these_proofs"] == planted_in["proofs_of_others"],
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
    folder = given.output / f"faults-{given.faults}"
    figures = {
        "proved": proved,
        "faults": finished(folder, faults, folder, options, given.faults),
        "bitstreams": bitstreams.bitstreams(given.output.absolute(), given.data_dir),
    }
    write_result("trust", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
