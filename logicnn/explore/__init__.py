"""A search for networks and their builds, within so many minutes: short trainings of many candidates, long ones of
those that are not beaten, builds of the best (docs/explore.md).
"""
