"""What stays of a job whose client has left, and a job that its user lets end itself, on a real Slurm."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.project import Project, until

from .conftest import lab_env
from .machines import Cluster

pytestmark = pytest.mark.xdist_group("slurm-jobs")

SETTING = "JLAB_MCP_IDLE_END_H=0.006"


async def test_a_job_keeps_its_kernels_and_ends_itself_once_nothing_uses_it_and_says_why(
    cluster: Cluster, lab: Project
) -> None:
    name, _, hours = SETTING.partition("=")
    lab.extra_env |= {name: hours, "JLAB_MCP_SLURM_GRES": "none", "JLAB_MCP_SLURM_PARTITION": "cpu"}
    lab.extra_env["JLAB_MCP_EXIT_GRACE_S"] = ""
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    ended = f"It ended after 0.006 idle hours ({SETTING})."
    step = ["srun", "--overlap", f"--jobid={job_id}", "--job-name=mine", "sleep", "600"]
    where = {**lab_env(cluster), "PATH": lab.env["PATH"]}
    with subprocess.Popen(step, env=where, stderr=subprocess.DEVNULL) as mine:
        try:
            async with lab.client() as agent:
                session = await agent.session()
                await agent.text("execute_code", session_id=session, code="x = 41")
            async with lab.client() as agent:
                (kept,) = (await agent.record("ping"))["adoptable_sessions"]
                assert kept["session_id"] == session and "JLAB_MCP_KEEP_H sets how long" in kept["kernel"]
                assert "42" in await agent.text("execute_code", session_id=session, code="print(x + 1)")
                said = ""
                async with asyncio.timeout(60):
                    while "(mine) runs" not in said:
                        said = (await agent.record("ping"))["idle_end"]
                        await asyncio.sleep(0.2)
                assert f"({SETTING}); used now: step {job_id}." in said
                mine.terminate()
                mine.wait(30)
                done = await until(lambda: _ended(lab), 120, "the job ends itself")
                assert done.returncode == 1 and ended in done.stdout
                assert ended in await agent.error("execute_code", session_id=session, code="x")
        finally:
            mine.kill()
    assert "COMPLETED" in cluster.run("scontrol", "show", "job", job_id)
    async with lab.client() as agent:
        assert ended in await agent.error("execute_code", session_id=session, code="x")
    (closed,) = [entry for entry in lab.journal(session) if entry["k"] == "closed"]
    assert ended in closed["reason"]


def _ended(lab: Project) -> subprocess.CompletedProcess[str] | None:
    done = lab.run("status")
    return done if "idle hours" in done.stdout else None
