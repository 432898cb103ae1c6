"""jlab-mcp: a persistent Jupyter kernel for MCP clients, and a live dashboard of everything it runs."""

__version__ = "0.1.0"
