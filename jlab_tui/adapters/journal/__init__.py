"""Journals on disk, and the bell that tells dashboards of news."""
