"""The nine networks of Xu et al. 2023, Table I: float, then 8-bit and pruned, then with few weights that are cheap as
logic, then with what shared additions make anyway.

    python -m train.logic_design --network jsc-a --data-dir ../shared/data

Shapes are the paper's; the data are not (its optical link is not public, of the other two only stand-ins are at hand):
jets simulated with Pythia (`jsc-pythia`), one file of UNSW-NB15 in an encoding and a split of our own (`nid-82332`), a
simulated optical link (`ofc-sim`). Writes NAME-quantised.lnn (8 bits, pruned), NAME-constants.lnn (weights cheap by
themselves, as in the paper, and trimmed sums) and NAME.lnn (weights cheap in the shared graph, too), and prints what
they are worth.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from logicnn.arithmetic.weight_costs import selected
from logicnn.commands.command import guarded
from logicnn.data import datasets, fibre
from logicnn.data.dataset import Dataset, Split
from logicnn.network import Activations, IntDense, Interval, Network, files
from logicnn.network.widths import trimmed
from logicnn.nn import integer
from logicnn.nn.integer.training import Loss

VALIDATION = 10  # one of so many distinct training samples validates: never trained on, never a test sample


@dataclass(frozen=True)
class Task:
    """A data set, what is minimised on it, and how good a decision is: an error rate, lower is better."""

    dataset: str
    exponent: int  # samples are integers times 2 ** -exponent
    loss: Loss
    outputs: int
    thresholds: tuple[float, ...] = ()
    bits: bool = False  # the error is of bits, not of decisions
    outliers: float = 1e-4  # the share of a neuron's sums on the training samples that its width may leave out

    def error(self, decided: np.ndarray, labels: np.ndarray) -> float:
        return fibre.bit_errors(decided, labels) if self.bits else float(np.mean(decided != labels))


@dataclass(frozen=True)
class Design:
    """A network's hidden layers and how it is trained.

    With few weights it may err `tolerance` more on the validation samples. Weights that the shared graph makes are
    found from few samples and fit only biases: with them it may err `rise` more on all training samples, a steadier
    measure of a small difference.
    """

    task: Task
    hidden: tuple[int, ...]
    density: float
    tolerance: float
    epochs: tuple[int, int, int] = (40, 50, 30)  # float; quantised and pruned; with chosen weights
    learning_rate: float = 3e-3
    cost: float = 0.02
    rise: float | None = 0.003  # None: weights stay as they were chosen


JSC = Task("jsc-pythia", 5, integer.class_loss, 5)
NID = Task("nid-82332", 0, integer.class_loss, 1, (0.0,))
OFC = Task(
    "ofc-sim", 5, integer.score_loss(fibre.LEVELS), 1, (-2.0, 0.0, 2.0), bits=True, outliers=0.0
)  # a share of 1e-4 of every neuron would count beside its error rate
DESIGNS = {
    "ofc-a": Design(OFC, (40, 25), 0.4, 1e-4, rise=1e-4),
    "ofc-b": Design(OFC, (50, 25), 0.4, 1e-4, rise=1e-4),
    "ofc-c": Design(OFC, (50, 50), 0.4, 1e-4, rise=1e-4),
    "jsc-a": Design(JSC, (64, 16, 16, 8), 0.3, 0.001, (40, 60, 50)),
    "jsc-b": Design(JSC, (64, 32, 32, 32), 0.25, 0.001, (40, 60, 50)),
    "jsc-c": Design(JSC, (64, 48, 48, 32), 0.2, 0.001, (40, 60, 50)),
    "nid-a": Design(NID, (20,), 0.1, 0.002, (60, 100, 60)),
    "nid-b": Design(NID, (20, 20), 0.1, 0.002, (60, 100, 60)),
    "nid-c": Design(NID, (25, 25), 0.1, 0.002, (60, 100, 60)),
}


@dataclass(frozen=True)
class Trained:
    """The stages of a design, with their errors on the test samples."""

    float_error: float
    quantised: Network
    quantised_error: float
    constants: Network
    constants_error: float
    selected_weights: int  # that `constants` may use
    proposed: Network
    proposed_error: float
    untrimmed_error: float  # of the proposed network before its sums were trimmed
    seconds: float

    @property
    def figures(self) -> dict[str, float]:
        """What the stages are worth: errors on the test samples, and shares of the weights that are not 0."""
        names = (
            "float_error",
            "quantised_error",
            "constants_error",
            "selected_weights",
            "proposed_error",
            "untrimmed_error",
        )
        shares = {f"density_{stage}": density(getattr(self, stage)) for stage in ("quantised", "constants", "proposed")}
        return {name: getattr(self, name) for name in names} | shares | {"seconds": round(self.seconds, 1)}


def float_net(design: Design, inputs: int) -> nn.Sequential:
    """Dense layers, each with batch norm and ReLU, and a last one."""
    sizes = [inputs, *design.hidden]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    layers.append(nn.Linear(sizes[-1], design.task.outputs))
    return nn.Sequential(*layers, *([integer.Decision(design.task.thresholds)] if design.task.thresholds else []))


def _error(net: integer.QuantNet, design: Design, split: Split) -> float:
    return design.task.error(integer.decide(net, split.x, design.task.thresholds), split.y)


def density(network: Network) -> float:
    """Weights that are not 0 among all."""
    weights = [layer.weights for layer in network.layers if isinstance(layer, IntDense)]
    return float(sum(np.count_nonzero(each) for each in weights) / sum(each.size for each in weights))


def densities(design: Design) -> list[float]:
    """Of every layer; the last has few weights, which all stay: a hidden neuron that it does not read is lost."""
    return [design.density] * len(design.hidden) + [1.0]


def _chosen(
    net: integer.QuantNet, design: Design, train: Split, held: Split, seed: int, counts: Sequence[int]
) -> tuple[integer.QuantNet, int]:
    """The first count of weights with which the error on the held samples comes within the tolerance (section III-C),
    or the last.
    """
    limit = _error(net, design, held) + design.tolerance
    recipe = integer.Recipe(design.epochs[2], design.learning_rate / 3, seed, cost=integer.Cost(design.cost))
    tried = net
    for count in counts:
        tried = net.copy()
        integer.choose(tried, selected(count))
        integer.fit(tried, train.x, train.y, design.task.loss, recipe, f"{count} weights")
        if _error(tried, design, held) <= limit:
            return tried, count
    return tried, counts[-1]


def train(
    name: str,
    data: Dataset,
    seed: int,
    counts: Sequence[int] = tuple(range(40, 130, 10)),
    design: Design | None = None,
    plan: integer.Exchange | None = None,
) -> Trained:
    """All stages of a design from scratch."""
    start = time.monotonic()
    design = design or DESIGNS[name]
    task, loss = design.task, design.task.loss
    train, held = data.train.without_one_of(VALIDATION)
    torch.manual_seed(seed)
    net = float_net(design, data.train.x.shape[1])
    real = train.x if train.real is None else train.real
    integer.fit(net, real, train.y, loss, integer.Recipe(design.epochs[0], design.learning_rate, seed), f"{name} float")
    test = data.test.x if data.test.real is None else data.test.real
    float_error = task.error(integer.decide(net, test, task.thresholds), data.test.y)
    given = Activations(data.train.x.shape[1:], Interval(data.lowest, data.highest))
    words = integer.quantise(net, given, task.exponent, integer.Scheme(), torch.from_numpy(train.x[:8192]))
    recipe = integer.Recipe(design.epochs[1], design.learning_rate, seed, density=densities(design))
    integer.fit(words, train.x, train.y, loss, recipe, f"{name} 8 bits, pruned")
    quantised = replace(
        integer.export(words, f"{name}-quantised", data.name, data.classes), preparation=data.preparation
    )
    chosen, count = _chosen(words, design, train, held, seed, counts)
    few = replace(integer.export(chosen, name, data.name, data.classes), preparation=data.preparation)
    return completed(design, data, float_error, quantised, few, count, plan or integer.Exchange(seed), start)


def completed(
    design: Design,
    data: Dataset,
    float_error: float,
    quantised: Network,
    few: Network,
    count: int,
    plan: integer.Exchange,
    start: float,
) -> Trained:
    """The last stage: weights of the shared graph, and trimmed sums; `few` is the network of so many weights,
    `count`.
    """
    task = design.task
    train, _ = data.train.without_one_of(VALIDATION)

    def error(network: Network, split: Split = data.test) -> float:
        return task.error(network.evaluate(split.x), split.y)

    exported = few
    if design.rise is not None:
        limit = error(few, data.train) + design.rise
        exported = integer.exchanged(
            few, train.x, train.y, task.loss, lambda network: error(network, data.train), limit, plan
        )
    constants = trimmed(replace(few, name=f"{few.name}-constants"), train.x, task.outliers)
    proposed = trimmed(exported, train.x, task.outliers)
    return Trained(
        float_error,
        quantised,
        error(quantised),
        constants,
        error(constants),
        count,
        proposed,
        error(proposed),
        error(exported),
        time.monotonic() - start,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--network", choices=sorted(DESIGNS), required=True)
    parser.add_argument("--data-dir", help="folder of data sets (default: LOGICNN_DATA)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--density", type=float, help="share of the weights that are kept (default: the design's)")
    parser.add_argument("--cost", type=float, help="weight of the cost of constants (default: the design's)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the network files (default: this one)")
    given = parser.parse_args()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    design = DESIGNS[given.network]
    design = replace(
        design, density=given.density or design.density, cost=design.cost if given.cost is None else given.cost
    )
    data = datasets.load(design.task.dataset, given.data_dir)
    result = train(given.network, data, given.seed, design=design)
    given.output.mkdir(parents=True, exist_ok=True)
    for network in (result.quantised, result.constants, result.proposed):
        files.save(network, given.output / f"{network.name}.lnn")
    print(json.dumps({"network": given.network, "dataset": data.name} | result.figures))


if __name__ == "__main__":
    sys.exit(guarded(main))
