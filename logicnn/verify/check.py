"""How a netlist is checked: one question, whatever the design is."""

from abc import ABC, abstractmethod

from logicnn.netlist.netlist import Netlist
from logicnn.verify.vectors import Vectors, Verification

__all__ = ["Check"]


class Check(ABC):
    """Compares the synthesised netlist of a design with the network that it is to compute."""

    @abstractmethod
    def verified(self, netlist: Netlist, vectors: Vectors) -> Verification:
        """The comparison on all vectors; raises `CheckFailed` with the first differing one, the expected and the actual
        value.
        """
