"""The end of a job's walltime. Asserted last: Slurm looks at walltimes only every 30 s."""

from __future__ import annotations

import pytest

from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.job_end import explain_end
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.terms import JobState

from .jobs import has_ended, job_when

pytestmark = pytest.mark.xdist_group("slurm")


async def test_a_job_past_its_walltime_ends_as_timed_out(slurm: Slurm, job_past_its_walltime: str) -> None:
    job = await job_when(slurm, job_past_its_walltime, has_ended, 60)
    assert job.state is JobState.TIMEOUT
    details = await slurm.details(job.job_id)
    assert isinstance(details, JobDetails) and details.reason == "TimeLimit"
    assert "end of its walltime" in explain_end(job.state, job.job_id).message
