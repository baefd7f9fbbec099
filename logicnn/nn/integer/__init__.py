"""Networks of few-bit integers: quantisation, training, kernels pruned to patterns, weights chosen by their cost,
export.
"""

from logicnn.nn.integer.exchange import Exchange, exchanged
from logicnn.nn.integer.layers import Decision, QuantLayer, QuantNet, Scheme, export, quantise, restored
from logicnn.nn.integer.training import CPU, Cost, Machine, Recipe, choose, class_loss, decide, fit, score_loss

__all__ = [
    "CPU",
    "Cost",
    "Decision",
    "Exchange",
    "Machine",
    "QuantLayer",
    "QuantNet",
    "Recipe",
    "Scheme",
    "choose",
    "class_loss",
    "decide",
    "exchanged",
    "export",
    "fit",
    "quantise",
    "restored",
    "score_loss",
]
