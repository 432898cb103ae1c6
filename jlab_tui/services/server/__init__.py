"""The server of a project: starting, stopping, looking at it."""
