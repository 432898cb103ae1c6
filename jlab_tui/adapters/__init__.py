"""Thin I/O: one outside thing each. Imports the core only."""
