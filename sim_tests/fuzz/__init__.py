"""Differential fuzzing: random networks in every reading that there is, and damaged files and lines."""
