"""`jlab-mcp demo`: the whole product in a story of forty seconds, without an agent and without leaving anything behind.

A process of its own (`player`) plays the agent (`story`) through a real MCP client on a server in a temporary project, and ends
all of it when this process is gone, however that ended. The dashboard, or lines, show it (`showing`).
"""
