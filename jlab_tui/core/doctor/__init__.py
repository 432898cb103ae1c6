"""What `jlab-mcp doctor` concludes from facts."""
