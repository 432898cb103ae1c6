"""All sessions of one MCP process: opening, taking over, closing."""
