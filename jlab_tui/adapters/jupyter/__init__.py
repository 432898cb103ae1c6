"""Jupyter over HTTP, WebSocket, and the extension's spool."""
