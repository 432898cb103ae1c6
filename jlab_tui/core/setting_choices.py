"""The words that some settings choose between."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """Where the Jupyter server runs."""

    LOCAL = "local"
    SLURM = "slurm"


class Link(StrEnum):
    """How the server of a job is reached."""

    AUTO = "auto"
    """by its port; where that cannot be reached, without it"""
    TCP = "tcp"
    SRUN = "srun"
    SSH = "ssh"


class OnExit(StrEnum):
    """What happens to the kernels of an MCP server process when it ends."""

    SHUTDOWN = "shutdown"
    """shut down idle ones after the grace period, busy ones after their run if nobody came back"""
    KEEP = "keep"
    KILL = "kill"
