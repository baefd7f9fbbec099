"""Which weights to keep."""
