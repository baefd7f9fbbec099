"""How a netlist is checked: one question, whatever the design is."""

from abc import ABC, abstractmethod

import numpy as np

from logicnn.netlist.netlist import Net, Netlist
from logicnn.verify.activity import Activity
from logicnn.verify.vectors import Vectors, Verification

__all__ = ["Check"]


class Check(ABC):
    """Compares the synthesised netlist of a design with the network that it is to compute."""

    @abstractmethod
    def verified(self, netlist: Netlist, vectors: Vectors) -> Verification:
        """The comparison on all vectors; raises `CheckFailed` with the first differing one, the expected and the actual
        value.
        """

    @abstractmethod
    def activity(self, netlist: Netlist, x: np.ndarray) -> Activity:
        """How often nets change for a sample, the mean of some of the inputs x (n, ...)."""

    @abstractmethod
    def layers(self, netlist: Netlist, vectors: Vectors) -> dict[Net, str]:
        """The layers that nets of the netlist belong to, told by some of the inputs; nothing of engines that compute
        several layers by the same logic.
        """
