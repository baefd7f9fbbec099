"""What a bound on the additions one after the other costs and saves: ``python -m benchmarks.depths``.

The nine networks of Xu et al. (`benchmarks.logic_design_train`) as data paths: carry bits, and stages and register bits
of their pipelines for three periods, by the additions that `optimise` makes without a bound, and with bounds from the
least depth on. Estimates throughout, nothing is placed. A few minutes on one core.
"""

import sys
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from benchmarks.common import NETWORKS, finished, parser_for, write_result
from logicnn.arithmetic.adders import AdderGraph
from logicnn.arithmetic.sharing import SPARE, least_depth, optimise
from logicnn.commands.command import guarded
from logicnn.engines.embedded import datapath_of, pipelined
from logicnn.network import Interval, load, shipped
from logicnn.resources import DEVICES

SEED = 1
DEVICE = DEVICES["LFE5U-85F"]
PERIODS_NS = (10.0, 6.0, 4.5)
MORE = (None, 0, 1, 2, 4)  # additions beyond the least depth of each matrix
NAMES = tuple(f"{task}-{size}" for task in ("nid", "jsc", "ofc") for size in "abc")


def bounded(matrix: np.ndarray, inputs: tuple[Interval, ...], more: int) -> AdderGraph:
    """The additions at so many more than the least depth."""
    return optimise(matrix, inputs, depth=least_depth(matrix) + more, seed=SEED)


def measure(name: str) -> list[dict[str, Any]]:
    """Rows of one network, by bound."""
    network = load(name if name in shipped() else NETWORKS / f"{name}.lnn")
    rows = []
    for more in MORE:
        start = process_time()
        made = partial(optimise, seed=SEED) if more is None else partial(bounded, more=more)
        datapath = datapath_of(network, 0, made)
        seconds = process_time() - start
        pipelines = [pipelined(datapath, DEVICE, period_ns=period)[1] for period in PERIODS_NS]
        rows.append(
            {
                "name": name,
                "beyond_least": more,
                "depths": [graph.depth for graph, _ in datapath.layers],
                "carry_bits": sum(graph.bits for graph, _ in datapath.layers),
                "stages": [pipeline.latency for pipeline in pipelines],
                "register_bits": [pipeline.register_bits for pipeline in pipelines],
                "compile_s": round(seconds, 2),
            }
        )
    return rows


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the networks of each bound against no bound."""
    free = {row["name"]: row for row in rows if row["beyond_least"] is None}

    def mean(more: int | None, of: str, at: int | None = None) -> float:
        chosen = [row for row in rows if row["beyond_least"] == more]
        pairs = [(row[of], free[row["name"]][of]) for row in chosen]
        ratios = [here / there if at is None else here[at] / there[at] for here, there in pairs]
        return round(float(np.exp(np.mean(np.log(ratios)))), 4)

    return [
        {
            "beyond_least": more,
            "carry_bits": mean(more, "carry_bits"),
            "register_bits": [mean(more, "register_bits", at) for at in range(len(PERIODS_NS))],
        }
        for more in MORE
    ]


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """The bound that `shallow` takes costs little and saves registers."""
    (used,) = (row for row in figures["against_no_bound"] if row["beyond_least"] == SPARE)
    return {
        "the bound of `shallow` costs at most 2 % carry bits in the mean": used["carry_bits"] <= 1.02,
        "it saves registers at every period": max(used["register_bits"]) < 1,
    }


def main() -> None:
    given = parser_for(__doc__, output="depths").parse_args()
    optimise(np.array([[3, 5]]), [Interval(0, 1)] * 2)  # compiles the search, which is not timed
    rows = [row for name in NAMES for row in finished(given.output / name, measure, name)]
    figures = {"device": DEVICE.name, "periods_ns": PERIODS_NS, "rows": rows, "against_no_bound": summary(rows)}
    write_result("depths", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
