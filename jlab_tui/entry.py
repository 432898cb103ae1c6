"""The command `jlab-mcp`: without arguments the relay, which loads little, else a bridge or the command line."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of `jlab-mcp`. Returns the exit code."""
    if not sys.argv[1:]:
        from .relay_process import run_relay

        return run_relay()
    if sys.argv[1] == "--bridge":
        from .bridge_process import run_bridge

        return run_bridge(sys.argv[2:])
    from .cli import main as run_command

    return run_command()
