"""Turns facts into the findings of `jlab-mcp doctor`."""
