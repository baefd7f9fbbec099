"""A small pruned binarized network for scikit-learn's bundled 8 x 8 digits: trains in under a minute, with no download.

python -m train.digits_bnn
"""

import argparse
import sys
from pathlib import Path

import torch

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.nn.binary import FanIn, Recipe, Total, dense_net, fit
from train.dense import VALIDATE, write

THRESHOLDS = (4, 8, 12)  # of the 17 grey levels
BUDGET = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=(200, 100), help="neurons of the hidden layers before pruning"
    )
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validate", type=int, metavar="N", help=VALIDATE)
    parser.add_argument("--device", default="cpu", help="of torch, e.g. cuda (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("digits-bnn.lnn"))
    given = parser.parse_args()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("digits")
    if given.validate:
        data = data.validating(given.validate)
    rules = [*(FanIn(6) for _ in given.hidden), Total(power=0.4)]
    recipe = Recipe(given.epochs, given.learning_rate, given.seed, batch=100, budget=BUDGET, rules=rules)
    net = dense_net(data, THRESHOLDS, given.hidden, given.seed).to(given.device)
    fit(net, data.train, recipe, f"digits, {BUDGET} LUT4")
    write(net, data, given.output)


if __name__ == "__main__":
    sys.exit(guarded(main))
