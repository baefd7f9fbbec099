"""The engine for kernels pruned to patterns."""

from logicnn.engines.sparse.engine import Sparse
from logicnn.engines.sparse.kernels import SparseError
from logicnn.engines.sparse.plan import Plan, Tile, planned
from logicnn.engines.sparse.selectors import Selection

__all__ = ["Plan", "Selection", "Sparse", "SparseError", "Tile", "planned"]
