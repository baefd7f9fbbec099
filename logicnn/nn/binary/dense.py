"""Binarized networks of dense layers."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from logicnn.data.dataset import Dataset
from logicnn.network import Activations, Interval
from logicnn.nn.binary.layers import BinaryNet, DenseNeurons, DenseScores

__all__ = ["dense_net"]


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
