"""Journals on disk, and the bell that wakes dashboards when a journal changes."""
