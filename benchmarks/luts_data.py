"""Networks of learned tables for jets and network traffic, placed on an ulx3s as logic, and what papers report of the
same tasks on other FPGAs and, but for MNIST, other data.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts_data

Reads what `benchmarks.luts_data_train` trained. Whole board designs with link, stored bits, sums and class, each
netlist checked on all test samples and on 4,096 vectors more. Thresholds are compared by the host: a board is sent
bits. Some minutes of one core.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.common import NETWORKS, RESULTS, finished, parser_for, write_result
from benchmarks.luts import built
from logicnn import load
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping
from logicnn.flow.build import Options

BOARD = "ulx3s"
SEED = 1
VECTORS = 4096


@dataclass(frozen=True)
class Published:
    """What is reported of a network: LUT6 of its part, and ns from input to class. `read` says where that was read: in
    its authors' repository, or with others who quote their paper.
    """

    task: str
    network: str
    accuracy: float
    lut6: int | None
    latency_ns: float | None
    part: str
    read: str


VU9P, U280 = "VU9P", "XCU280"  # of LogicNets' repository, the part that its script names
OPENML, CERNBOX = "JSC, OpenML 42468", "JSC, CERNBox"
NID = "NID, UNSW-NB15 in 593 bits, the authors' split"
KANELE, LOGICNETS = "Duchstf/KANELE, its repository", "Xilinx/logicnets, its repository"
SURVEY = "arXiv 2506.07367, a survey"
STUDY = "Kanishk234/dwn-fpga-study, from arXiv {}"
PUBLISHED = (
    Published("MNIST", "DWN, without its encoder", 0.983, 4082, 6.0, VU9P, STUDY.format("2410.11112")),
    Published("MNIST", "TreeLUT (I)", 0.97, 4478, 2.5, VU9P, SURVEY),
    Published("MNIST", "TreeLUT (II)", 0.96, 3499, 2.3, VU9P, SURVEY),
    Published("MNIST", "KANELE", 0.9625, 7570, 31, VU9P, KANELE),
    Published(OPENML, "DWN, with its encoder", 0.763, 7011, 2.1, VU9P, STUDY.format("2512.15251")),
    Published(OPENML, "NeuraLUT-Assemble", 0.76, 1780, 2.1, VU9P, STUDY.format("2512.15251")),
    Published(OPENML, "TreeLUT (I)", 0.76, 2234, 2.7, VU9P, STUDY.format("2501.01511")),
    Published(OPENML, "TreeLUT (II)", 0.75, 796, 1.1, VU9P, STUDY.format("2501.01511")),
    Published(OPENML, "KANELE", 0.7596, None, None, VU9P, KANELE),
    Published(CERNBOX, "NeuraLUT-Assemble", 0.75, 8539, 5.7, VU9P, STUDY.format("2607.08427")),
    Published(CERNBOX, "KANELE", 0.7505, None, None, VU9P, KANELE),
    Published(CERNBOX, "LogicNets JSC-L", 0.726, 38925, 12.4, U280, LOGICNETS),
    Published(CERNBOX, "LogicNets JSC-M", 0.715, 14576, 8.4, U280, LOGICNETS),
    Published(CERNBOX, "LogicNets JSC-S", 0.688, 232, 3.6, U280, LOGICNETS),
    Published(NID, "LogicNets NID-L", 0.931, 9087, 10.0, U280, LOGICNETS),
    Published(NID, "LogicNets NID-M", 0.926, 3058, 6.2, U280, LOGICNETS),
    Published(NID, "LogicNets NID-S", 0.894, 110, 2.5, U280, LOGICNETS),
    Published(NID, "TreeLUT (II)", 0.92, 89, None, VU9P, "gHashTag/t27, which quotes it"),
)


def placed(name: str, options: Options) -> dict[str, Any]:
    """One network on the board."""
    network = load(NETWORKS / f"{name}.lnn")
    return {"network": name, "dataset": network.dataset} | built(Mapping.unrolled(network), BOARD, options)


def required(rows: list[dict[str, Any]], tested: dict[str, int]) -> dict[str, bool]:
    return {
        "every network has room": all(row["fits"] for row in rows),
        f"every netlist is equal to its network on all test samples and {VECTORS:,} vectors": all(
            row["mismatches"] == 0 and row["vectors"] == tested[row["dataset"]] + VECTORS for row in rows if row["fits"]
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="luts_data", data=True).parse_args()
    options = Options(given.output, SEED, "full", given.data_dir)
    trained = json.loads((RESULTS / "luts_data_train.json").read_text())["runs"]
    rows, tested = [], {}
    for name, run in trained.items():
        row = finished(given.output / f"{name}-{run['digest'][:16]}", placed, name, options)
        rows.append(row | {"accuracy_seeds": [each["accuracy"] for each in run["seeds"]]})
        tested[row["dataset"]] = len(datasets.load(row["dataset"], given.data_dir).test.x)
        print(json.dumps(rows[-1]), flush=True)
    figures = {"rows": rows, "published": [asdict(each) for each in PUBLISHED]}
    write_result("luts_data", SEED, figures, required(rows, tested), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
