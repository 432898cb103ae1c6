"""One session: its runs, its cells, its kernel."""
