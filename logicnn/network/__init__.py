"""What is computed: layers, exact evaluation, files."""

from logicnn.network.files import load, save, shipped
from logicnn.network.fold import simplify
from logicnn.network.layer import Layer, Neuron, Neurons
from logicnn.network.layers.argmax import Argmax
from logicnn.network.layers.binary import BinaryConv2d, BinaryDense, Offset, Threshold
from logicnn.network.layers.flatten import Flatten
from logicnn.network.layers.integer import Affine, Even, FloatScaled, IntConv2d, IntDense, IntegerLayer, Requantize
from logicnn.network.layers.pool import MaxPool2d
from logicnn.network.layers.slicer import Slicer
from logicnn.network.layers.tables import GroupSum, LutLayer
from logicnn.network.layers.thermometer import Thermometer
from logicnn.network.network import Network
from logicnn.network.preparation import Columns, Picture, Preparation, Quantiles, Standardised
from logicnn.network.values import BIT, Activations, Batch, Integers, Interval, NetworkError, PackedBits

__all__ = [
    "BIT",
    "Activations",
    "Affine",
    "Argmax",
    "Batch",
    "BinaryConv2d",
    "BinaryDense",
    "Columns",
    "Even",
    "Flatten",
    "FloatScaled",
    "GroupSum",
    "IntConv2d",
    "IntDense",
    "IntegerLayer",
    "Integers",
    "Interval",
    "Layer",
    "LutLayer",
    "MaxPool2d",
    "Network",
    "NetworkError",
    "Neuron",
    "Neurons",
    "Offset",
    "PackedBits",
    "Picture",
    "Preparation",
    "Quantiles",
    "Requantize",
    "Slicer",
    "Standardised",
    "Thermometer",
    "Threshold",
    "load",
    "save",
    "shipped",
    "simplify",
]
