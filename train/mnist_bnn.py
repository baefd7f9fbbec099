"""A pruned binarized network for MNIST: two hidden layers of neurons with six inputs, within a LUT budget.

    python -m train.mnist_bnn --data-dir ../shared/data
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn

from logicnn import datasets, estimate, files
from logicnn.mapping import Mapping
from logicnn.network import Activations, Interval
from logicnn.nn import BinaryNet, DenseNeurons, DenseScores, FanIn, Recipe, Strength, Total, accuracy, export, fit

THRESHOLD = 128  # a pixel is bit 1 from the middle grey on: its most significant bit
FAN_IN = 6  # three LUT4 a neuron


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder that holds mnist/ (default: LOGICNN_DATA)")
    parser.add_argument("--download", action="store_true", help="fetch MNIST into the folder first")
    parser.add_argument("--hidden", type=int, nargs="+", default=[1000, 500], help="neurons of the hidden layers before pruning")
    parser.add_argument("--fan-in", type=int, default=FAN_IN)
    parser.add_argument("--budget", type=int, default=4000, help="LUT4 of the core, estimated")
    parser.add_argument("--measure", choices=[each.value for each in Strength], default=Strength.MAGNITUDE.value)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=0.015)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("mnist-bnn.lnn"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    if given.download:
        datasets.download_mnist(Path(given.data_dir or "data"))
    data = datasets.load("mnist", given.data_dir or ("data" if given.download else None))
    torch.manual_seed(given.seed)
    sizes = [data.train.x[0].size, *given.hidden]
    net = BinaryNet(Activations(data.train.x.shape[1:], Interval(0, data.highest)), [THRESHOLD],
                    [*(DenseNeurons(a, b) for a, b in zip(sizes, sizes[1:])), DenseScores(sizes[-1], len(data.classes))])  # noqa: B905
    rules = [*(FanIn(given.fan_in) for _ in given.hidden), Total(power=0.5)]
    recipe = Recipe(given.epochs, given.learning_rate, given.seed, budget=given.budget, rules=rules, measure=Strength(given.measure))
    fit(net, data.train, recipe, f"mnist, {given.budget} LUT4")
    network = export(net, given.output.stem, "mnist", data.classes)
    core = estimate.core(Mapping.unrolled(network))
    files.save(network, given.output)
    right = float((network.evaluate(data.test.x) == data.test.y).mean())
    print(json.dumps({"file": str(given.output), "digest": network.digest(), "accuracy": right, "torch_accuracy": accuracy(net, data.test),
                      "estimated_lut4": core.lut4, "inputs": len(network.read_inputs())}))


if __name__ == "__main__":
    main()
