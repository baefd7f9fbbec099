"""Yang et al. 2018, Table IV and Figs. 2 and 3: intra-kernel regular pruning of LeNet-5, beside fine-grained pruning,
and of CNN_small.

LeNet-5 on MNIST: the recipe is `train.lenet5_ikr`, whose header says where it differs from the paper. Four prunings of
the same float network at equal density: patterns by coverage, which follow the weights while their number falls (ours,
which also goes to 8 bits); the same chosen once; the paper's choice by summed quality, chosen once; and the strongest
weights of every layer, their number falling, too. Figs. 2 and 3 are of the float network, not retrained, on the
validation images. CNN_small on CIFAR-10 re-encoded as JPEG: the recipe is `train.cnn_small_ikr`, by a schedule for one
core. About two hours and a half on one core; finished stages are kept in the output folder.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import RESULTS, finished, parser_for, write_result
from benchmarks.plots import pyplot, save
from logicnn.commands.command import guarded
from logicnn.data import datasets
from logicnn.data.dataset import Dataset
from logicnn.network import IntConv2d, IntDense, files
from logicnn.nn.integer.patterns import by_patterns, by_strength, mask_weights, proposed_keep, sensitivity
from logicnn.pruning.patterns import LayerPatterns, storage
from logicnn.storage import digest_of
from train import cnn_small_ikr
from train.lenet5_ikr import CHOICES, RULES, VALIDATION, Plan, error_of, exported, floats, lenet5, pruned

SEED = 1
KEEPS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 25)
PATTERNS = (2, 4, 8, 16, 32)  # of Fig. 3
FIG3_LAYER = 1  # the second convolution
RISE = 0.01  # of the validation error, that a layer by itself may bring: what `proposed_keep` is asked for
PUBLISHED = {"error_float": 0.006, "error_pruned": 0.011, "weights": 42_700, "density": 0.10, "computations": 0.138}
Stage = Callable[
    ..., tuple[Path, Any]
]  # of a name, what to measure in a folder, and what that depends on: the folder, and what it gave
CHOICE_NAMES = {choose: name for name, choose in CHOICES.items()}
CNN_PUBLISHED = {"error_float": 0.143, "error_pruned": 0.152, "density": 0.231, "computations": 0.153}
# What one core does in an hour: 5 of the paper's 70 epochs, 3 of its 40 of retraining. The defaults of the recipe are
# the paper's.
CNN_PLAN = cnn_small_ikr.Plan(epochs=5, falling=1, settled=2, quantised=1, dropout=0.0, quantised_samples=10_000)
PLANS = {"learned": Plan(), "once": Plan(learned=0.0), "paper": Plan(choose=CHOICES["summed"], learned=0.0)}


def loaded(path: Path) -> nn.Sequential:
    net = lenet5()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net


def float_stage(data: Dataset, folder: Path) -> dict[str, Any]:
    net = floats(data, SEED, Plan())
    torch.save(net.state_dict(), folder / "float.pt")
    return {"error": error_of(net, data.test), "error_validation": error_of(net, data.held_out(VALIDATION)[1])}


def words_stage(data: Dataset, net: nn.Sequential, folder: Path) -> dict[str, Any]:
    """Our pruning, in 8 bits, too, and what it takes to store."""
    made = pruned(net, data, SEED, PLANS["learned"], by_patterns(RULES, PLANS["learned"].choose), "learned")
    network, error = exported(made, data, SEED, PLANS["learned"])
    files.save(network, folder / "lenet5-ikr.lnn")
    layers = [layer.weights for layer in network.layers if isinstance(layer, IntDense | IntConv2d)]
    return made.figures | {"error_int8": error, "digest": network.digest(), "storage": stored(layers, made.patterns)}


def stored(layers: list[np.ndarray], patterns: list[LayerPatterns]) -> list[dict[str, int]]:
    """Bits of every layer's 8-bit weights."""
    return [
        vars(storage(weights, each, 8)) | {"weights": weights.size}
        for weights, each in zip(layers, patterns, strict=True)
    ]


def cnn_float_stage(data: Dataset, folder: Path) -> dict[str, Any]:
    start, machine = time.monotonic(), cnn_small_ikr.machine_here()
    net = cnn_small_ikr.floats(data, SEED, CNN_PLAN, machine)
    seconds = round(time.monotonic() - start)
    torch.save(net.state_dict(), folder / "float.pt")
    held = data.held_out(cnn_small_ikr.VALIDATION)[1]
    errors = {"error": cnn_small_ikr.error_of(net, data.test), "error_validation": cnn_small_ikr.error_of(net, held)}
    return errors | {"hardware": cnn_small_ikr.described(machine), "seconds": seconds}


def cnn_pruned_stage(data: Dataset, net: nn.Sequential, folder: Path) -> dict[str, Any]:
    start, machine = time.monotonic(), cnn_small_ikr.machine_here()
    made = cnn_small_ikr.pruned(net, data, SEED, CNN_PLAN, machine)
    torch.save(made.net.state_dict(), folder / "pruned.pt")
    return made.figures | {"seconds": round(time.monotonic() - start)}


def cnn_words_stage(data: Dataset, net: nn.Sequential, folder: Path) -> dict[str, Any]:
    start, machine = time.monotonic(), cnn_small_ikr.machine_here()
    network, error = cnn_small_ikr.exported(net, data, SEED, CNN_PLAN, machine)
    files.save(network, folder / "cnn-small-ikr.lnn")
    return {"error": error, "digest": network.digest(), "seconds": round(time.monotonic() - start)}


def sensitivity_stage(data: Dataset, net: nn.Sequential) -> dict[str, Any]:
    """Fig. 2, and the weights a kernel that it proposes."""
    held = data.held_out(VALIDATION)[1]

    def error(each: nn.Module) -> float:
        return error_of(each, held)

    unpruned = error(net)
    curves = sensitivity(net, RULES, [KEEPS] * len(RULES), error)
    return {
        "error_validation": unpruned,
        "layers": [{"keep": list(curve), "error": list(curve.values())} for curve in curves],
        "proposed_keep": [proposed_keep(curve, unpruned, RISE) for curve in curves],
        "rise": RISE,
    }


def fig3_stage(data: Dataset, net: nn.Sequential) -> list[dict[str, Any]]:
    """Fig. 3: the second convolution alone, by how many patterns and weights a kernel."""
    held, rule = data.held_out(VALIDATION)[1], RULES[FIG3_LAYER]
    rows = []
    for name, choose in CHOICES.items():
        for patterns in PATTERNS:
            for keep in (each for each in (1, 2, 3, 4, 6, 8) if patterns <= comb(rule.size, each)):
                rules = [*RULES[:FIG3_LAYER], replace(rule, patterns=patterns), *RULES[FIG3_LAYER + 1 :]]
                tried = [(), (keep,), (), ()]
                (error,) = sensitivity(net, rules, tried, lambda each: error_of(each, held), choose)[
                    FIG3_LAYER
                ].values()
                rows.append(
                    {
                        "choice": name,
                        "patterns": patterns,
                        "keep": keep,
                        "sparsity": 1 - keep / rule.size,
                        "error": error,
                    }
                )
    return rows


def cnn(data: Dataset, stage: Stage) -> dict[str, Any]:
    """The row of CNN_small: float, pruned, in 8 bits."""
    plan = CNN_PLAN
    net = cnn_small_ikr.cnn_small(plan.dropout)
    trained = plan.epochs, plan.rate, plan.dropout, plan.samples
    where, base = stage("cnn-float", lambda folder: cnn_float_stage(data, folder), SEED, *trained)
    net.load_state_dict(torch.load(where / "float.pt", weights_only=True))

    def after() -> tuple[Any, ...]:
        """What a stage that goes on from the network as it is now depends on."""
        return repr(cnn_small_ikr.RULES), SEED, repr(plan), *(each.detach().numpy() for each in net.parameters())

    where, made = stage("cnn-pruned", lambda folder: cnn_pruned_stage(data, net, folder), *after())
    mask_weights(net)
    net.load_state_dict(torch.load(where / "pruned.pt", weights_only=True))
    _, words = stage("cnn-words", lambda folder: cnn_words_stage(data, net, folder), *after())
    return {
        "dataset": "cifar10-jpeg test (10000): CIFAR-10 re-encoded as JPEG, lossy",
        "hardware": base["hardware"],
        "seconds": base["seconds"] + made["seconds"] + words["seconds"],
        "schedule": asdict(plan),
        "weights": made["weights"],
        "density": made["density"],
        "computations": made["computations"],
        "error_float": base["error"],
        "error_float_validation": base["error_validation"],
        "error_pruned": made["error"],
        "error_int8": words["error"],
        "int8_checked_images": cnn_small_ikr.CHECKED,
        "digest": words["digest"],
        "published": CNN_PUBLISHED,
    }


def plots(sensitive: dict[str, Any], counted: list[dict[str, Any]]) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for curve, rule, name in zip(sensitive["layers"], RULES, ("C1", "C2", "FC 800x500", "FC 500x10"), strict=True):
        axes.plot(
            [1 - keep / rule.size for keep in curve["keep"]],
            [100 * each for each in curve["error"]],
            marker="o",
            label=name,
        )
    axes.set(xlabel="sparsity of the layer", ylabel="validation error, % (not retrained)", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    save(figure, RESULTS / "ikr_fig2")
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for panel, choice in zip(panels, CHOICES, strict=True):
        for patterns in PATTERNS:
            rows = [row for row in counted if row["choice"] == choice and row["patterns"] == patterns]
            panel.plot(
                [row["sparsity"] for row in rows],
                [100 * row["error"] for row in rows],
                marker="o",
                label=f"{patterns} patterns",
            )
        panel.set(title=f"patterns by {choice}", xlabel="sparsity of C2", yscale="log")
        panel.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("validation error, % (not retrained)")
    panels[0].legend()
    save(figure, RESULTS / "ikr_fig3")


def required(figures: dict[str, Any]) -> dict[str, bool]:
    """What may be lost by pruning and by 8 bits; CNN_small, with its short training, may be behind the paper's."""
    lenet, small = figures["lenet5"], figures["cnn_small"]
    density = lenet["density_fine_grained"] / lenet["density"]
    return {
        "LeNet-5 keeps at most a tenth of its weights and 13.8 % of its computations": lenet["density"] <= 0.1
        and lenet["computations"] <= 0.138,
        "LeNet-5 errs on at most 0.6 % of the images as floats": lenet["error_float"] <= 0.006,
        "LeNet-5 errs on at most 0.8 % of the images when pruned": lenet["error_pruned"] <= 0.008,
        "LeNet-5 errs on at most 1.2 % of the images in 8 bits": lenet["error_int8"] <= 0.012,
        "our patterns are not behind the paper's choice": lenet["error_pruned"] <= lenet["error_paper_choice"],
        "fine-grained pruning is compared at the same density": 0.99 < density < 1.01,
        "patterns store in fewer bits than indices, these in fewer than all weights": all(
            layer["csp"] < layer["csr"] < layer["dense"] for layer in lenet["storage_bits"]
        ),
        "CNN_small keeps 21.4 % of its weights and 29.5 % of its computations": small["weights"] == 510_848
        and 0.214 < small["density"] < 0.215
        and 0.295 < small["computations"] < 0.296,
        "CNN_small errs on less than 17 % of the images as floats": small["error_float"] < 0.17,
        "CNN_small loses less than a point by pruning and 8 bits": max(small["error_pruned"], small["error_int8"])
        < small["error_float"] + 0.01,
    }


def main() -> None:
    given = parser_for(__doc__, output="ikr", data=True).parse_args()
    torch.set_num_threads(1)  # the order of floating-point sums, and so the result, depends on it
    data = datasets.load("mnist", given.data_dir)

    def stage(name: str, measure: Callable[[Path], Any], *of: Any) -> tuple[Path, Any]:
        """The folder of a stage and what it gave; finished ones are kept by what they depend on."""
        folder = given.output / f"{name}-{digest_of(*of)[:12]}"
        return folder, finished(folder, measure, folder)

    where, base = stage("float", lambda folder: float_stage(data, folder), SEED, Plan.epochs)
    net = loaded(where / "float.pt")
    whole = [each.detach().numpy() for each in net.parameters()]

    def after(plan: Plan) -> tuple[Any, ...]:
        return (repr(RULES), SEED, plan.retrained, plan.quantised, plan.learned, CHOICE_NAMES[plan.choose], *whole)

    shipped, ours = stage("learned", lambda folder: words_stage(data, net, folder), *after(PLANS["learned"]))
    small = cnn(datasets.load("cifar10-jpeg", given.data_dir), stage)
    _, sensitive = stage("sensitivity", lambda _: sensitivity_stage(data, net), repr(RULES), *whole)
    _, counted = stage("patterns", lambda _: fig3_stage(data, net), repr(RULES), *whole)

    def chosen(name: str) -> Any:
        plan = PLANS[name]
        choice = by_patterns(RULES, plan.choose)
        return stage(name, lambda _: pruned(net, data, SEED, plan, choice, name).figures, *after(plan))[1]

    once, paper = chosen("once"), chosen("paper")
    _, fine = stage(
        "fine", lambda _: pruned(net, data, SEED, Plan(), by_strength(RULES), "fine").figures, *after(Plan())
    )
    lenet = {
        "dataset": "mnist test (10000)",
        "weights": ours["weights"],
        "density": ours["density"],
        "computations": ours["computations"],
        "error_float": base["error"],
        "error_pruned": ours["error"],
        "error_int8": ours["error_int8"],
        "error_chosen_once": once["error"],
        "error_paper_choice": paper["error"],
        "error_fine_grained": fine["error"],
        "density_fine_grained": fine["density"],
        "storage_bits": ours["storage"],
        "digest": ours["digest"],
        "published": PUBLISHED,
    }
    figures = {"lenet5": lenet, "cnn_small": small, "sensitivity": sensitive, "patterns": counted}
    write_result("ikr", SEED, figures, required(figures), given=given)
    files.save(files.load(shipped / "lenet5-ikr.lnn"), files.SHIPPED / "lenet5-ikr.lnn")
    plots(sensitive, counted)


if __name__ == "__main__":
    sys.exit(guarded(main))
