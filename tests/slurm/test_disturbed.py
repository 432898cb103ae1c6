"""What befalls a server in a job while a cell runs: a controller in trouble, a preemption, a suspension."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.project import Agent, Project, until

from .machines import Cluster
from .test_ends import lines_in, reached, running_count

pytestmark = [pytest.mark.xdist_group("slurm-jobs"), pytest.mark.usefixtures("job_past_its_walltime")]

IN_TROUBLE = r"Slurm's controller is (not answering|hanging: no answer in time)\. The job is taken to go on as before\."
OCCUPY = """#!/bin/bash
#SBATCH -p gpu -N 2 --exclusive -t 5
sleep 300
"""


async def pinged(agent: Agent, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first answer of `ping` for which the condition holds."""
    async with asyncio.timeout(40):
        while True:
            answer = await agent.record("ping")
            if condition(answer):
                return answer
            await asyncio.sleep(0.2)


async def test_a_controller_that_is_down_or_hangs_is_a_notice_and_the_cell_runs_on(
    cluster: Cluster, lab: Project
) -> None:
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    async with lab.client() as agent:
        session, run, notebook = await running_count(agent)
        for disturb, mend in ((cluster.stop, cluster.start), (cluster.pause, cluster.cont)):
            disturb()
            try:
                before = reached(notebook)
                ping = await pinged(agent, lambda answer: answer.get("notices"))
                status = await asyncio.to_thread(lab.run, "status")
            finally:
                mend()
            assert ping["status"] == "ok" and re.fullmatch(IN_TROUBLE, ping["notices"][0])
            assert status.returncode == 0 and re.search(IN_TROUBLE, status.stdout)
            assert status.stdout.startswith("JupyterLab ready at ")
            await until(lambda before=before: reached(notebook) > before + 20)  # type: ignore[misc]
            assert (await pinged(agent, lambda answer: "notices" not in answer))["status"] == "ok"
        cluster.wait_for_state(job_id, "RUNNING")
        await agent.text("interrupt_kernel", session_id=session)
        assert "KeyboardInterrupt" in await agent.text("wait_for_run", run_id=run)
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")


async def test_a_preempted_job_ends_the_run_with_that_cause(cluster: Cluster, lab: Project) -> None:
    lab.extra_env["JLAB_MCP_SLURM_PARTITION"] = "scavenge"
    lab.start()
    facts = lab.status_file()
    cause = f"Job {facts['JOB_ID']} was preempted: a job with a higher priority took its node on {facts['HOSTNAME']}."
    async with lab.client() as agent:
        session, run, notebook = await running_count(agent)
        waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=60))
        await asyncio.to_thread(cluster.run, "sbatch", stdin=OCCUPY)
        assert cause in await waiting
        assert cause in await agent.error("execute_code", session_id=session, code="1")
        ping = await agent.record("ping")
        assert (ping["status"], ping["message"]) == ("ended", cause)
        assert "not preemptible" in ping["hint"]
    status = lab.run("status")
    assert status.returncode == 1 and cause in status.stdout
    lines = lines_in(notebook)
    assert lines == list(range(len(lines))) and lines[-1] >= reached(notebook) - 1


async def test_a_suspended_job_is_said_to_be_suspended_and_goes_on_afterwards(
    cluster: Cluster, lab: Project
) -> None:
    lab.start()
    facts = lab.status_file()
    job_id = facts["JOB_ID"]
    said = f"Job {job_id} is suspended on {facts['HOSTNAME']}: nothing in it runs until it is resumed."
    async with lab.client() as agent:
        session, run, notebook = await running_count(agent)
        cluster.run("scontrol", "suspend", job_id)
        ping = await pinged(agent, lambda answer: answer["message"] == said)
        assert ping["status"] == "ready" and not ping["healthy"]
        status = await asyncio.to_thread(lab.run, "status")
        assert said in status.stdout
        assert said in await agent.error("start_new_session")
        frozen = reached(notebook)
        cluster.run("scontrol", "resume", job_id)
        await until(lambda: reached(notebook) > frozen + 20)
        assert (await pinged(agent, lambda answer: answer["healthy"]))["status"] == "ok"
        await agent.text("interrupt_kernel", session_id=session)
        assert "KeyboardInterrupt" in await agent.text("wait_for_run", run_id=run)
    lines = lines_in(notebook)
    assert lines == list(range(len(lines)))
