"""The server's process and its files."""
