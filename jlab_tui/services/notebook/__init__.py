"""Keeping a notebook file true to its session."""
