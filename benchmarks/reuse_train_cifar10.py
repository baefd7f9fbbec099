"""Trains the binarized convolution network of `benchmarks.reuse` for CIFAR-10's images out of JPEG files, as
`benchmarks.reuse_train` does: ``python -m benchmarks.reuse_train_cifar10``.

Its size and epochs are what one core trains with three seeds in an hour and a half, not what is best. Both networks go
to ``benchmarks/networks``.
"""

import sys
from dataclasses import replace

from benchmarks.reuse_train import Case, run
from logicnn.commands.command import guarded
from train.bcnn import PLANS

PICTURES = Case("cifar10-bcnn", "cifar10-jpeg", replace(PLANS["cifar10-jpeg"], fused=True), 0.6)


def main() -> None:
    run(PICTURES, __doc__, "reuse_train_cifar10")


if __name__ == "__main__":
    sys.exit(guarded(main))
