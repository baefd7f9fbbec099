"""Training of binarized networks with PyTorch, pruning to a LUT budget, and export to `logicnn.Network`."""

from logicnn.nn.export import export
from logicnn.nn.layers import BinaryNet, ConvNeurons, DenseNeurons, DenseScores, Pool
from logicnn.nn.prune import FanIn, Strength, Total, budget_masks, class_dependence, lut4_of, strength
from logicnn.nn.training import Recipe, accuracy, fit

__all__ = [
    "BinaryNet",
    "ConvNeurons",
    "DenseNeurons",
    "DenseScores",
    "FanIn",
    "Pool",
    "Recipe",
    "Strength",
    "Total",
    "accuracy",
    "budget_masks",
    "class_dependence",
    "export",
    "fit",
    "lut4_of",
    "strength",
]
