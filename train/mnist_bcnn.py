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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.engines.differences import Differences
from logicnn.network import Activations, Interval, Network, files
from logicnn.nn.binary import BinaryNet, ConvNeurons, DenseScores, Pool, Recipe, export, fit
from logicnn.nn.binary.alike import changed, make_alike, settle
from logicnn.resources import DEVICES

THRESHOLD = 128  # a pixel is bit 1 from the middle grey on
CHANNELS = (32, 64, 64)
VALIDATION = 10  # one of so many distinct training samples validates
BATCH = 128


def net_of(data: Dataset, channels: tuple[int, ...], seed: int) -> BinaryNet:
    """Convolutions with padding, each pooled, while there is something to pool; scores of what is left."""
    torch.manual_seed(seed)
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    blocks: list[nn.Module] = []
    before, side = given.shape[0], given.shape[1]
    for each in channels:
        blocks += [ConvNeurons(before, each, 3, padding=1), Pool(2)]
        before, side = each, side // 2
    return BinaryNet(given, [THRESHOLD], [*blocks, DenseScores(before * side * side, len(data.classes))])


def right(network: Network, split: Split) -> float:
    return float(np.mean(network.evaluate(split.x) == split.y))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    parser.add_argument("--channels", type=int, nargs="+", default=CHANNELS, help="kernels of each convolution")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--alike-epochs", type=int, default=15, help="in which kernels are drawn to each other")
    parser.add_argument("--alike", type=float, default=0.1, help="what a difference costs (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("mnist-bcnn.lnn"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("mnist", given.data_dir)
    train, held = data.train.without_one_of(VALIDATION)
    start = time.monotonic()
    net = net_of(data, tuple(given.channels), given.seed).to(given.device)
    recipe = Recipe(given.epochs, given.learning_rate, given.seed, batch=BATCH)
    fit(net, train, recipe, "mnist")
    settle(net, train)
    whole = exported(net, data, given.output.stem)
    before = changed(net)
    if given.alike_epochs:
        recipe = replace(recipe, epochs=given.alike_epochs, learning_rate=given.learning_rate / 2)
        make_alike(net, train, recipe, given.alike, "alike")
        settle(net, train)
    network = exported(net, data, given.output.stem)
    files.save(network, given.output)
    device = DEVICES["iCE40UP5K"]
    engine = Differences.of(network, network.core_start, len(network.layers) - network.core_start, device)
    figures = {
        "file": str(given.output),
        "digest": network.digest(),
        "dataset": data.name,
        "seed": given.seed,
        "validation_accuracy_before": right(whole, held),
        "validation_accuracy": right(network, held),
        "accuracy_before": right(whole, data.test),
        "accuracy": right(network, data.test),
        "changed_before": [round(each, 4) for each in before],
        "changed": [round(each, 4) for each in changed(net)],
        "lanes": engine.lanes,
        "segments": engine.segments,
        "cycles": engine.latency.most,
        "cycles_before": replace(engine, network=whole).latency.most,
        "cycles_plain": replace(engine, reuse=False).latency.most,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(figures))


def exported(net: BinaryNet, data: Dataset, name: str) -> Network:
    return replace(export(net.cpu(), name, data.name, data.classes), preparation=data.preparation)


if __name__ == "__main__":
    sys.exit(guarded(main))
