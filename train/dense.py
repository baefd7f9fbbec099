"""What the recipes share: the file that is made of a binarized network."""

import json
from dataclasses import replace
from pathlib import Path

from logicnn.data.dataset import Dataset
from logicnn.engines import Mapping
from logicnn.network import Network, files
from logicnn.nn.binary import BinaryNet, accuracy, export
from logicnn.resources import DEVICES

VALIDATE = "for choices: leave out the last N training samples, and judge on these, not on the test samples"


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
