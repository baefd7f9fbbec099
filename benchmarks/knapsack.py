"""What pruning groups of weights saves of a placed netlist, beside single weights and magnitudes: ``python -m
benchmarks.knapsack``.

The networks of `benchmarks.knapsack_train`, before and after, seed 1: on the ulx3s every layer on multipliers of its
own that serve `reuse` weights each, on the icebreaker all layers on one tile. Whole designs that the device has
multipliers for are placed, others counted after synthesis. Netlists are compared with the network, on the icebreaker
on all test samples, on the ulx3s on as many as a quick build takes; what no ECP5 holds and has a thousand multipliers
or more is counted alone: its simulator would take as long to compile as all others together. An hour and a half on one
core; what is finished is kept in the output folder, by the network's digest: pruning that changed nothing is not
built anew.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.bench import opened_netlist
from benchmarks.common import NETWORKS, RESULTS, finished, parser_for, write_result
from benchmarks.knapsack_train import CASES, REUSES, SCOPES, Case
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.engines import Mapping, TooBig
from logicnn.engines.folded import Folded
from logicnn.engines.reused import Reused
from logicnn.flow import tools
from logicnn.flow.build import Options, build
from logicnn.flow.design import check_fits, designed
from logicnn.flow.progress import Steps
from logicnn.flow.sources import elaborated
from logicnn.network import Network, files

ONE_TILE, OWN_TILES = "icebreaker", "ulx3s"
MOST_SIMULATED = 1000  # multipliers of a design that is not placed


def mapping_of(network: Network, case: Case) -> Mapping:
    if case.reuse:
        return Folded.row(network, case.reuse)
    return Mapping([Reused(network, 0, len(network.layers), *case.subject.tile)])


def measured(network: Network, case: Case, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A network's resources, clock and cycles."""
    mapping = mapping_of(network, case)
    board = boards.find(OWN_TILES if case.reuse else ONE_TILE)
    latency: dict[str, Any] = {"cycles": mapping.latency.most, "interval_cycles": mapping.interval}
    (*_, engine) = mapping.engines
    if isinstance(engine, Reused):
        latency["occupancy"] = round(engine.occupancy, 4)
    try:
        check_fits(designed(mapping, board, Options().baud))
    except TooBig as error:
        print(f"{network.name}: {error}", file=sys.stderr)
        return counted(mapping, folder, data_dir) | latency
    options = Options(folder, 1, verify="quick" if case.reuse else "full", data_dir=data_dir)
    report = build(mapping, board, options, Steps(quiet=False))
    checked = report.verification
    assert checked is not None
    resources, timing = report.resources, report.timing
    return {
        "placed": True,
        "dsp": resources.dsp,
        "bram": resources.bram,
        "lut": resources.lut4,
        "ff": resources.ff,
        "logic_cells": resources.logic_cells,
        "fmax_mhz": round(timing.fmax_mhz, 2),
        "vectors": checked.vectors,
        "mismatches": checked.mismatches,
    } | latency


def counted(mapping: Mapping, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """What synthesis makes of a design of the ulx3s that is not placed."""
    made = designed(mapping, boards.find(OWN_TILES), Options().baud)
    sources = elaborated(made)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in sources.files.items():
        (folder / file).write_bytes(content)
    tools.run(sources.synthesis, folder, "synthesis.log")
    netlist = opened_netlist(folder / "top.json", made.device.family)
    found: dict[str, Any] = {
        "placed": False,
        "dsp": netlist.cells["MULT18X18D"],
        "bram": netlist.cells["DP16KD"],
        "lut": netlist.cells["LUT4"],
        "ff": netlist.cells["TRELLIS_FF"],
        "logic_cells": None,
        "fmax_mhz": None,
        "vectors": 0,
        "mismatches": None,
    }
    if found["dsp"] >= MOST_SIMULATED:
        return found
    vectors = Options(verify="quick", data_dir=data_dir).vectors(made)
    assert vectors is not None
    checked = made.check.verified(netlist, vectors)
    return found | {"vectors": checked.vectors, "mismatches": checked.mismatches}


def row_of(case: Case, before: dict[str, Any], after: dict[str, Any], networks: list[dict[str, Any]]) -> dict[str, Any]:
    trained = trained_as(case, networks)
    first = trained[0]
    return {
        "network": case.network,
        "dataset": first["dataset"],
        "board": OWN_TILES if case.reuse else ONE_TILE,
        "reuse": case.reuse or "one tile",
        "method": case.way,
        "accuracy_before": first["accuracy_before"],
        "accuracy_after": first["accuracy_after"],
        **{f"{what}_{when}": each[what] for what in BOTH for when, each in (("before", before), ("after", after))},
        **{f"occupancy_{when}": each.get("occupancy") for when, each in (("before", before), ("after", after))},
        **{f"vectors_{when}": each["vectors"] for when, each in (("before", before), ("after", after))},
        **{what: after[what] for what in ("cycles", "interval_cycles", "vectors", "mismatches")},
        "seeds": [{key: each[key] for key in KEPT} | {"used": used_of(each)} for each in trained],
        **(at_equal_budget(case, networks) if case.reuse and case.way in SCOPES else {}),
    }


BOTH = ("placed", "dsp", "bram", "lut", "ff", "logic_cells", "cycles", "fmax_mhz")
KEPT = ("seed", "accuracy_before", "accuracy_after", "validation_accuracy_before", "validation_accuracy_after")


def trained_as(case: Case, networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the training of a case came to, a seed each."""
    return [each for each in networks if each["network"] == case.name]


def at_equal_budget(case: Case, networks: list[dict[str, Any]]) -> dict[str, float]:
    """The least share of the multipliers that all scopes were tried at, with all seeds, and how many of the left-out
    samples were decided right there, in the mean.
    """
    ways = [trained_as(replace(case, way=way), networks) for way in SCOPES]
    share = min(set.intersection(*({step["share"] for step in each["steps"]} for way in ways for each in way)))
    found = [
        step["accuracy"] for each in trained_as(case, networks) for step in each["steps"] if step["share"] == share
    ]
    return {"common_share": share, "validation_accuracy_at_share": mean(found)}


def used_of(trained: dict[str, Any]) -> dict[str, int]:
    """What the groups that are left use, by the training's record."""
    accepted = [step for step in trained["steps"] if step["accepted"]]
    return accepted[-1]["used"] if accepted else {}


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """What Ramhorst et al. 2023 report of their jets and images; and that one knapsack keeps no more multipliers than
    magnitudes of the same share of every layer at the same bound on accuracy, and decides more at the same budget.
    """
    rows = figures["rows"]
    own = [row for row in rows if row["method"] == "multipliers, knapsack"]
    good = [row for row in rows if _kept_accuracy(row)]
    ways = {(row["network"], row["reuse"], row["method"]): row for row in rows if row["board"] == OWN_TILES}
    pairs = [(row, ways[row["network"], row["reuse"], "multipliers, by layer and magnitude"]) for row in own]
    return {
        **{
            f"{network}: 55 % fewer DSP blocks or more, within 2.5 % of the accuracy": any(
                row["dsp_after"] <= 0.45 * row["dsp_before"] for row in own if row in good and row["network"] == network
            )
            for network in REUSES
        },
        "81 % less block RAM or more, within 2.5 % of the accuracy": any(
            row["bram_after"] <= 0.19 * row["bram_before"] for row in good if row["bram_before"]
        ),
        "every reuse factor's accuracy within 2.5 %, in the mean": all(row in good for row in own),
        "one knapsack keeps no more multipliers than magnitudes by layer": all(
            _used(row) <= _used(other) for row, other in pairs
        ),
        "one knapsack decides more left-out samples than magnitudes by layer, at the same budget": all(
            row["validation_accuracy_at_share"] > other["validation_accuracy_at_share"] for row, other in pairs
        ),
        "every netlist is equal to its network": all(row["mismatches"] == 0 for row in rows),
    }


def _kept_accuracy(row: dict[str, Any]) -> bool:
    before, after = (mean(each[f"accuracy_{when}"] for each in row["seeds"]) for when in ("before", "after"))
    return after >= 0.975 * before


def _used(row: dict[str, Any]) -> float:
    """Multipliers, in the mean of all seeds; all of them where no step of pruning was accepted."""
    return mean(each["used"].get("dsp", row["dsp_before"]) for each in row["seeds"])


def main() -> None:
    given = parser_for(__doc__, output="knapsack", data=True).parse_args()
    trained = json.loads((RESULTS / "knapsack_train.json").read_text())["networks"]
    found = []
    for case in CASES:
        networks = [files.load(NETWORKS / f"{name}.lnn") for name in (case.whole, case.name)]
        folders = [given.output / f"{each.digest()[:16]}-{case.reuse}" for each in networks]
        before, after = (
            finished(folder, measured, network, case, folder, given.data_dir)
            for network, folder in zip(networks, folders, strict=True)
        )
        found.append(row_of(case, before, after, trained))
        print(json.dumps(found[-1]), flush=True)
    figures = {"rows": found}
    write_result("knapsack", 1, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
