"""LeNet-5 for MNIST under intra-kernel regular pruning (Yang et al. 2018), then in 8 bits.

    python -m train.lenet5_ikr --data-dir ../shared/data

20C5-MP2-50C5-MP2-500FC-10 with the parameters of Table II, 55,000 images for training and 5,000 for validation, 25
epochs and 20 of retraining as in section IV-A. Other than there: images are moved by up to two pixels, turned and
scaled a little (the paper changes contrast and flips), Adam retrains at 1e-3 (the paper: 5e-3), and in the first half
of retraining the weights of a kernel fall to what Table II says, while patterns and assignments follow them (`--choice
summed --permanent` gives the paper's). Writes lenet5-ikr.lnn and prints what each stage is worth.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.network import Activations, Interval, Network, files
from logicnn.nn import integer
from logicnn.nn.integer.patterns import Fit, Prune, Pruned, by_patterns, densities, masks_of, quantised, retrained
from logicnn.pruning.patterns import Choice, Rule, by_coverage, by_summed_quality

RULES = (Rule(25, 2, 8, 6), Rule(25, 10, 8, 3), Rule(25, 10, 16, 2), Rule(25, 5, 16, 2))  # Table II
POSITIONS = (24 * 24, 8 * 8, 1, 1)  # of every kernel of a layer
VALIDATION = 5000
BATCH = 128
CHOICES = {"coverage": by_coverage, "summed": by_summed_quality}


@dataclass(frozen=True)
class Plan:
    """How long each stage takes, in epochs, and how patterns are chosen."""

    epochs: int = 25
    retrained: int = 20
    quantised: int = 5
    choose: Choice = by_coverage
    # The share of retraining in which patterns follow the weights; 0: they are chosen once, as in the paper
    learned: float = 0.5

    @property
    def learning(self) -> int:
        """Epochs in which patterns follow."""
        return round(self.learned * self.retrained)


def lenet5() -> nn.Sequential:
    """Reads images of 28 x 28, (n, 1, 28, 28) in 0 ... 1."""
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten()),
        *(nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


def moved(images: Tensor) -> Tensor:
    """Every image shifted by up to 2 pixels, turned by up to 10 degrees, scaled by up to a tenth."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(10)
    scale = 1 + (torch.rand(count) * 2 - 1) * 0.1
    cosine, sine, shift = torch.cos(angle) * scale, torch.sin(angle) * scale, (torch.rand(count, 2) * 2 - 1) * 2 / 14
    matrix = torch.stack([torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)], 1)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def moved_words(images: Tensor) -> Tensor:
    """As `moved`, of grey levels 0 ... 255 to such."""
    return moved(images).round().clamp(0, 255)


def error_of(net: nn.Module, part: Split) -> float:
    return float(np.mean(integer.decide(net, part.x / np.float32(256)) != part.y))


def floats(data: Dataset, seed: int, plan: Plan) -> nn.Sequential:
    """The network before pruning."""
    train, _ = data.held_out(VALIDATION)
    torch.manual_seed(seed)
    net = lenet5()
    recipe = integer.Recipe(plan.epochs, 1e-3, seed, BATCH, drops={math.ceil(plan.epochs * 0.6): 0.1}, augment=moved)
    integer.fit(net, train.x / np.float32(256), train.y, integer.class_loss, recipe, "float")
    return net


def pruned(net: nn.Sequential, data: Dataset, seed: int, plan: Plan, prune: Prune, title: str) -> Pruned:
    """The network pruned and retrained."""
    train, _ = data.held_out(VALIDATION)
    x, rest = train.x / np.float32(256), plan.retrained - plan.learning

    def fit(recipe: integer.Recipe, title: str) -> Fit:
        return lambda net: integer.fit(net, x, train.y, integer.class_loss, recipe, title)

    falls = [
        fit(integer.Recipe(1, 1e-3, seed + at, BATCH, drops={1: 1.0}, augment=moved), f"{title}, falling")
        for at in range(plan.learning)
    ]
    last = (
        fit(integer.Recipe(rest, 1e-3, seed, BATCH, drops={math.ceil(rest / 2): 0.1}, augment=moved), title)
        if rest
        else None
    )
    made, patterns = retrained(net, prune, falls, last)
    return Pruned(made, patterns, error_of(made, data.test), *densities(masks_of(made), POSITIONS))


def exported(made: Pruned, data: Dataset, seed: int, plan: Plan) -> tuple[Network, float]:
    """The pruned network in 8 bits, and its test error."""
    train, _ = data.held_out(VALIDATION)
    words = quantised(
        made.net, Activations((1, 28, 28), Interval(0, 255)), 8, integer.Scheme(), torch.tensor(train.x[:2048])
    )
    integer.fit(
        words,
        train.x,
        train.y,
        integer.class_loss,
        integer.Recipe(plan.quantised, 3e-4, seed, BATCH, augment=moved_words),
        "8 bits",
    )
    network = replace(integer.export(words, "lenet5-ikr", data.name, data.classes), preparation=data.preparation)
    return network, float(np.mean(network.evaluate(data.test.x) != data.test.y))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data-dir", help="folder that holds mnist/ (default: LOGICNN_DATA)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=Plan.epochs, help="before pruning (default: %(default)s)")
    parser.add_argument(
        "--retrained", type=int, default=Plan.retrained, help="epochs of retraining (default: %(default)s)"
    )
    parser.add_argument(
        "--choice", choices=sorted(CHOICES), default="coverage", help="how patterns are chosen (default: %(default)s)"
    )
    parser.add_argument("--permanent", action="store_true", help="choose patterns once, as in the paper")
    parser.add_argument(
        "--validate",
        action="store_true",
        help=f"for choices: judge on the last {VALIDATION:,} training images, which are not trained on, not on the "
        f"test images",
    )
    parser.add_argument("--output", type=Path, default=Path("lenet5-ikr.lnn"))
    given = parser.parse_args()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("mnist", given.data_dir)
    if given.validate:
        data = replace(data, test=data.held_out(VALIDATION)[1])
    plan = Plan(
        given.epochs, given.retrained, choose=CHOICES[given.choice], learned=0.0 if given.permanent else Plan.learned
    )
    start = time.monotonic()
    net = floats(data, given.seed, plan)
    error_float = error_of(net, data.test)
    made = pruned(net, data, given.seed, plan, by_patterns(RULES, plan.choose), "patterns")
    network, error_int8 = exported(made, data, given.seed, plan)
    files.save(network, given.output)
    figures = {"error_float": error_float, "error_int8": error_int8, "seconds": round(time.monotonic() - start, 1)}
    print(json.dumps(made.figures | figures))


if __name__ == "__main__":
    sys.exit(guarded(main))
