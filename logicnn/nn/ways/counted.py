"""Learned tables whose classes are counted one after the other (`logicnn.engines.counted`): of the same cells more are
tables, and an answer takes a few cycles more than there are classes.
"""

from logicnn.engines.counted import Counted
from logicnn.nn.ways.logic import Tables

__all__ = ["WAY"]

ROUTED = (
    0.8  # of a device's logic cells: of MNIST, 0.81 of an iCE40UP5K is routed at once, for 0.89 there are no routes
)
WAY = Tables("counted", Counted.row, ROUTED)
