"""Samples: data sets, tables, pictures, simulated ones."""
