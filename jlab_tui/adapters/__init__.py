"""Thin I/O: each module talks to one outside thing. Imports the core only."""
