"""From a trained `BinaryNet` to a `Network`: the integers that compute the same class for every input."""

import numpy as np
import torch

from logicnn.network import (
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    Layer,
    MaxPool2d,
    Network,
    Offset,
    Threshold,
    simplify,
)
from logicnn.network.fold import fold_steps
from logicnn.nn.binary.layers import BinaryNet, ConvNeurons, DenseNeurons, DenseScores, Pool, _Neurons

__all__ = ["export"]


def _threshold(block: _Neurons) -> tuple[np.ndarray, Threshold]:
    """Weights and threshold of a block: its own activation is asked for every reachable sum."""
    fan_in = block.fan_in()
    agreeing = torch.arange(int(fan_in.max()) + 1)
    total = 2 * agreeing.view(-1, 1) - fan_in  # (counts, out)
    fires = block.activate(total.view(*total.shape, *[1] * (block.latent.dim() - 2))).flatten(1) > 0
    minimum, inverted = fold_steps(fires.t().numpy(), fan_in.int().numpy())
    weights = block.weights().numpy().astype(np.int8)
    weights[inverted] *= -1
    return weights, Threshold(minimum)


def export(net: BinaryNet, name: str = "", dataset: str = "", labels: tuple[str, ...] = ()) -> Network:
    """The network that `net` computes in evaluation mode, without its dead neurons.

    Exact for every input: thresholds come from enumerating the sums that a neuron can reach.
    """
    was_training = net.training
    net.eval()
    layers: list[Layer] = [net.thermometer]
    given = net.encoded
    with torch.no_grad():
        for block in net.blocks:
            made: list[Layer] = []
            if isinstance(block, DenseNeurons | DenseScores) and len(given.shape) == 3:
                made.append(Flatten())
            match block:
                case DenseNeurons():
                    made.append(BinaryDense(*_threshold(block)))
                case ConvNeurons():
                    made.append(BinaryConv2d(*_threshold(block), block.stride, block.padding))
                case Pool():
                    made.append(MaxPool2d(block.size))
                case DenseScores():
                    made += [BinaryDense(block.weights().numpy(), Offset(block.offset().numpy())), Argmax()]
                case _:
                    raise TypeError(f"blocks must be those of logicnn.nn, not {type(block).__name__}")
            for layer in made:
                given = layer.infer(given)
            layers += made
    net.train(was_training)
    return simplify(Network(net.given, layers, name, dataset, labels))
