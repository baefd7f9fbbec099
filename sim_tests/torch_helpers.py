"""What tests of training share."""

import numpy as np
import torch
from torch import nn

from logicnn.nn import integer
from sim_tests.helpers import digits

__all__ = ["float_digits"]


def float_digits(hidden: int) -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """A float network of one hidden layer, trained on digits / 8, with its training samples (n, 64) and labels."""
    data = digits()
    x, y = data.train.x.reshape(-1, 64), data.train.y
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(64, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 10))
    integer.fit(net, x / 8, y, integer.class_loss, integer.Recipe(30, 1e-2, 1, batch=128), "float")
    return net, x, y
