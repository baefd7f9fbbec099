"""Pruning by the groups that hardware has (Ramhorst, Loncar, Constantinides 2023, arXiv 2308.05170): a knapsack says
which to keep, at a budget that falls until the network errs too much.

At each step: train a little without masks but with a group lasso, so that what was pruned may come back and groups
shrink as wholes; choose; train what is kept. A step is accepted where the accuracy on the validation samples is at
least `tolerance` times that before pruning; after `patience` steps that are not, the best one stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from logicnn.data.dataset import Split
from logicnn.errors import LogicnnError
from logicnn.nn.integer.layers import QuantNet
from logicnn.nn.integer.training import Recipe, class_loss, decide, fit
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import Structure, masks_within

__all__ = ["Falling", "Plan", "Step", "accuracy", "curvatures", "group_pruned", "shares"]

SAMPLED = 16384  # samples that slopes are of
AT_ONCE = 512  # of them, where each has slopes of its own


class Falling(Enum):
    """How the budget falls, step by step, as a share of what the whole network uses."""

    CONSTANT = "constant"  # by the same share
    BINARY = "binary"  # by half of what is left, at least 0.01
    POLYNOMIAL = "polynomial"  # fast first: ``(1 - k / steps) ** 3`` above the least


def shares(falling: Falling, steps: int, least: float) -> list[float]:
    """Shares of the whole that the budget is at each step, down to `least`."""
    if steps < 1 or not 0 < least < 1:
        raise LogicnnError(f"steps must be at least 1 and least between 0 and 1, not {steps} and {least}")
    match falling:
        case Falling.CONSTANT:
            return [1 - (1 - least) * step / steps for step in range(1, steps + 1)]
        case Falling.BINARY:
            found = [1.0]
            while len(found) <= steps and found[-1] - least >= 0.01:
                found.append((found[-1] + least) / 2)
            return [*found[1:-1], least]
        case Falling.POLYNOMIAL:
            return [least + (1 - least) * (1 - step / steps) ** 3 for step in range(1, steps + 1)]


@dataclass(frozen=True)
class Plan:
    """How to prune. `resources` are those whose budget falls; `lasso` is what the mean length of all groups, each
    beside its layer's longest, costs in the loss; of each step's `epochs`, `regrowing` are without masks. `together`,
    one knapsack is over all layers; else each layer keeps the same share of its own groups.
    """

    resources: tuple[str, ...]
    falling: Falling = Falling.POLYNOMIAL
    steps: int = 8
    least: float = 0.2
    epochs: int = 20
    regrowing: int = 1
    learning_rate: float = 1e-3
    lasso: float = 0.5
    measure: Importance = Importance.SALIENCY
    tolerance: float = 0.975
    patience: int = 1
    together: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.regrowing < self.epochs:
            raise LogicnnError(f"regrowing must be 0 ... {self.epochs - 1} of the epochs, not {self.regrowing}")
        if not self.resources:
            raise LogicnnError("resources must name at least one")
        shares(self.falling, self.steps, self.least)


@dataclass(frozen=True)
class Step:
    """What a step came to; `accuracy` is on the validation samples."""

    share: float
    budget: dict[str, int]
    used: dict[str, int]
    accuracy: float
    accepted: bool


def group_pruned(
    net: QuantNet,
    structures: Sequence[Structure],
    plan: Plan,
    train: Split,
    held: Split,
    kept: Path | None = None,
    say: Callable[[Step], None] = lambda step: None,
) -> tuple[QuantNet, list[Step]]:
    """The network with as few groups as its accuracy allows, and all steps; `net` stays as it is.

    Where `kept` is a file, each step is kept there, and a run that was interrupted goes on after its last one. Raises
    `LogicnnError` where the file is of another network, other samples or another plan. The steps of a run that goes on
    are those of one that was not interrupted.
    """
    if len(structures) != len(net.layers):
        raise LogicnnError(f"structures must be one for each of {len(net.layers)} layers, not {len(structures)}")
    whole = _used(net, structures)
    unknown = [name for name in plan.resources if name not in whole]
    if unknown:
        raise LogicnnError(f"resources must be of {', '.join(whole)}, not {unknown[0]!r}")
    baseline = accuracy(net, held)
    current, best, steps = net.copy(), net.copy(), []
    identity = [{**_described(plan), "baseline": baseline, "samples": len(train.x)}, whole]
    if kept is not None and kept.exists():
        current, best, steps = _restored(net, kept, identity)
    bad = 0
    for number, share in enumerate(shares(plan.falling, plan.steps, plan.least)):
        if number < len(steps):
            bad += not steps[number].accepted
            continue
        if bad > plan.patience:
            break
        budget = {name: int(share * whole[name]) for name in plan.resources}
        _step(current, structures, plan, share, budget, train, number)
        reached = accuracy(current, held)
        steps.append(Step(share, budget, _used(current, structures), reached, reached >= plan.tolerance * baseline))
        say(steps[-1])
        if steps[-1].accepted:
            best = current.copy()
        else:
            bad += 1
        if kept is not None:
            _keep(kept, identity, current, best, steps)
    return best, steps


def accuracy(net: QuantNet, split: Split) -> float:
    """Of the samples, the share that is decided right."""
    return float(np.mean(decide(net, split.x) == split.y))


def _described(plan: Plan) -> dict[str, object]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in asdict(plan).items()}


def _used(net: QuantNet, structures: Sequence[Structure]) -> dict[str, int]:
    """By groups that are not all zero, over all layers."""
    total: dict[str, int] = {}
    for structure, layer in zip(structures, net.layers, strict=True):
        for name, count in structure.used(layer.integers().detach().numpy()).items():
            total[name] = total.get(name, 0) + count
    return total


def _step(
    net: QuantNet,
    structures: Sequence[Structure],
    plan: Plan,
    share: float,
    budget: Mapping[str, int],
    train: Split,
    number: int,
) -> None:
    groups = [torch.from_numpy(each.group).flatten() for each in structures]
    counts = [each.count for each in structures]

    def lasso() -> Tensor:
        """The mean of all groups' lengths, each in units of its layer's longest at the time."""
        total = torch.zeros(())
        for layer, group, count in zip(net.layers, groups, counts, strict=True):
            squares = torch.zeros(count).index_add(0, group, (layer.weight * layer.mask).flatten() ** 2)
            lengths = (squares + 1e-12).sqrt()
            total = total + (lengths / lengths.detach().max()).sum()
        return total / sum(counts)

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        return class_loss(scores, labels) + plan.lasso * lasso()

    recipe = Recipe(plan.epochs, plan.learning_rate, plan.seed + 100 * number)
    if plan.regrowing:
        for layer in net.layers:
            layer.mask.fill_(1.0)
        fit(net, train.x, train.y, loss, replace(recipe, epochs=plan.regrowing), f"step {number + 1} regrowing")
    weights = [(layer.weight * layer.mask).detach().numpy() for layer in net.layers]
    slopes = None
    if plan.measure is Importance.GRADIENT:
        slopes = _slopes(net, train)
    elif plan.measure is Importance.SALIENCY:
        slopes = curvatures(net, train)
    if plan.together:
        masks = masks_within(budget, structures, weights, plan.measure, slopes)
    else:
        masks = [
            masks_within(
                {name: int(share * each.cost[name].sum()) for name in plan.resources},
                [each],
                [weights[layer]],
                plan.measure,
                None if slopes is None else [slopes[layer]],
            )[0]
            for layer, each in enumerate(structures)
        ]
    for layer, mask in zip(net.layers, masks, strict=True):
        layer.mask.copy_(torch.from_numpy(mask))
    rest = replace(recipe, epochs=plan.epochs - plan.regrowing)
    fit(net, train.x, train.y, loss, rest, f"step {number + 1}, {', '.join(f'{v} {k}' for k, v in budget.items())}")


def _slopes(net: QuantNet, train: Split) -> list[np.ndarray]:
    """Of the loss of the first samples, by each weight."""
    net.zero_grad()
    x, y = torch.from_numpy(train.x[:SAMPLED]).float(), torch.from_numpy(train.y[:SAMPLED].astype(np.int64))
    class_loss(net(x), y).backward()
    found = []
    for layer in net.layers:
        slope = layer.weight.grad
        assert slope is not None
        found.append(slope.numpy().copy())
    net.zero_grad()
    return found


def curvatures(net: QuantNet, train: Split) -> list[np.ndarray]:  # of each layer as its weights
    """What the loss of the first samples is curved by, by each weight: the mean square of single samples' slopes (the
    empirical Fisher information, which the second derivative is at a minimum of log loss).
    """
    names = {id(value): name for name, value in net.named_parameters()}
    weights = {names[id(layer.weight)]: layer.weight.detach() for layer in net.layers}

    def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return class_loss(functional_call(net, weights, (x[None],)), y[None])

    slopes = vmap(grad(loss), in_dims=(None, 0, 0))
    x, y = torch.from_numpy(train.x[:SAMPLED]).float(), torch.from_numpy(train.y[:SAMPLED].astype(np.int64))
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for start in range(0, len(x), AT_ONCE):
        for name, each in slopes(weights, x[start : start + AT_ONCE], y[start : start + AT_ONCE]).items():
            total[name] += (each.detach() ** 2).sum(0)
    return [each.numpy() / len(x) for each in total.values()]


def _keep(kept: Path, identity: list, current: QuantNet, best: QuantNet, steps: Sequence[Step]) -> None:
    """Whole or not at all."""
    state = {
        "identity": identity,
        "current": current.state_dict(),
        "best": best.state_dict(),
        "steps": [asdict(each) for each in steps],
    }
    part = kept.with_suffix(".part")
    torch.save(state, part)
    part.replace(kept)


def _restored(net: QuantNet, kept: Path, identity: list) -> tuple[QuantNet, QuantNet, list[Step]]:
    try:
        state = torch.load(kept, weights_only=True)
        found = [net.copy(), net.copy()]
        same = state["identity"] == identity
        if same:
            for each, name in zip(found, ("current", "best"), strict=True):
                each.load_state_dict(state[name])
        steps = [Step(**each) for each in state["steps"]]
    except Exception as error:  # a damaged file may raise anything
        raise LogicnnError(f"{kept} is no checkpoint of pruning: {error}") from None
    if not same:
        raise LogicnnError(f"{kept} is the checkpoint of another network, plan or data set; remove it to begin anew")
    return found[0], found[1], steps
