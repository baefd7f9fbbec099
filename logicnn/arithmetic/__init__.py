"""Constant matrices as shared additions, popcounts, slices of carry chains, retiming."""
