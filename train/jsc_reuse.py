"""The jet classifier 16-64-32-32-5 for the eight DSP blocks of the icebreaker: rows of weights that 16 multipliers take
in a cycle are pruned as wholes (Ramhorst et al. 2023, arXiv 2308.05170; data of our own simulation, not the paper's).

    python -m train.jsc_reuse --data-dir ../shared/data

All choices are made on one of ten training samples; the test samples are read once, in the end. Steps are kept in
``--checkpoint``: a run that was interrupted goes on.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset
from logicnn.engines.reused import Reused
from logicnn.network import Activations, Interval, Network, files
from logicnn.nn import integer
from logicnn.nn.integer.groups import Falling, Plan, Step, accuracy, group_pruned
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import rows
from train.logic_design import JSC, VALIDATION, Design, float_net

HIDDEN = (64, 32, 32)
EPOCHS = (60, 40, 20)  # as float; with 8-bit weights; of each step of pruning
SCHEME = integer.Scheme(activation_bits=7)  # with the signed input, words of 8 bits


def quantised(data: Dataset, seed: int, epochs: Sequence[int] = EPOCHS) -> integer.QuantNet:
    """The network before pruning: trained as float, then with 8-bit weights."""
    train, _ = data.train.without_one_of(VALIDATION)
    design = Design(JSC, HIDDEN, 1.0, 0.0)
    torch.manual_seed(seed)
    net = float_net(design, data.train.x.shape[1])
    recipe = integer.Recipe(epochs[0], design.learning_rate, seed)
    integer.fit(net, train.x if train.real is None else train.real, train.y, JSC.loss, recipe, "float")
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    words = integer.quantise(net, given, JSC.exponent, SCHEME, torch.from_numpy(train.x[:8192]))
    integer.fit(words, train.x, train.y, JSC.loss, replace(recipe, epochs=epochs[1], learning_rate=1e-3), "8 bits")
    return words


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--neurons", type=int, default=2, help="at a time (default: %(default)s)")
    parser.add_argument("--inputs", type=int, default=8, help="of a neuron at a time (default: %(default)s)")
    parser.add_argument("--least", type=float, default=0.3, help="share of the rows in the end (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=8, help="from all rows to these (default: %(default)s)")
    parser.add_argument("--epochs", type=int, nargs=3, default=EPOCHS, help="float, 8 bits, and of each step")
    parser.add_argument("--schedule", choices=[each.value for each in Falling], default=Falling.POLYNOMIAL.value)
    parser.add_argument(
        "--measure",
        choices=[each.value for each in Importance],
        default=Importance.SALIENCY.value,
    )
    parser.add_argument("--tolerance", type=float, default=0.975, help="accuracy beside the unpruned network's")
    parser.add_argument("--checkpoint", type=Path, help="file that keeps the steps (default: none)")
    parser.add_argument("--output", type=Path, default=Path("jsc-reuse.lnn"))
    given = parser.parse_args()
    if given.inputs & (given.inputs - 1):
        parser.error(f"--inputs must be a power of two, not {given.inputs}")
    return given


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load(JSC.dataset, given.data_dir)
    start = time.monotonic()
    train, held = data.train.without_one_of(VALIDATION)
    plan = Plan(
        ("cycle",),
        Falling(given.schedule),
        given.steps,
        given.least,
        given.epochs[2],
        measure=Importance(given.measure),
        tolerance=given.tolerance,
        seed=given.seed,
    )
    sizes = (data.train.x.shape[1], *HIDDEN, len(data.classes))
    structures = [rows((b, a), given.neurons, given.inputs) for a, b in pairwise(sizes)]
    whole = quantised(data, given.seed, given.epochs)

    def said(step: Step) -> None:
        print(json.dumps(asdict(step)), flush=True)

    pruned, steps = group_pruned(whole, structures, plan, train, held, given.checkpoint, said)
    before, after = (exported(each, data, given.output.stem) for each in (whole, pruned))
    files.save(after, given.output)
    engines = [Reused(each, 0, len(each.layers), given.neurons, given.inputs) for each in (before, after)]
    figures = {
        "file": str(given.output),
        "digest": after.digest(),
        "dataset": data.name,
        "seed": given.seed,
        "neurons": given.neurons,
        "inputs": given.inputs,
        "accuracy_before": right(before, data),
        "accuracy_after": right(after, data),
        "validation_accuracy_before": accuracy(whole, held),
        "validation_accuracy_after": accuracy(pruned, held),
        "rows_before": len(engines[0].program),
        "rows_after": len(engines[1].program),
        "cycles_before": engines[0].latency.most,
        "cycles_after": engines[1].latency.most,
        "steps": [asdict(each) for each in steps],
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(figures))


def exported(net: integer.QuantNet, data: Dataset, name: str) -> Network:
    return replace(integer.export(net, name, data.name, data.classes), preparation=data.preparation)


def right(network: Network, data: Dataset) -> float:
    return float(np.mean(network.evaluate(data.test.x) == data.test.y))


if __name__ == "__main__":
    sys.exit(guarded(main))
