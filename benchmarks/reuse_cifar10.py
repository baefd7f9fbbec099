"""As `benchmarks.reuse`, of the network for CIFAR-10's images out of JPEG files: ``python -m
benchmarks.reuse_cifar10``.

The networks of `benchmarks.reuse_train_cifar10` that left-out samples speak for, on the ulx3s. An hour on one core.
"""

import sys

from benchmarks.reuse import run
from benchmarks.reuse_train_cifar10 import PICTURES
from logicnn.commands.command import guarded


def main() -> None:
    run(PICTURES, "reuse_train_cifar10", __doc__, "reuse_cifar10")


if __name__ == "__main__":
    sys.exit(guarded(main))
