"""The engine for kernels pruned to patterns, and the sparse processing engine by itself."""

from logicnn.gateware.sparse.engine import ConvolutionEngine

__all__ = ["ConvolutionEngine"]
