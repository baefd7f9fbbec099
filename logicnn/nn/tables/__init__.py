"""Networks of learned tables."""

from logicnn.nn.tables.budget import drawn, within
from logicnn.nn.tables.export import export
from logicnn.nn.tables.layers import Fixed, Groups, Learned, TableNet, Tables, table_net
from logicnn.nn.tables.levels import column_thresholds
from logicnn.nn.tables.teacher import Teacher, taught
from logicnn.nn.tables.training import Recipe, Variety, fit
from logicnn.nn.tables.unseen import without_unseen

__all__ = [
    "Fixed",
    "Groups",
    "Learned",
    "Recipe",
    "TableNet",
    "Tables",
    "Teacher",
    "Variety",
    "column_thresholds",
    "drawn",
    "export",
    "fit",
    "table_net",
    "taught",
    "within",
    "without_unseen",
]
