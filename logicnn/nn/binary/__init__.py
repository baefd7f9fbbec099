"""Binarized networks: layers, training with pruning to a LUT budget, export."""

from logicnn.nn.binary.dense import dense_net
from logicnn.nn.binary.export import export
from logicnn.nn.binary.layers import BinaryNet, ConvNeurons, DenseNeurons, DenseScores, Pool
from logicnn.nn.binary.prune import FanIn, Strength, Total, budget_masks, class_dependence, lut4_of, strength
from logicnn.nn.binary.training import Recipe, accuracy, fit

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
    "dense_net",
    "export",
    "fit",
    "lut4_of",
    "strength",
]
