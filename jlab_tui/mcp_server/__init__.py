"""Front end for models: the MCP server over stdio."""
