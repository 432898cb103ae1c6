"""A cluster that holds jobs to their memory: a kernel that takes too much dies alone, or the whole job does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.project import Project

from .cluster import running
from .machines import Cluster, missing, missing_cgroups

pytestmark = pytest.mark.xdist_group("slurm-jobs")

TAKE = """
taken = []
while True:
    taken.append(b"x" * 10_000_000)
"""
GREEDY_SERVER = """
import os, threading, time
def take():
    while not os.path.exists({trigger!r}):
        time.sleep(0.1)
    taken = []
    while True:
        taken.append(b"x" * 10_000_000)
threading.Thread(target=take, daemon=True).start()
"""
"""the user's own Jupyter configuration: on request, the server, the job's main process, takes too much memory"""


@pytest.fixture
def lasting_cluster() -> Iterator[Cluster]:
    """A cluster of its own, with memory limits."""
    if reason := missing() or missing_cgroups():
        pytest.skip(f"a real Slurm {reason}")
    with running(cgroups=True) as cluster:
        yield cluster


async def test_a_kernel_out_of_memory_dies_alone_and_a_job_out_of_memory_ends_with_that_cause(
    cluster: Cluster, lab: Project
) -> None:
    trigger = lab.home / "take"
    (lab.home / ".jupyter").mkdir()
    config = lab.home / ".jupyter" / "jupyter_server_config.py"
    config.write_text(GREEDY_SERVER.format(trigger=str(trigger)), encoding="utf-8")
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    async with lab.client() as agent:
        assert (await agent.record("check_resources"))["memory"]["total_mb"] == 500
        session = await agent.session("alone")
        died = await agent.text("execute_code", session_id=session, code=TAKE)
        assert died.startswith("Error: KernelDied: ") and "memory" in died, died
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")

        cause = f"Job {job_id} was killed: it used more memory than it asked for."
        waits = f"import time; print('here', flush=True); open({str(trigger)!r}, 'w'); time.sleep(600)"
        said = await agent.text("execute_code", session_id=session, code=waits)
        assert said.startswith("here\n") and cause in said
        ping = await agent.record("ping")
        assert (ping["status"], ping["message"]) == ("ended", cause)
        assert "JLAB_MCP_SLURM_MEM" in ping["hint"]
        assert cause in await agent.error("execute_code", session_id=session, code="1")
    status = lab.run("status")
    assert status.returncode == 1 and cause in status.stdout and "JLAB_MCP_SLURM_MEM" in status.stdout
    finished = [e for e in lab.journal(session) if e["k"] == "finished"]
    assert finished[-1]["status"] == "job_ended"
    cluster.wait_for_state(job_id, "OUT_OF_MEMORY")
