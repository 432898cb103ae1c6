"""Notebooks in memory: cells, merging with what others wrote, and the outputs of a cell."""
