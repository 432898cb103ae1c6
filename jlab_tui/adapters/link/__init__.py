"""Starts and finds the bridges of this login host."""
