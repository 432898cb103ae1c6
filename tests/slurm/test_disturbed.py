"""What befalls a server in a job while cells run and does not end it: a controller in trouble, a suspension."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.project import Agent, Project, until

from .counting import assert_nothing_is_missing, reached, running_count
from .machines import Cluster

pytestmark = [pytest.mark.xdist_group("slurm-jobs"), pytest.mark.usefixtures("job_past_its_walltime")]

IN_TROUBLE = r"Slurm's controller is (not answering|hanging: no answer in time)\. The job is taken to go on as before\."


async def pinged(agent: Agent, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first answer of `ping` for which the condition holds."""
    async with asyncio.timeout(40):
        while True:
            answer = await agent.record("ping")
            if condition(answer):
                return answer
            await asyncio.sleep(0.2)


async def test_a_controller_that_is_down_or_hangs_is_a_notice_and_the_cell_runs_on(
    lasting_cluster: Cluster, served: Project
) -> None:
    job_id = served.status_file()["JOB_ID"]
    async with served.client() as agent:
        session, run, notebook = await running_count(agent)
        cluster = lasting_cluster
        for disturb, mend in ((cluster.stop, cluster.start), (cluster.pause, cluster.cont)):
            disturb()
            try:
                before = reached(notebook)
                ping = await pinged(agent, lambda answer: answer.get("notices"))
                status = await asyncio.to_thread(served.run, "status")
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


async def test_a_suspended_job_is_said_to_be_suspended_and_goes_on_afterwards(
    lasting_cluster: Cluster, served: Project
) -> None:
    facts = served.status_file()
    job_id = facts["JOB_ID"]
    said = f"Job {job_id} is suspended on {facts['HOSTNAME']}: nothing in it runs until it is resumed."
    async with served.client() as agent:
        session, run, notebook = await running_count(agent)
        idle = await agent.session("idle")
        lasting_cluster.run("scontrol", "suspend", job_id)
        try:
            waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=8))
            sent = asyncio.create_task(agent.text("execute_code", session_id=idle, code="6 * 7", wait_s=8))
            ping = await pinged(agent, lambda answer: answer["message"] == said)
            assert ping["status"] == "ready" and not ping["healthy"]
            status = await asyncio.to_thread(served.run, "status")
            assert said in status.stdout
            assert said in await agent.error("start_new_session")
            assert said in await waiting
            not_yet = await sent
            assert said in not_yet and "not yet taken up by the kernel" in not_yet
            frozen = reached(notebook)
        finally:
            lasting_cluster.run("scontrol", "resume", job_id)
        await until(lambda: reached(notebook) > frozen + 20)
        assert (await pinged(agent, lambda answer: answer["healthy"]))["status"] == "ok"
        sent_run = re.search(r'wait_for_run\(run_id="([^"]+)"', not_yet)
        assert sent_run and (await agent.text("wait_for_run", run_id=sent_run[1])).startswith("42")
        await agent.text("interrupt_kernel", session_id=session)
        assert "KeyboardInterrupt" in await agent.text("wait_for_run", run_id=run)
    assert_nothing_is_missing(notebook)
