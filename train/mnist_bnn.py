"""A pruned binarized network for MNIST: two hidden layers of neurons with six inputs, within a LUT budget.

    python -m train.mnist_bnn --data-dir ../shared/data

Evidence (seed 1, one thread, about ten minutes): 97.03 % of the 10,000 test images right, 4,109 LUT4 estimated; float
network of the same shape 98.61 %, binarized but not pruned 97.96 % (`train.mnist_baseline`). Seeds 2 and 3: 96.76 and
97.09 % (benchmarks/results/payra_train.json).
"""

import argparse
import sys
from pathlib import Path

import torch

from logicnn.commands.command import guarded
from logicnn.data import datasets, digits
from logicnn.nn.binary import FanIn, Recipe, Strength, Total, dense_net, fit
from train.dense import VALIDATE, write

THRESHOLD = 128  # a pixel is bit 1 from the middle grey on: its most significant bit
HIDDEN = (1000, 500)  # before pruning
INPUT_FLOOR = 0.01  # bits: 302 of the 784 pixels, at the border, say less about the class
FAN_IN = 6  # three LUT4 a neuron


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder that holds mnist/ (default: LOGICNN_DATA)")
    parser.add_argument("--download", action="store_true", help="fetch MNIST into the folder first")
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=HIDDEN, help="neurons of the hidden layers before pruning"
    )
    parser.add_argument(
        "--input-floor", type=float, default=INPUT_FLOOR, help="bits that an input must say of the class"
    )
    parser.add_argument("--fan-in", type=int, default=FAN_IN, help="synapses of every hidden neuron in the end")
    parser.add_argument(
        "--score-fan-in",
        type=int,
        help="exactly so many synapses for every class (default: as many as the budget allows)",
    )
    parser.add_argument("--budget", type=int, default=4400, help="LUT4 of the core, estimated")
    parser.add_argument("--measure", choices=[each.value for each in Strength], default=Strength.MAGNITUDE.value)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validate", type=int, metavar="N", help=VALIDATE)
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("mnist-bnn.lnn"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    folder = datasets.data_folder(given.data_dir)
    if given.download:
        folder = folder or Path("data")
        digits.download_mnist(folder)
    data = datasets.load("mnist", folder)
    if given.validate:
        data = data.validating(given.validate)
    net = dense_net(data, [THRESHOLD], given.hidden, given.seed, biased=given.score_fan_in is None).to(given.device)
    rules = [
        *(FanIn(given.fan_in) for _ in given.hidden),
        FanIn(given.score_fan_in) if given.score_fan_in else Total(power=0.4),
    ]
    recipe = Recipe(
        given.epochs,
        given.learning_rate,
        given.seed,
        budget=given.budget,
        rules=rules,
        measure=Strength(given.measure),
        input_floor=given.input_floor,
    )
    fit(net, data.train, recipe, f"mnist, {given.budget} LUT4")
    write(net, data, given.output)


if __name__ == "__main__":
    sys.exit(guarded(main))
