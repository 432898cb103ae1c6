"""The agent's shell is on a node of a job that somebody else started: OnDemand, `salloc`, `srun --pty`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess

import pytest

from tests.project import COMMAND, Project, until

from .machines import Cluster
from .reaching import bridges, forwards

pytestmark = [pytest.mark.xdist_group("slurm-starts"), pytest.mark.usefixtures("job_past_its_walltime")]

SHELL = f"""#!/bin/sh
{COMMAND} doctor > doctor
{COMMAND} start --detach > start 2>&1
{COMMAND} url > url
{COMMAND} status --json > status.part && mv status.part status
exec sleep 600
"""


async def test_a_start_on_a_node_of_a_job_uses_that_node_and_the_login_node_reaches_it(
    cluster: Cluster, lab: Project
) -> None:
    lab.extra_env |= {"JLAB_MCP_RUN_MODE": "", "USER": "ada"}
    request = ["--parsable", "--partition=gpu", "--gres=gpu:1", "--mem=900", "--time=30"]
    submitted = await asyncio.to_thread(
        subprocess.run, ["sbatch", *request], input=SHELL, text=True, env=lab.env, cwd=lab.root, stdout=subprocess.PIPE
    )  # fmt: skip
    job_id = submitted.stdout.strip()
    await until((lab.root / "status").exists, 60, "the shell in the job has done its work")
    said = {
        name: (lab.root / name).read_text(encoding="utf-8") for name in ("doctor", "start", "url", "status")
    }
    inside = f"inside job {job_id} on "
    assert f"local mode ({inside}" in said["doctor"] and f"This is {inside}" in said["start"]
    status = json.loads(said["status"])
    assert (status["mode"], status["job_id"], status["healthy"]) == ("local", job_id, True)
    assert 0 < status["walltime_left_s"] <= 1800
    node = lab.status_file()["LAUNCHER"]
    assert re.search(rf"ssh -N -J ada@\S+ -L \d+:127\.0\.0\.1:\d+ ada@{node}\n", said["url"])
    async with lab.client() as agent:
        ping = await agent.record("ping")
        assert (ping["healthy"], ping["link"], ping["job_id"]) == (True, "srun", job_id)
        session = await agent.session()
        code = "import os; print(os.environ['SLURM_JOB_ID'], os.environ['CUDA_VISIBLE_DEVICES'])"
        assert (await agent.text("execute_code", session_id=session, code=code)).startswith(f"{job_id} 0\n")
        assert "-L" in (await asyncio.to_thread(lab.run, "url")).stdout and len(forwards(lab)) == 1
    refused = await asyncio.to_thread(lab.run, "stop")
    assert refused.returncode == 1 and f"srun --overlap --jobid={job_id} --nodelist={node} " in refused.stderr
    cluster.run("scancel", job_id)
    cluster.wait_for_state(job_id, "CANCELLED")
    status = await asyncio.to_thread(lab.run, "status")
    assert f"Job {job_id}, in which JupyterLab ran on {node}, is over." in status.stdout
    await until(lambda: not bridges(lab) and not forwards(lab))
