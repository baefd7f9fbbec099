"""A small pruned binarized network for scikit-learn's bundled 8 x 8 digits: trains in under a minute, with no download.

python -m train.digits_bnn
"""

import argparse
import sys
from pathlib import Path

import torch

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.nn.binary import FanIn, Recipe, Total, fit
from train.dense import dense_net, write

THRESHOLDS = (4, 8, 12)  # of the 17 grey levels
HIDDEN = (200, 100)
RECIPE = Recipe(
    epochs=150, learning_rate=0.02, seed=1, batch=100, budget=900, rules=[FanIn(6), FanIn(6), Total(power=0.4)]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=Path("digits-bnn.lnn"))
    given = parser.parse_args()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("digits")
    net = dense_net(data, THRESHOLDS, HIDDEN, RECIPE.seed)
    fit(net, data.train, RECIPE, f"digits, {RECIPE.budget} LUT4")
    write(net, data, given.output)


if __name__ == "__main__":
    sys.exit(guarded(main))
