"""The environment of Slurm's commands, without the user's variables that act as options and change the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INPUT_VARIABLES: Final = tuple(
    f"S{command}_" for command in ("ALLOC", "BATCH", "CANCEL", "CONTROL", "INFO", "QUEUE", "RUN")
)
"""prefixes of each command's variables: squeue's can hide a job, and scancel's can spare one"""
ONE_FORM: Final[Mapping[str, str]] = {"LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
"""variables that give answers one form: no locale, times as epoch seconds"""


def query_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for every command but sbatch, whose variables are the user's request."""
    kept = {name: value for name, value in env.items() if not name.startswith(INPUT_VARIABLES)}
    return {**kept, **ONE_FORM}
