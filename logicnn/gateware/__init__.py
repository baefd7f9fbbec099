"""Networks as Amaranth components. Every file here is read, as an engine's gateware registers itself: that of a new
engine is one new file here.
"""

from importlib import import_module
from pkgutil import iter_modules

from logicnn.gateware.adders import ConstantMatrix
from logicnn.gateware.core import Accelerator, Core
from logicnn.gateware.shared import SharedThresholds
from logicnn.gateware.sparse import ConvolutionEngine
from logicnn.gateware.unrolled import Argmax, BinaryConv2d, BinaryDense, MaxPool2d, Threshold

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

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
