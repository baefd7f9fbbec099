"""Trains the networks that `benchmarks.payra` places, and its baselines: an hour on one core.

    python -m benchmarks.payra_train [NAME ...]

Each network is one run of `train.mnist_bnn`; the commands and what they printed are kept in
``results/payra_train.json``.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import NETWORKS, RESULTS, parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.network.files import SHIPPED

SEED = 1
OTHER_SEEDS = (2, 3)  # of the shipped network, for the spread
RATE = ["--learning-rate", "0.02"]


def _sweep(budget: int) -> list[str]:
    """Hidden layers in proportion to the budget: 0.27 neurons a LUT4, and half as many."""
    first = round(0.27 * budget)
    return [
        "train.mnist_bnn",
        "--hidden",
        str(first),
        str(first // 2),
        "--budget",
        str(budget),
        "--epochs",
        "40",
        *RATE,
    ]


def _fast(fan_in: int, budget: int) -> list[str]:
    """One hidden layer, and three voters a class: scores of two bits, which a single LUT4 compares."""
    fixed = ["--score-fan-in", "3", "--budget", str(budget), "--epochs", "150", *RATE]
    return ["train.mnist_bnn", "--hidden", "200", "--fan-in", str(fan_in), *fixed]


RUNS = {f"payra-{budget:04d}": _sweep(budget) for budget in (400, 700, 1000, 1500, 2200, 3000, 5000)} | {
    "payra-0200": _fast(6, 210),
    "payra-fast": _fast(4, 150),
    "mnist-bnn": ["train.mnist_bnn"],
    "baseline": ["train.mnist_baseline"],
}


def _printed(*command: str) -> dict:
    """What a run of a recipe prints last."""
    done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _accuracy(*command: str, seed: int) -> float:
    """On the test images, of a network that is not kept."""
    with TemporaryDirectory() as folder:
        return _printed(*command, "--seed", str(seed), "--output", f"{folder}/network.lnn")["accuracy"]


def main() -> None:
    parser = parser_for(__doc__, data=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(RUNS)}")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in RUNS]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(RUNS)}, not {unknown[0]!r}")
    kept = RESULTS / "payra_train.json"
    runs = json.loads(kept.read_text())["runs"] if kept.is_file() else {}
    for name in given.names or RUNS:
        file = (SHIPPED if name == "mnist-bnn" else NETWORKS) / f"{name}.lnn"
        output = ["--seed", str(SEED), "--output", str(file.relative_to(Path(__file__).parents[1]))]
        command = RUNS[name] if name == "baseline" else [*RUNS[name], *output]
        data = ["--data-dir", given.data_dir] if given.data_dir else []
        runs[name] = {"command": " ".join(["python -m", *command])} | _printed(*command, *data)
        if name == "mnist-bnn":
            runs[name]["accuracy_of_other_seeds"] = {
                seed: _accuracy(*RUNS[name], *data, seed=seed) for seed in OTHER_SEEDS
            }
        figures = {"dataset": "MNIST (the original files)", "runs": runs}
        write_result("payra_train", SEED, figures, {}, given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
