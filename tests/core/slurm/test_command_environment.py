"""What of the user's environment reaches the commands that ask and cancel."""

from __future__ import annotations

import pytest

from jlab_tui.core.slurm.command_environment import query_environment


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("SQUEUE_STATES", False),
        ("SQUEUE_FORMAT", False),
        ("SINFO_PARTITION", False),
        ("SCANCEL_INTERACTIVE", False),
        ("SCANCEL_STATE", False),
        ("SCONTROL_ALL", False),
        ("SBATCH_PARTITION", False),
        ("SALLOC_NO_SHELL", False),
        ("SRUN_DEBUG", False),
        ("SLURM_CONF", True),
        ("SLURM_JWT", True),
        ("SLURM_JOB_ID", False),
        ("SLURM_CPU_BIND", False),
        ("SLURM_EXPORT_ENV", False),
        ("SLURM_CLUSTERS", True),
        ("PATH", True),
        ("SQUEUER", True),
    ],
)
def test_no_variable_changes_what_a_command_answers_or_cancels(name: str, is_kept: bool) -> None:
    assert (name in query_environment({name: "x"})) is is_kept


def test_answers_have_one_form_whatever_the_user_prefers() -> None:
    given = query_environment({"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "SLURM_TIME_FORMAT": "relative"})
    assert given == {"LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
