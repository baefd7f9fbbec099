"""A binarized convolution network for MNIST whose kernels are alike, for the engine that evaluates each as a difference
from the one before (Gao et al. 2021).

    python -m train.mnist_bcnn --data-dir ../shared/data

Three convolutions of 3 x 3, each pooled, on pixels of one bit, and a dense layer. All choices are made on one of ten
training samples; the test samples are read once, in the end.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.engines import MappingError
from logicnn.engines.differences import Differences
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval, Network, files
from logicnn.nn.binary import BinaryNet, ConvNeurons, DenseScores, Pool, Recipe, export, fit
from logicnn.nn.binary.alike import changed, make_alike, settle
from logicnn.resources import DEVICES

THRESHOLD = 128  # a pixel is bit 1 from the middle grey on
VALIDATION = 10  # one of so many distinct training samples validates
BATCH = 128


@dataclass(frozen=True)
class Plan:
    """Kernels of each convolution; epochs for the class alone, and then with kernels drawn to each other by `alike`."""

    channels: tuple[int, ...] = (32, 64, 64)
    epochs: int = 30
    alike_epochs: int = 15
    alike: float = 0.1
    learning_rate: float = 0.005
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise LogicnnError(f"channels must be at least 1 of each convolution, not {self.channels}")
        for name, least in (("epochs", 1), ("alike_epochs", 0), ("alike", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise LogicnnError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise LogicnnError(f"learning_rate must be above 0, not {self.learning_rate}")


@dataclass(frozen=True)
class Trained:
    """Networks before and after kernels were made alike, and the fractions of synapses that change from kernel to
    kernel.
    """

    before: Network
    after: Network
    changed_before: Sequence[float]
    changed_after: Sequence[float]


def net_of(data: Dataset, plan: Plan) -> BinaryNet:
    """Convolutions with padding, each pooled, and scores of what is left."""
    torch.manual_seed(plan.seed)
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    if min(given.shape[1:]) >> len(plan.channels) < 1:
        raise LogicnnError(
            f"channels must be of fewer convolutions than {len(plan.channels)}: each halves pictures of {given.shape}"
        )
    blocks: list[nn.Module] = []
    before, side = given.shape[0], given.shape[1]
    for each in plan.channels:
        blocks += [ConvNeurons(before, each, 3, padding=1), Pool(2)]
        before, side = each, side // 2
    return BinaryNet(given, [THRESHOLD], [*blocks, DenseScores(before * side * side, len(data.classes))])


def trained(plan: Plan, data: Dataset, train: Split, name: str, device: str = "cpu") -> Trained:
    """From the training samples that are given alone."""

    def exported(net: BinaryNet) -> Network:
        made = replace(export(net.cpu(), name, data.name, data.classes), preparation=data.preparation)
        net.to(device)
        return made

    net = net_of(data, plan).to(device)
    recipe = Recipe(plan.epochs, plan.learning_rate, plan.seed, batch=BATCH)
    fit(net, train, recipe, name)
    settle(net, train)
    before, changed_before = exported(net), changed(net)
    if plan.alike_epochs:
        recipe = replace(recipe, epochs=plan.alike_epochs, learning_rate=plan.learning_rate / 2)
        make_alike(net, train, recipe, plan.alike, f"{name}, alike")
        settle(net, train)
    return Trained(before, exported(net), changed_before, changed(net))


def smallest(network: Network) -> tuple[str, Differences]:
    """The first of two devices that has memory for its operations, and the engine there."""
    small, large = "iCE40UP5K", "LFE5U-85F"
    count = len(network.layers) - network.core_start
    try:
        return small, Differences.of(network, network.core_start, count, DEVICES[small])
    except MappingError:
        return large, Differences.of(network, network.core_start, count, DEVICES[large])


def right(network: Network, split: Split) -> float:
    return float(np.mean(network.evaluate(split.x) == split.y))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    plan = Plan()
    parser.add_argument("--channels", type=int, nargs="+", default=plan.channels, help="kernels of each convolution")
    parser.add_argument("--epochs", type=int, default=plan.epochs)
    parser.add_argument("--alike-epochs", type=int, default=plan.alike_epochs, help="with kernels drawn to each other")
    parser.add_argument(
        "--alike", type=float, default=plan.alike, help="what a difference costs (default: %(default)s)"
    )
    parser.add_argument("--learning-rate", type=float, default=plan.learning_rate)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("mnist-bcnn.lnn"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("mnist", given.data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    if not given.output.resolve().parent.is_dir():
        raise LogicnnError(f"--output must be in a folder that is there, not {given.output}")
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise LogicnnError(f"--device must be one that is there, not {given.device}")
    start = time.monotonic()
    plan = Plan(tuple(given.channels), given.epochs, given.alike_epochs, given.alike, given.learning_rate, given.seed)
    made = trained(plan, data, train, given.output.stem, given.device)
    files.save(made.after, given.output)
    network = made.after
    device, engine = smallest(network)
    figures = {
        "file": str(given.output),
        "digest": network.digest(),
        "dataset": data.name,
        "seed": given.seed,
        "validation_accuracy_before": right(made.before, held),
        "validation_accuracy": right(network, held),
        "accuracy_before": right(made.before, data.test),
        "accuracy": right(network, data.test),
        "changed_before": [round(each, 4) for each in made.changed_before],
        "changed": [round(each, 4) for each in made.changed_after],
        "device": device,
        "lanes": engine.lanes,
        "segments": engine.segments,
        "cycles": engine.latency.most,
        "cycles_before": replace(engine, network=made.before).latency.most,
        "cycles_plain": replace(engine, reuse=False).latency.most,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(guarded(main))
