"""One session: the state of its life, and its replay from the journal."""
