"""Networks as Amaranth components."""

from logicnn.gateware.adders import ConstantMatrix
from logicnn.gateware.convolution import ConvolutionEngine
from logicnn.gateware.core import Accelerator, Core
from logicnn.gateware.layers import Argmax, BinaryConv2d, BinaryDense, MaxPool2d, Threshold
from logicnn.gateware.popcounts import SharedThresholds

__all__ = [
    "Accelerator",
    "Argmax",
    "BinaryConv2d",
    "BinaryDense",
    "ConstantMatrix",
    "ConvolutionEngine",
    "Core",
    "MaxPool2d",
    "SharedThresholds",
    "Threshold",
]
