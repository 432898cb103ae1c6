"""The environment of Slurm's commands: in the user's, variables stand for options that change what they answer and do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INPUT_VARIABLES: Final = tuple(
    f"S{command}_" for command in ("ALLOC", "BATCH", "CANCEL", "CONTROL", "INFO", "QUEUE", "RUN")
)
"""how the variables of each command begin: a filter of squeue's hides a job, and scancel's make it leave one alone"""
ONE_FORM: Final[Mapping[str, str]] = {"LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
"""environment in which answers have one form: no locale, times as epoch seconds"""


def query_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for every command but sbatch, whose variables are the user's request."""
    kept = {name: value for name, value in env.items() if not name.startswith(INPUT_VARIABLES)}
    return {**kept, **ONE_FORM}
