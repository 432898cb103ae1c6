"""The server of a project: its record, what is observed of it, and the state that follows."""
