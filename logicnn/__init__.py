"""Neural networks as FPGA logic: an immutable integer network, its exact value, and the hardware made from it.

>>> network = logicnn.load("mnist-bnn")
>>> labels = network.evaluate(images)
"""

from logicnn.errors import CheckFailed, LogicnnError
from logicnn.network.files import load, save
from logicnn.network.network import Network

__all__ = ["CheckFailed", "LogicnnError", "Network", "load", "save"]

__version__ = "0.1.0"
