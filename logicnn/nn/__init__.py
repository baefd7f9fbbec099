"""Training with PyTorch, and export to `logicnn.Network`: binarized networks pruned to a LUT budget, and networks of few-bit integers."""

from logicnn.nn.export import export
from logicnn.nn.layers import BinaryNet, ConvNeurons, DenseNeurons, DenseScores, Pool
from logicnn.nn.prune import FanIn, Strength, Total, budget_masks, class_dependence, lut4_of, strength
from logicnn.nn.quantised import Decision, QuantLayer, QuantNet, Scheme, export_words, quantise, restored
from logicnn.nn.substitution import Exchange, exchanged
from logicnn.nn.training import Recipe, accuracy, fit
from logicnn.nn.words import CPU, Course, Machine, Price, choose, class_loss, decide, fit_words, score_loss

__all__ = [
    "CPU",
    "BinaryNet",
    "ConvNeurons",
    "Course",
    "Decision",
    "DenseNeurons",
    "DenseScores",
    "Exchange",
    "FanIn",
    "Machine",
    "Pool",
    "Price",
    "QuantLayer",
    "QuantNet",
    "Recipe",
    "Scheme",
    "Strength",
    "Total",
    "accuracy",
    "budget_masks",
    "choose",
    "class_dependence",
    "class_loss",
    "decide",
    "exchanged",
    "export",
    "export_words",
    "fit",
    "fit_words",
    "lut4_of",
    "quantise",
    "restored",
    "score_loss",
    "strength",
]
