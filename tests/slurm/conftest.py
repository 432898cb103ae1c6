"""One real cluster for the whole run. Tests leave it as they found it: `cluster` clears jobs and faults after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jlab_tui.adapters.slurm import Slurm

from .cluster import running
from .jobs import clear
from .machines import Cluster, missing


@pytest.fixture(scope="session")
def lasting_cluster() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(f"a real Slurm {reason}")
    with running() as cluster:
        yield cluster


@pytest.fixture
def cluster(lasting_cluster: Cluster) -> Iterator[Cluster]:
    yield lasting_cluster
    clear(lasting_cluster)


@pytest.fixture
def slurm(cluster: Cluster) -> Slurm:
    """The adapter, as a user on the login node has it."""
    return Slurm(cluster.env)


@pytest.fixture(scope="session")
def job_past_its_walltime(lasting_cluster: Cluster) -> str:
    """A job whose walltime is over. Slurm looks every 30 s, so it is started early and asserted on late."""
    job_id = lasting_cluster.run(
        "sbatch", "--parsable", "--job-name=walltime", "--no-requeue", "--wrap=exec sleep 600"
    ).strip()
    lasting_cluster.wait_for_state(job_id, "RUNNING")
    lasting_cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now")
    return job_id
