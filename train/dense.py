"""What the recipes share: a binarized network of dense layers, and the file that is made of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from logicnn.data.dataset import Dataset
from logicnn.engines import Mapping
from logicnn.network import Activations, Interval, Network, files
from logicnn.nn.binary import BinaryNet, DenseNeurons, DenseScores, accuracy, export
from logicnn.resources import DEVICES

VALIDATE = "for choices: leave out the last N training samples, and judge on these, not on the test samples"


def dense_net(
    data: Dataset, thresholds: Sequence[int], hidden: Sequence[int], seed: int, biased: bool = True
) -> BinaryNet:
    """A thermometer, hidden layers of binarized neurons, and a score for each class."""
    torch.manual_seed(seed)
    given = Activations(data.train.x.shape[1:], Interval(0, data.highest))
    sizes = [given.size * len(thresholds), *hidden]
    return BinaryNet(
        given,
        thresholds,
        [*(DenseNeurons(a, b) for a, b in pairwise(sizes)), DenseScores(sizes[-1], len(data.classes), biased)],
    )


def write(net: BinaryNet, data: Dataset, output: Path) -> Network:
    """Exports to `output`, named after the file, and prints what it is worth on the test part as one JSON object."""
    net = net.cpu()
    network = replace(export(net, output.stem, data.name, data.classes), preparation=data.preparation)
    files.save(network, output)
    right = float((network.evaluate(data.test.x) == data.test.y).mean())
    print(
        json.dumps(
            {
                "file": str(output),
                "digest": network.digest(),
                "accuracy": right,
                "torch_accuracy": accuracy(net, data.test),
                "estimated_lut4": Mapping.unrolled(network).cost(DEVICES["iCE40UP5K"]).lut4,
                "inputs": len(network.read_inputs()),
            }
        )
    )
    return network
