"""The environment of Slurm's commands, without the user's variables that act as options and change the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INPUT_VARIABLES: Final = tuple(
    f"S{command}_" for command in ("ALLOC", "BATCH", "CANCEL", "CONTROL", "INFO", "QUEUE", "RUN")
)
"""prefixes of each command's variables: squeue's can hide a job, and scancel's can spare one"""
KEPT: Final = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
"""of the variables that Slurm gives each job, and that srun takes for options: those that lead to the controller"""
ONE_FORM: Final[Mapping[str, str]] = {"LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
"""variables that give answers one form: no locale, times as epoch seconds"""


def query_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for every command but sbatch, whose variables are the user's request."""
    dropped = (*INPUT_VARIABLES, "SLURM_")
    kept = {name: value for name, value in env.items() if name in KEPT or not name.startswith(dropped)}
    return {**kept, **ONE_FORM}
