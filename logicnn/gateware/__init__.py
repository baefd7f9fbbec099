"""Networks as Amaranth components."""

from logicnn.gateware.core import Accelerator, Core
from logicnn.gateware.layers import Argmax, BinaryConv2d, BinaryDense, MaxPool2d, Threshold

__all__ = ["Accelerator", "Argmax", "BinaryConv2d", "BinaryDense", "Core", "MaxPool2d", "Threshold"]
