"""What the pruned networks are measured against: a float network of the same shape, and the same binarized but not
pruned.

    python -m train.mnist_baseline --data-dir ../shared/data

Prints one JSON object: accuracy (a fraction) and memory (bits of the weights) of each.
"""

import argparse
import json
import sys
from itertools import pairwise

import torch
from torch import Tensor, nn

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.nn.binary import Recipe, accuracy, dense_net, fit
from train.mnist_bnn import HIDDEN, THRESHOLD

FLOAT = Recipe(epochs=20, learning_rate=0.001, seed=1, batch=200)
BINARIZED = Recipe(epochs=30, learning_rate=0.01, seed=1)


class FloatNet(nn.Module):
    """The same layers in 32-bit floats, ReLU for sign: (n, 1, 28, 28) grey levels to logits."""

    def __init__(self, sizes: list[int]):
        super().__init__()
        hidden = [block for a, b in pairwise(sizes[:-1]) for block in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
        self.blocks = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x / 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder that holds mnist/ (default: LOGICNN_DATA)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("mnist", given.data_dir)
    sizes = [data.train.x[0].size, *HIDDEN, len(data.classes)]
    weights = sum(a * b for a, b in pairwise(sizes))
    torch.manual_seed(FLOAT.seed)
    dense = FloatNet(sizes)
    fit(dense, data.train, FLOAT, "float baseline")
    binary = dense_net(data, [THRESHOLD], HIDDEN, BINARIZED.seed)
    fit(binary, data.train, BINARIZED, "binarized, not pruned")
    print(
        json.dumps(
            {
                "shape": sizes,
                "seed": FLOAT.seed,
                "float_accuracy": accuracy(dense, data.test),
                "float_bits": 32 * weights,
                "binarized_accuracy": accuracy(binary, data.test),
                "binarized_bits": weights,
            }
        )
    )


if __name__ == "__main__":
    sys.exit(guarded(main))
