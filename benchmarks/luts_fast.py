"""Networks of learned tables by themselves, for speed: placed between registers on an ECP5, no board around them.

    LOGICNN_DATA=../shared/data python -m benchmarks.luts_fast

Reads what `benchmarks.luts_train` trained. Two forms: logic alone, from the registers before it to those behind it, and
with registers after the tables and after every few LUTs (`logicnn.engines.piped`), a sample a cycle. Each netlist is
checked on the 10,000 test images; three seeds of place and route. Takes ten minutes of one core.
"""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bench import checked, own_luts, place, synthesise
from benchmarks.common import RESULTS, finished, parser_for, rounded, write_result
from benchmarks.luts import network_of
from benchmarks.luts_train import FAST, SMALL
from logicnn.bits import from_words
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping, Unrolled
from logicnn.engines.piped import Piped
from logicnn.gateware import Core
from logicnn.network import Network
from logicnn.resources import DEVICES

SEED, SEEDS = 1, (1, 2, 3)
DEVICE = DEVICES["LFE5U-25F"]
ROUTER = "--router", "router2"  # in a fraction of the time of router1
LEVELS = (5,)  # of LUTs between registers, at most
MEGAHERTZ = 150.0  # asked of place and route, and of the slowest clock
MOST_DELAY_NS, LEAST_ACCURACY = 9.0, 0.9
MOST_LATENCY_NS, PIPED_ACCURACY = 40.0, 0.978


def piped(network: Network, levels: int) -> Mapping:
    """The first tables by themselves, since the ways from inputs to them are the longest; then so many LUTs a cycle."""
    first = network.core_start
    return Mapping([Unrolled(network, first, register=True), Piped(network, first + 1, levels=levels)])


def placed(network: Network, mapping: Mapping, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A mapping between registers."""
    netlist = synthesise(Core(mapping), DEVICE, folder)
    test = datasets.load("mnist", data_dir).test
    answers = network.evaluate(test.x)
    width = network.output.interval.word
    vectors = checked(netlist, network.encode(test.x), from_words(answers[:, None], width))
    row = {
        "network": network.name,
        "digest": network.digest(),
        "dataset": "MNIST",
        "device": DEVICE.name,
        "accuracy": float(np.mean(answers == test.y)),
        "tables": sum(len(layer.tables) for layer in network.layers if hasattr(layer, "tables")),
        "inputs": len(network.read_inputs()),
        "vectors": vectors,
        "mismatches": 0,  # the first one ends the run
        "lut4": netlist.cells["LUT4"] - own_luts(width),
        "latency_cycles": mapping.latency.most,
        "seeds": list(SEEDS),
    }
    if not mapping.latency.most:
        into = netlist.places_of_registers("taken")
        delays = [place(DEVICE, folder, seed, 1000 / MOST_DELAY_NS, *ROUTER).delay_into(into) for seed in SEEDS]
        return row | {
            "core_delay_ns": rounded(median(delays)),
            "core_delay_ns_by_seed": [rounded(each) for each in delays],
        }
    clocks = [place(DEVICE, folder, seed, MEGAHERTZ, *ROUTER).clock()[0] for seed in SEEDS]
    return row | {
        "levels": max(each.levels for each in mapping.engines if isinstance(each, Piped)),
        "predicted_registers": mapping.cost(DEVICE).ff,
        "clock_mhz": rounded(median(clocks)),
        "clock_mhz_by_seed": [rounded(each) for each in clocks],
        "latency_ns": rounded(1000 * mapping.latency.most / median(clocks)),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    return {
        "every netlist is equal to its network on the 10,000 test images": all(
            row["mismatches"] == 0 and row["vectors"] == 10_000 for row in figures["rows"]
        ),
        f"logic alone below {MOST_DELAY_NS:g} ns, of at least {LEAST_ACCURACY:.0%}, in the median of seeds": any(
            row["accuracy"] >= LEAST_ACCURACY and row.get("core_delay_ns", MOST_DELAY_NS) < MOST_DELAY_NS
            for row in figures["rows"]
        ),
        f"{MEGAHERTZ:g} MHz and {MOST_LATENCY_NS:g} ns with registers, of at least {PIPED_ACCURACY:.1%}": any(
            row["accuracy"] >= PIPED_ACCURACY
            and row.get("clock_mhz", 0) >= MEGAHERTZ
            and row["latency_ns"] <= MOST_LATENCY_NS
            for row in figures["rows"]
        ),
    }


def main() -> None:
    given = parser_for(__doc__, output="luts_fast", data=True).parse_args()
    datasets.load("mnist", given.data_dir)  # or say at once that it is missing
    trained = json.loads((RESULTS / "luts_train.json").read_text())["runs"]
    rows = []
    for name, levels in [(FAST, None), *((SMALL, each) for each in LEVELS)]:
        network = network_of(name)
        mapping = Mapping([Piped(network, network.core_start, levels=levels)]) if levels else Mapping.unrolled(network)
        folder = given.output / f"{name}-{levels or 'logic'}-{trained[name]['digest'][:16]}"
        row = finished(folder, placed, network, mapping, folder, given.data_dir)
        rows.append(row | {"accuracy_seeds": [each["accuracy"] for each in trained[name]["seeds"]]})
        print(json.dumps(rows[-1]), flush=True)
    figures = {"rows": rows}
    write_result("luts_fast", SEED, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
