"""The command `jlab-mcp`: without arguments the relay, which loads little, else the command line."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of `jlab-mcp`. Returns the exit code."""
    if not sys.argv[1:]:
        from .relay_process import run_relay

        return run_relay()
    from .cli import main as run_command

    return run_command()
