"""jlab-mcp: a persistent Jupyter kernel for MCP clients, and a live dashboard of everything it runs."""

__version__ = "1.0.0"
