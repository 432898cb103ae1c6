"""Writes the command that carries a bridge to its node, and explains why it ended."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..slurm.command_environment import query_environment
from .bridge import BridgeTarget

_GONE = ("Invalid job id", "has expired", "already completing or completed")
"""what srun says of a job that has ended"""
_NOISE = ("srun: Check SLURM_JOB_ID", "srun: Force Terminated", "srun: Job step aborted")
NODE_ENDS = 3
"""exit code of the node's end if nobody serves the socket (`jupyter_extension/bridge_node.py`)"""


def srun_command(target: BridgeTarget, program: Sequence[str], *, overlaps: bool) -> list[str]:
    """Return the command of a step that runs `program` beside the server.

    `overlaps`: srun has --overlap (since Slurm 20.11), without which the step would wait for the server's to end. Without
    --unbuffered nothing arrives before a line ends. It asks for no GPU, which some versions refuse to share.
    """
    return [
        "srun",
        *(["--overlap"] if overlaps else []),
        "--unbuffered",
        f"--jobid={target.job_id}",
        "--nodes=1",
        "--ntasks=1",
        f"--nodelist={target.node}",
        "--mpi=none",
        "--job-name=jlab-mcp",
        "--chdir=/",
        *program,
    ]


@dataclass(frozen=True, slots=True)
class StepEnd:
    """Why a step ended."""

    why: str
    """one line"""
    is_final: bool
    """whether the server itself has ended, so that trying again is pointless"""


def explain_step_end(exit_code: int | None, errors: str, why: str = "") -> StepEnd:
    """Explain the end of a step from what it wrote to stderr; `why`: what its pipe says, if more is not known.

    `exit_code`: None if it did not start.
    """
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_NOISE)] or lines
    said = telling[0] if telling else why or f"exit code {exit_code}"
    is_gone = any(sign in errors for sign in _GONE) or exit_code == NODE_ENDS
    return StepEnd(said[:300].removesuffix("."), is_gone)


def ssh_command(target: BridgeTarget, program: Sequence[str]) -> list[str]:
    """Return the command that runs `program` on the node by its ssh server. Nothing is asked: a bridge has no terminal."""
    return [
        "ssh",
        "-T",
        "-oBatchMode=yes",
        "-oConnectTimeout=10",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=3",
        "-oClearAllForwardings=yes",
        "-oForwardX11=no",
        "-oForwardAgent=no",
        "-oRequestTTY=no",
        "--",
        target.node,
        shlex.join(program),
    ]


def overlaps(help_text: str) -> bool:
    """Return whether srun knows --overlap, by what `srun --help` prints."""
    return "--overlap" in help_text


def link_environment(env: Mapping[str, str], cluster: str) -> dict[str, str]:
    """Return the environment for the command: nothing in it may act as an option of srun, and the job's cluster is named."""
    kept = query_environment(env)
    return {**kept, "SLURM_CLUSTERS": cluster} if cluster else kept
