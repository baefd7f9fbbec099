"""Networks for the eight DSP blocks of the icebreaker: rows of weights that the multipliers take in a cycle are pruned
as wholes (Ramhorst et al. 2023, arXiv 2308.05170; jets are of our own simulation, not the paper's).

    python -m train.reuse --network jsc-reuse --data-dir ../shared/data

``jsc-reuse`` classifies jets by 16-64-32-32-5, ``mnist-mlp-reuse`` digits by 784-64-32-10, ``mnist-cnn-reuse`` digits
by two convolutions of 5 x 5 and three dense layers, as LeNet-5 does. All choices are made on one of ten training
samples; the test samples are read once, in the end. Steps are kept in ``--checkpoint``: a run that was interrupted goes
on.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from logicnn.board import boards
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.network import Activations, IntDense, Interval, Network, files
from logicnn.nn import integer
from logicnn.nn.integer.groups import Falling, Plan, Step, accuracy, group_pruned
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import Structure, rows

VALIDATION = 10  # one of so many distinct training samples validates


@dataclass(frozen=True)
class Subject:
    """A network and how it is trained: samples are integers times 2 ** -exponent; epochs as float, with 8-bit weights,
    and of each step of pruning; the tile's neurons and inputs at a time.
    """

    dataset: str
    exponent: int
    net: Callable[[], nn.Sequential]
    tile: tuple[int, int]
    epochs: tuple[int, int, int]
    scheme: integer.Scheme
    learning_rate: float = 3e-3


def _dense(sizes: Sequence[int]) -> list[nn.Module]:
    """Layers with batch norm and ReLU, and a last one."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    return [*layers, nn.Linear(sizes[-2], sizes[-1])]


def _convolved(channels: int, kernels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, kernels, 5, bias=False), nn.BatchNorm2d(kernels), nn.ReLU(), nn.MaxPool2d(2)]


SUBJECTS = {
    "jsc-reuse": Subject(
        "jsc-pythia",
        5,
        lambda: nn.Sequential(*_dense((16, 64, 32, 32, 5))),
        (2, 8),
        (60, 40, 20),
        integer.Scheme(activation_bits=7),  # with the signed input, words of 8 bits
    ),
    "mnist-mlp-reuse": Subject(
        "mnist",
        8,
        lambda: nn.Sequential(nn.Flatten(), *_dense((784, 64, 32, 10))),
        (2, 8),
        (15, 8, 4),
        integer.Scheme(),
    ),
    "mnist-cnn-reuse": Subject(
        "mnist",
        8,
        lambda: nn.Sequential(*_convolved(1, 6), *_convolved(6, 16), nn.Flatten(), *_dense((256, 120, 84, 10))),
        (8, 1),
        (8, 4, 3),
        integer.Scheme(),
    ),
}


def quantised(subject: Subject, data: Dataset, seed: int, epochs: Sequence[int] | None = None) -> integer.QuantNet:
    """The network before pruning: trained as float, then with 8-bit weights."""
    floats, words, _ = epochs or subject.epochs
    train, _ = data.train.without_one_of(VALIDATION)
    torch.manual_seed(seed)
    net = subject.net()
    recipe = integer.Recipe(floats, subject.learning_rate, seed)
    integer.fit(net, _real(train, subject), train.y, integer.class_loss, recipe, "float")
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    made = integer.quantise(net, given, subject.exponent, subject.scheme, torch.from_numpy(train.x[:8192]))
    recipe = replace(recipe, epochs=words, learning_rate=1e-3)
    integer.fit(made, train.x, train.y, integer.class_loss, recipe, "8 bits")
    return made


def _real(train: Split, subject: Subject) -> np.ndarray:
    """Samples as the float network reads them."""
    return train.x.astype(np.float32) * 2.0**-subject.exponent if train.real is None else train.real


def structures_of(network: Network, neurons: int, inputs: int) -> list[Structure]:
    """The rows of every layer on a tile."""
    found = []
    for scan in Reused(network, 0, len(network.layers), neurons, inputs).scans:
        _, *image = scan.weights.shape
        on_image = isinstance(scan.layer, IntDense) and image[1:] != [1, 1]
        found.append(
            rows(
                scan.layer.weights.shape,
                neurons,
                inputs,
                (image[0], image[1], image[2]) if on_image else None,
                scan.positions,
            )
        )
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--network", choices=SUBJECTS, default="jsc-reuse")
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--neurons", type=int, help="at a time (default: as many as suit the network)")
    parser.add_argument("--inputs", type=int, help="of a neuron at a time (default: as many as suit the network)")
    parser.add_argument(
        "--least", type=float, default=0.3, help="share of the cycles in the end (default: %(default)s)"
    )
    parser.add_argument("--fit", metavar="BOARD", help="prune until the weights fit the memory of a board")
    parser.add_argument("--steps", type=int, default=8, help="from all cycles to these (default: %(default)s)")
    parser.add_argument("--epochs", type=int, nargs=3, help="float, 8 bits, and of each step")
    parser.add_argument("--schedule", choices=[each.value for each in Falling], default=Falling.POLYNOMIAL.value)
    parser.add_argument("--measure", choices=[each.value for each in Importance], default=Importance.SALIENCY.value)
    parser.add_argument("--tolerance", type=float, default=0.975, help="accuracy beside the unpruned network's")
    parser.add_argument("--checkpoint", type=Path, help="file that keeps the steps (default: none)")
    parser.add_argument("--output", type=Path, help="(default: the network's name, .lnn)")
    given = parser.parse_args()
    subject = SUBJECTS[given.network]
    given.neurons = subject.tile[0] if given.neurons is None else given.neurons
    given.inputs = subject.tile[1] if given.inputs is None else given.inputs
    given.epochs = given.epochs or subject.epochs
    given.output = given.output or Path(f"{given.network}.lnn")
    if given.neurons < 1:
        parser.error(f"--neurons must be at least 1, not {given.neurons}")
    if given.inputs < 1 or given.inputs & (given.inputs - 1):
        parser.error(f"--inputs must be a power of two, not {given.inputs}")
    return given


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    subject = SUBJECTS[given.network]
    data = datasets.load(subject.dataset, given.data_dir)
    start = time.monotonic()
    train, held = data.train.without_one_of(VALIDATION)
    board = boards.find(given.fit) if given.fit else None
    plan = Plan(
        ("cycle",) if board is None else ("word",),
        Falling(given.schedule),
        given.steps,
        given.least,
        given.epochs[2],
        measure=Importance(given.measure),
        tolerance=given.tolerance,
        seed=given.seed,
    )
    whole = quantised(subject, data, given.seed, given.epochs)
    before = exported(whole, data, given.output.stem)
    engine = Reused(before, 0, len(before.layers), given.neurons, given.inputs)
    most = engine.most_rows(board.device) if board else None
    if most is not None:
        plan = replace(plan, least=share_of(engine, most))
    structures = structures_of(before, given.neurons, given.inputs)

    def said(step: Step) -> None:
        print(json.dumps(asdict(step)), flush=True)

    pruned, steps = group_pruned(whole, structures, plan, train, held, given.checkpoint, said)
    after = exported(pruned, data, given.output.stem)
    engines = [engine, replace(engine, network=after)]
    if most is not None and len(engines[1].program) > most:
        raise LogicnnError(
            f"--fit {given.fit}: its memory has room for {most} rows, but {len(engines[1].program)} are the fewest "
            f"that keep an accuracy of {given.tolerance} of that before; lower --tolerance or train another network"
        )
    files.save(after, given.output)
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


def share_of(engine: Reused, most: int) -> float:
    """The share of its rows that is left, so that they are at most so many with one for every group that is empty."""
    groups = sum(each.groups for each in engine.passes)
    return min(0.99, max(1, most - groups) / len(engine.program))


def exported(net: integer.QuantNet, data: Dataset, name: str) -> Network:
    return replace(integer.export(net, name, data.name, data.classes), preparation=data.preparation)


def right(network: Network, data: Dataset) -> float:
    return float(np.mean(network.evaluate(data.test.x) == data.test.y))


if __name__ == "__main__":
    sys.exit(guarded(main))
