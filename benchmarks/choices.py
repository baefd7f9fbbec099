"""Hyper-parameters of binarized networks, chosen on a part of the training samples: ``python -m benchmarks.choices``.

Every configuration is trained three times without the samples that validate (the last 10,000 of MNIST's training
images, the last 300 of the digits'), and judged on these; test samples are not read. Chosen is the one with the highest
mean. With ``--device cuda --jobs 12`` ten minutes.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from types import ModuleType

import torch

from benchmarks.common import finished, parser_for, write_result
from logicnn.commands.command import guarded
from train import digits_bnn, mnist_bnn

RECIPES: dict[str, ModuleType] = {"mnist-bnn": mnist_bnn, "digits-bnn": digits_bnn}
SEEDS = (1, 2, 3)
HELD_OUT = {"mnist-bnn": 10_000, "digits-bnn": 300}
# Of each network: options of its recipe, the cheapest to train first.
CONFIGURATIONS: dict[str, list[list[str]]] = {
    "mnist-bnn": [
        ["--hidden", *hidden, "--learning-rate", rate, "--epochs", epochs]
        for epochs in ("30", "60")
        for hidden in (("700", "350"), ("1000", "500"), ("1400", "700"))
        for rate in ("0.005", "0.01", "0.02")
    ],
    "digits-bnn": [
        ["--hidden", *hidden, "--learning-rate", rate, "--epochs", epochs]
        for epochs in ("75", "150")
        for hidden in (("100", "50"), ("200", "100"), ("400", "200"))
        for rate in ("0.01", "0.02", "0.04")
    ],
}


def validated(name: str, options: list[str], seed: int, device: str, folder: Path, data_dir: str | None) -> dict:
    """One training, judged on the samples that validate."""
    command = [
        "-m",
        RECIPES[name].__name__,
        *options,
        "--seed",
        str(seed),
        "--validate",
        str(HELD_OUT[name]),
        "--device",
        device,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    data = ["--data-dir", data_dir] if data_dir and name == "mnist-bnn" else []
    done = subprocess.run(
        [sys.executable, *command, "--output", str(folder / f"{name}.lnn"), *data],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    made = json.loads(done.stdout.splitlines()[-1])
    where = torch.cuda.get_device_name() if device.startswith("cuda") else device
    figures = {"accuracy_validation": made["accuracy"], "estimated_lut4": made["estimated_lut4"]}
    return figures | {"device": where, "torch": torch.__version__}


def main() -> None:
    parser = parser_for(__doc__, output="choices", data=True)
    parser.add_argument("--device", default="cpu", help="of torch (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side (default: %(default)s)")
    given = parser.parse_args()

    def trained(name: str, options: list[str], seed: int) -> dict:
        folder = given.output / "-".join([name, *(each.strip("-") for each in options), f"seed{seed}"])
        return finished(folder, validated, name, options, seed, given.device, folder, given.data_dir)

    networks, devices = [], set()
    with ThreadPoolExecutor(given.jobs) as pool:
        futures = {
            (name, tuple(options), seed): pool.submit(trained, name, options, seed)
            for name, configurations in CONFIGURATIONS.items()
            for options in configurations
            for seed in SEEDS
        }
        for name, configurations in CONFIGURATIONS.items():
            rows = []
            for options in configurations:
                made = [futures[name, tuple(options), seed].result() for seed in SEEDS]
                accuracies = [each["accuracy_validation"] for each in made]
                lut4 = [each["estimated_lut4"] for each in made]
                devices |= {f"{each['device']}, torch {each['torch']}" for each in made}
                spread = {"accuracies_validation": accuracies, "mean": mean(accuracies), "deviation": stdev(accuracies)}
                rows.append({"options": " ".join(options)} | spread | {"estimated_lut4": lut4})
                print(json.dumps({"network": name} | rows[-1]), flush=True)
            common = {
                "network": name,
                "validating": HELD_OUT[name],
                "chosen": max(rows, key=lambda row: row["mean"])["options"],
            }
            networks.append(common | {"rows": rows})
    figures = {"trained_on": sorted(devices), "seeds": list(SEEDS), "networks": networks}
    write_result("choices", SEEDS[0], figures, {}, given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
