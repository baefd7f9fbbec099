"""Binarized convolution networks on lanes, each kernel made of the one before (`logicnn.engines.differences`), beside
the same lanes with every kernel from its beginning: ``python -m benchmarks.reuse``.

The networks of `benchmarks.reuse_train` that left-out samples speak for; `benchmarks.reuse_cifar10` has others. Of each
convolution the operations at all positions of a sample: every synapse of every kernel and its threshold, and what is
left with kernel reuse, constants included; and for comparison the synapses that are left by early decisions as Gao et
al. 2021 take them: one after the other until the answer is certain, pooled positions until one answers 1; and those
where lanes stop together. Whole designs are placed on the icebreaker where its memory has room for their operations,
else on the ulx3s, and compared with the network on all test samples; their energy is `logicnn.verify.energy`'s, without
what memories take. Toggles are those of the ulx3s' netlists, where both programs are in block RAM, over test samples;
what those netlists have as LUT4 and flip-flops is the price of reuse. Ten minutes.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import opened_netlist
from benchmarks.common import NETWORKS, RESULTS, finished, parser_for, write_result
from benchmarks.reuse_train import DIGITS, Case, best
from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.engines import Mapping, MappingError
from logicnn.engines.differences import Differences
from logicnn.flow import tools
from logicnn.flow.build import Options, build
from logicnn.flow.design import designed
from logicnn.flow.progress import Steps
from logicnn.flow.sources import elaborated
from logicnn.network import BinaryConv2d, MaxPool2d, Network, load
from logicnn.verify.cycles import CycleCheck

__all__ = ["early", "engine_of", "network_of", "operations", "run", "together"]

BOARD, LARGER = "icebreaker", "ulx3s"
JUDGED = 200  # test samples whose early decisions are counted
WATCHED = 256  # test samples whose toggles are counted


def engine_of(network: Network, reuse: bool = True) -> Differences:
    """With as many lanes as suit its board with reuse, for both."""
    count = len(network.layers) - network.core_start
    return replace(
        Differences.of(network, network.core_start, count, boards.find(board_of(network)).device), reuse=reuse
    )


def board_of(network: Network) -> str:
    """The icebreaker, or where its memory is too small for the operations the larger board."""
    try:
        Differences.of(network, network.core_start, len(network.layers) - network.core_start, boards.find(BOARD).device)
    except MappingError:
        return LARGER
    return BOARD


def early(layer: BinaryConv2d, x: np.ndarray, pooled: bool) -> float:  # x (n, channels, rows, columns) bool
    """Synapses that are looked at, of a sample, until every answer is certain: position by position."""
    total = 0
    for needed, fires in _decided(layer, x):
        if pooled:
            fires, needed = _blocks(fires), _blocks(needed)
            needed = np.where(np.cumsum(fires, -1) - fires > 0, 0, needed)
        total += int(needed.sum())
    return total / len(x)


def together(layer: BinaryConv2d, x: np.ndarray, pooled: bool, rows: int) -> float:
    """As `early`, where so many rows of positions are counted side by side and stop when all their answers are certain:
    of four that are pooled as soon as one is 1.
    """
    total = 0
    for needed, fires in _decided(layer, x):
        high, wide = needed.shape[1:]
        if pooled:
            high, wide = high // 2 * 2, wide // 2 * 2
            fires, needed = _blocks(fires), _blocks(needed)
            least = np.where(fires, needed, np.iinfo(needed.dtype).max).min(-1)
            answered = np.where(fires.any(-1), least, needed.max(-1))
            needed = answered.reshape(len(x), high // 2, wide // 2).repeat(2, 1).repeat(2, 2)
        starts = np.arange(0, high, rows)
        sizes = np.diff([*starts, high]) * wide
        total += int((np.maximum.reduceat(needed.max(2), starts, axis=1) * sizes).sum())
    return total / len(x)


def _decided(layer: BinaryConv2d, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each kernel after how many synapses an answer is certain, and what it is: both (n, rows, columns)."""
    padded = np.pad(x, [(0, 0), (0, 0), *[(layer.padding, layer.padding)] * 2])
    seen = np.lib.stride_tricks.sliding_window_view(padded, layer.weights.shape[2:], (2, 3))
    seen = seen.transpose(0, 2, 3, 1, 4, 5).reshape(len(x), *seen.shape[2:4], -1)  # ... synapses of a position
    for kernel, level in zip(layer.weights.reshape(len(layer.weights), -1), layer.activation.level, strict=True):
        synapses = np.flatnonzero(kernel)
        count = (seen[..., synapses] == (kernel[synapses] > 0)).cumsum(-1, dtype=np.int16)
        left = len(synapses) - 1 - np.arange(len(synapses))
        certain = (count >= level) | (count + left < level)
        yield certain.argmax(-1) + 1, count[..., -1] >= level  # at the last one each is


def _blocks(values: np.ndarray) -> np.ndarray:  # (n, rows, columns) -> (blocks, 4)
    """Of 2 x 2 positions, without those that fill none."""
    count, rows, columns = values.shape
    even = values[:, : rows // 2 * 2, : columns // 2 * 2].reshape(count, rows // 2, 2, columns // 2, 2)
    return even.swapaxes(2, 3).reshape(-1, 4)


def convolutions(network: Network) -> Iterator[tuple[int, BinaryConv2d, bool]]:
    """Their index, and whether they are pooled."""
    for index, layer in enumerate(network.layers):
        if isinstance(layer, BinaryConv2d):
            yield index, layer, isinstance(network.layers[index + 1], MaxPool2d)


def operations(network: Network, samples: np.ndarray) -> list[dict[str, Any]]:
    """Of each convolution, at all its positions that count."""
    engines = engine_of(network), engine_of(network, reuse=False)
    found = []
    for number, (index, layer, pooled) in enumerate(convolutions(network)):
        given = network.activations[index]
        before = replace(network, layers=network.layers[:index], labels=()).evaluate(samples) if index else samples
        _, rows, columns = network.activations[index + 1].shape
        positions = (rows // 2 * 2) * (columns // 2 * 2) if pooled else rows * columns
        bits = before.reshape(-1, *given.shape).astype(bool)
        reuse, plain = (len(each.passes[number].ops) * positions for each in engines)
        found.append(
            {
                "kernels": len(layer.weights),
                "synapses": int(layer.weights[0].size),
                "positions": positions,
                "operations_plain": plain,
                "operations_reuse": reuse,
                "synapses_early": round(early(layer, bits, pooled)),
                "synapses_together": round(together(layer, bits, pooled, engines[0].passes[number].reads.rows)),
            }
        )
    return found


def placed(network: Network, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A whole design; energy is known of the icebreaker's device alone."""
    board = board_of(network)
    report = build(
        Mapping([engine_of(network)]), boards.find(board), Options(folder, 1, data_dir=data_dir), Steps(quiet=False)
    )
    checked, resources, energy = report.verification, report.resources, report.energy
    assert checked is not None
    return {
        "placed": board,
        "lut": resources.lut4,
        "logic_cells": resources.logic_cells,
        "ff": resources.ff,
        "bram": resources.bram,
        "spram": resources.spram,
        "fmax_mhz": round(report.timing.fmax_mhz, 2),
        "clock_mhz": round(report.timing.clock_mhz, 3),
        "images": checked.vectors,
        "outputs_changed": checked.mismatches,
        "accuracy": checked.accuracy,
        "energy_least_uj": energy and float(f"{energy.least_uj:.3g}"),
        "energy_estimate_uj": energy and float(f"{energy.most_uj:.3g}"),
        "images_per_kj": energy and float(f"{1e9 / energy.most_uj:.3g}"),
    }


def watched(network: Network, samples: np.ndarray, reuse: bool, folder: Path) -> dict[str, Any]:
    """Changes of the accelerator's nets, of a sample, after synthesis for the ulx3s, by those of its parts that have a
    hundredth of them; and the cells of the whole design.
    """
    made = designed(Mapping([engine_of(network, reuse)]), boards.find(LARGER), Options().baud)
    sources, check = elaborated(made), made.check
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in sources.files.items():
        (folder / file).write_bytes(content)
    tools.run(sources.synthesis, folder, "synthesis.log")
    assert isinstance(check, CycleCheck)
    netlist = opened_netlist(folder / "top.json", made.device.family)
    parts = check.activity(netlist, samples).by_part(2, "classifier.accelerator")
    total = sum(parts.values())
    return {
        "toggles": round(total),
        "by_part": {name: round(count) for name, count in parts.items() if count >= total / 100},
        "lut": netlist.cells["LUT4"],
        "ff": netlist.cells["TRELLIS_FF"],
        "bram": netlist.cells["DP16KD"],
    }


def network_of(case: Case, whole: bool) -> Network:
    return load((NETWORKS if whole else case.place) / f"{case.whole if whole else case.name}.lnn")


def measured(case: Case, whole: bool, folder: Path, data_dir: str | None) -> dict[str, Any]:
    """A network's row, but for what training says."""
    network = network_of(case, whole)
    data = datasets.load(network.dataset, data_dir)
    engine, plain = engine_of(network), engine_of(network, reuse=False)
    layers = operations(network, data.test.x[:JUDGED])
    before, left = (sum(each[f"operations_{what}"] for each in layers) for what in ("plain", "reuse"))
    synthesised, plainly = (
        watched(network, data.test.x[:WATCHED], reuse, folder / ("reuse" if reuse else "plain"))
        for reuse in (True, False)
    )
    return {
        "network": network.name,
        "dataset": data.name,
        "lanes": engine.lanes,
        "segments": engine.segments,
        "layers": layers,
        "operations_plain": before,
        "operations_pruned": round(1 - left / before, 4),
        "cycles_min": engine.latency.least,
        "cycles_mean": engine.latency.most,
        "cycles_max": engine.latency.most,
        "cycles_plain": plain.latency.most,
        "speedup": round(plain.latency.most / engine.latency.most, 3),
        "toggle_ratio": round(plainly["toggles"] / synthesised["toggles"], 3),
        "synthesised": synthesised,
        "synthesised_plain": plainly,
        **placed(network, folder / "placed", data_dir),
    }


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """Of the network whose kernels are alike."""
    alike = figures["rows"][-1]
    return {
        "75 % of the operations of convolutions are pruned": alike["operations_pruned"] >= 0.75,
        "2.5 times as many samples a second as without reuse": alike["speedup"] >= 2.5,
        "half of the toggles of a sample": alike["toggle_ratio"] >= 2,
        "no output changes": all(row["outputs_changed"] == 0 for row in figures["rows"]),
    }


def run(case: Case, training: str, doc: str | None, record: str) -> None:
    """Measures a case's networks, whose `training` is a record, and writes another one."""
    given = parser_for(doc, output=record, data=True).parse_args()
    trained = json.loads((RESULTS / f"{training}.json").read_text())["networks"]
    rows = []
    for whole, when in ((True, "before"), (False, "after")):
        folder = given.output / network_of(case, whole).name
        row = finished(folder, measured, case, whole, folder, given.data_dir)
        seeds = [
            {"seed": each["seed"], "accuracy": each[f"accuracy_{when}"], "changed": each[f"changed_{when}"]}
            for each in trained
        ]
        rows.append(row | {"seeds": seeds})
        print(json.dumps(rows[-1]), flush=True)
    write_result(record, best(trained)["seed"], {"rows": rows}, required({"rows": rows}), given=given)


def main() -> None:
    run(DIGITS, "reuse_train", __doc__, "reuse")


if __name__ == "__main__":
    sys.exit(guarded(main))
