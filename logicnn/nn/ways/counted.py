"""Learned tables whose classes are counted one after the other (`logicnn.engines.counted`): of the same cells more are
tables, and an answer takes a few cycles more than there are classes.
"""

from logicnn.engines.counted import Counted
from logicnn.nn.ways.logic import Tables

__all__ = ["WAY"]

WAY = Tables("counted", Counted.row)
