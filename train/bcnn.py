"""Binarized convolution networks whose kernels are alike, for the engine that evaluates each as a difference from the
one before (Gao et al. 2021): for MNIST, or CIFAR-10's images out of JPEG files.

    python -m train.bcnn --data-dir ../shared/data
    python -m train.bcnn --dataset cifar10-jpeg --data-dir ../shared/data --device cuda

Stages of convolutions of 3 x 3, each stage pooled, on pixels in a few bits, and a dense layer. All choices are made on
one of ten training samples; the test samples are read once, in the end.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from logicnn.nn.binary import BinaryNet, ConvNeurons, DenseScores, Pool, Recipe, export
from logicnn.nn.binary.alike import Variety, changed, fit_alike, settle
from logicnn.resources import DEVICES

VALIDATION = 10  # one of so many distinct training samples validates


@dataclass(frozen=True)
class Plan:
    """Kernels of each convolution, stage by stage, and from where on the bits of a pixel are 1; epochs for the class
    alone, and then with kernels drawn to each other by `alike`; what pictures might also look like.

    `fused` is for a processor with bfloat16 and a C++ compiler, and halves the time: sums are of 8 significant bits
    while training, so that those beyond 256 are rounded.
    """

    stages: tuple[tuple[int, ...], ...] = ((32,), (64,), (64,))
    thresholds: tuple[int, ...] = (64, 128, 192)
    epochs: int = 30
    alike_epochs: int = 20
    alike: float = 0.045  # what leaves room on an iCE40UP5K, as tried on left-out digits with fewer epochs
    variety: Variety = field(default_factory=lambda: Variety(moved=1))
    learning_rate: float = 0.005
    batch: int = 128
    seed: int = 1
    fused: bool = False

    def __post_init__(self) -> None:
        if not self.stages or any(not stage or min(stage) < 1 for stage in self.stages):
            raise LogicnnError(f"stages must be of convolutions with at least 1 kernel each, not {self.stages}")
        for name, least in (("epochs", 1), ("alike_epochs", 0), ("alike", 0), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise LogicnnError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise LogicnnError(f"learning_rate must be above 0, not {self.learning_rate}")


PLANS = {
    "mnist": Plan(),
    "cifar10-jpeg": Plan(
        stages=((32,), (64,), (128,)),
        thresholds=(51, 102, 153, 204),
        epochs=36,
        alike_epochs=14,
        variety=Variety(mirrored=True, moved=2),
    ),
}


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
    """Convolutions with padding, each stage pooled, and scores of what is left."""
    torch.manual_seed(plan.seed)
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    if min(given.shape[1:]) >> len(plan.stages) < 1:
        raise LogicnnError(
            f"stages must be fewer than {len(plan.stages)}: each halves pictures of {given.shape[1]} x {given.shape[2]}"
        )
    blocks: list[nn.Module] = []
    before, (rows, columns) = given.shape[0] * len(plan.thresholds), given.shape[1:]
    for stage in plan.stages:
        for each in stage:
            blocks.append(ConvNeurons(before, each, 3, padding=1))
            before = each
        blocks.append(Pool(2))
        rows, columns = rows // 2, columns // 2
    scores = DenseScores(before * rows * columns, len(data.classes))
    return BinaryNet(given, list(plan.thresholds), [*blocks, scores])


def trained(plan: Plan, data: Dataset, train: Split, name: str, device: str = "cpu") -> Trained:
    """From the training samples that are given alone."""

    def exported(net: BinaryNet) -> Network:
        made = replace(export(net.cpu(), name, data.name, data.classes), preparation=data.preparation)
        net.to(device)
        return made

    net = net_of(data, plan).to(device)
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if plan.fused:
        net.classify = torch.compile(net.classify)
    faster = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=plan.fused)
    recipe = Recipe(plan.epochs, plan.learning_rate, plan.seed, batch=plan.batch)
    with faster:
        fit_alike(net, train, recipe, 0.0, name, plan.variety)
    settle(net, train)
    before, changed_before = exported(net), changed(net)
    if plan.alike_epochs:
        recipe = replace(recipe, epochs=plan.alike_epochs, learning_rate=plan.learning_rate / 2)
        with faster:
            fit_alike(net, train, recipe, plan.alike, f"{name}, alike", plan.variety)
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


def stage(text: str) -> tuple[int, ...]:
    """Of the command line: kernels of a stage's convolutions, with commas."""
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers of kernels with commas, as 64,64, not {text!r}") from None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dataset", choices=PLANS, default="mnist", help="(default: %(default)s)")
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    parser.add_argument(
        "--stages", type=stage, nargs="+", metavar="KERNELS", help="of each stage's convolutions: 64,64 128"
    )
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--alike-epochs", type=int, help="with kernels drawn to each other")
    parser.add_argument("--alike", type=float, help="what a difference costs")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--fused", action="store_true", default=None, help="in half the time, with rounded sums")
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="(default: mnist-bcnn.lnn, or cifar10-bcnn.lnn)")
    return parser.parse_args()


def plan_of(given: argparse.Namespace) -> Plan:
    """The data set's plan, with what was given instead."""
    names = ("stages", "epochs", "alike_epochs", "alike", "learning_rate", "seed", "fused")
    changes = {name: value for name in names if (value := getattr(given, name)) is not None}
    return replace(PLANS[given.dataset], **{name: tuple(v) if name == "stages" else v for name, v in changes.items()})


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    plan = plan_of(given)
    output = given.output or Path(f"{given.dataset.removesuffix('-jpeg')}-bcnn.lnn")
    data = datasets.load(given.dataset, given.data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    if not output.resolve().parent.is_dir():
        raise LogicnnError(f"--output must be in a folder that is there, not {output}")
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise LogicnnError(f"--device must be one that is there, not {given.device}")
    start = time.monotonic()
    made = trained(plan, data, train, output.stem, given.device)
    files.save(made.after, output)
    network = made.after
    device, engine = smallest(network)
    figures = {
        "file": str(output),
        "digest": network.digest(),
        "dataset": data.name,
        "seed": plan.seed,
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
