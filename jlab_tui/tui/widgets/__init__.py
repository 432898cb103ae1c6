"""Widgets of the dashboard: they render values and post messages."""
