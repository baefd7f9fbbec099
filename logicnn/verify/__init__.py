"""Readings of one network against each other."""
