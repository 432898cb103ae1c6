"""One real cluster for the whole run. Tests leave it as they found it: `cluster` clears jobs and faults after each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jlab_tui.adapters.slurm.commands import Slurm
from tests.project import Project, project_in
from tests.shared import SharedProject, shared

from .cluster import running
from .jobs import clear
from .machines import Cluster, missing


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that Slurm takes although a test wants it refused writes its output to where it was submitted."""
    monkeypatch.chdir(tmp_path)


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
    lasting_cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+2")
    return job_id


@pytest.fixture
def lab(cluster: Cluster, tmp_path: Path) -> Iterator[Project]:
    """A project whose server runs on the cluster; no server yet."""
    with project_in(tmp_path, **lab_env(cluster)) as project:
        yield project


def lab_env(cluster: Cluster, **more: str) -> dict[str, str]:
    """Settings with which a small job fits on a node of the partition `gpu`."""
    return {
        "SLURM_CONF": cluster.env["SLURM_CONF"],
        "JLAB_MCP_RUN_MODE": "slurm",
        "JLAB_MCP_SLURM_PARTITION": "gpu",
        "JLAB_MCP_SLURM_CPUS": "1",
        "JLAB_MCP_SLURM_MEM": "500",
        "JLAB_MCP_EXIT_GRACE_S": "1",
        **more,
    }


@pytest.fixture(scope="module")
def served(lasting_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedProject]:
    """A project with a server on a node, for the tests of one module; they leave it as they found it, but the last."""
    with project_in(tmp_path_factory.mktemp("served"), **lab_env(lasting_cluster)) as project:
        done = project.run("start", "--no-tui", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr + project.logs()
        job_id = project.status_file()["JOB_ID"]
        assert done.stdout.splitlines()[0] == f"SLURM job {job_id} submitted, waiting in queue..."
        assert done.stdout.splitlines()[-1].startswith("JupyterLab ready at https://c")
        with shared(project) as served:
            yield served
