"""Writing a session's journal, and owning it."""
