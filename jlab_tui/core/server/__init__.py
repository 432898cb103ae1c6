"""A project's server: its record, observations of it, and the state derived from both."""
