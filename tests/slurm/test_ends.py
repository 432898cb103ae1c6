"""How a job ends under a running cell: each cause has its sentence in the reply, and no output is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import wire
from tests.project import Project, until

from .counting import assert_nothing_is_missing, count_code, lines_in, reached, running_count
from .jobs import clear
from .machines import Cluster, wait_for

pytestmark = [pytest.mark.xdist_group("slurm-jobs"), pytest.mark.usefixtures("job_past_its_walltime")]

OCCUPY = """#!/bin/bash
#SBATCH -p gpu -N 2 --exclusive -t 5
sleep 300
"""


async def test_a_job_cancelled_by_somebody_ends_every_run_with_that_cause(
    cluster: Cluster, lab: Project
) -> None:
    """Also the run of an MCP process that was killed before: the one that lives closes it."""
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    cause = f"Job {job_id} was cancelled (by scancel, not by jlab-mcp)."
    async with wire(lab) as client:
        orphaned = await client.record("start_new_session", experiment_name="orphaned")
        orphan = Path(orphaned["notebook_path"])
        client.call("execute_code", session_id=orphaned["session_id"], code=count_code(orphan))
        await until(lambda: reached(orphan) >= 0, 30)
        client.signal(signal.SIGKILL)
        await client.gone()
    seen = reached(orphan)
    async with lab.client() as agent:
        session, run, notebook = await running_count(agent)
        waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=60))
        await until(lambda: reached(orphan) > seen + 20)
        cluster.run("scancel", job_id)
        said = await waiting
        assert cause in said and "line 0" in said
        assert cause in await agent.error("execute_code", session_id=session, code="1")
        ping = await agent.record("ping")
        assert (ping["status"], ping["message"]) == ("ended", cause)
        (ended,) = ping["ended_runs"]
        assert ended["run_id"] == f"{orphaned['session_id']}-1" and cause in ended["cause"]
        assert "ended_runs" not in await agent.record("ping")
        assert cause in await agent.text("wait_for_run", run_id=ended["run_id"])
        last = await agent.text("read_output", run_id=ended["run_id"], tail=1)
        assert f"line {lines_in(orphan)[-1]}" in last
        assert "jlab-mcp start" in (await agent.error("start_new_session"))
    for counted in (notebook, orphan):
        assert_nothing_is_missing(counted)
    finished = [e for e in lab.journal(session) if e["k"] == "finished"]
    assert finished[-1]["status"] == "job_ended"
    told = [e for e in lab.journal(orphaned["session_id"]) if e["k"] in ("finished", "closed")]
    assert [e["k"] for e in told] == ["finished", "closed"] and told[0]["status"] == "job_ended"


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
    assert_nothing_is_missing(notebook)


async def test_what_a_cell_printed_after_the_node_was_lost_is_in_the_notebook(
    cluster: Cluster, lab: Project
) -> None:
    lab.start()
    facts = lab.status_file()
    node = cluster.node(facts["HOSTNAME"])
    try:
        async with lab.client() as agent:
            _, run, notebook = await running_count(agent)
            node.cut()
            at_the_cut = reached(notebook)
            waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=100))
            said = await waiting
            assert f"Job {facts['JOB_ID']} ended because its node failed on {node.name}." in said
        lines = lines_in(notebook)
        assert lines == list(range(len(lines)))
        assert lines[-1] > at_the_cut + 20, "seconds of output that no connection carried"
        status = lab.run("status")
        assert status.returncode == 1 and "its node failed" in status.stdout
    finally:
        clear(cluster)
        node.join()
        node.crash()
        node.boot()
        cluster.wait_idle()


async def test_a_requeued_job_serves_again_from_another_node(cluster: Cluster, lab: Project) -> None:
    lab.extra_env["JLAB_MCP_SLURM_EXTRA"] = "--requeue"
    lab.start()
    before = lab.status_file()
    job_id = before["JOB_ID"]
    async with lab.client() as agent:
        session, run, _ = await running_count(agent)
        waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=100))
        cluster.run("scontrol", "update", f"NodeName={before['HOSTNAME']}", "State=DRAIN", "Reason=test")
        cluster.run("scontrol", "requeue", job_id)
        said = await waiting
        assert f"Job {job_id} was requeued" in said
        wait_for(
            lambda: "PENDING" in cluster.run("squeue", "-h", "-j", job_id, "-o", "%T"), "it is queued again"
        )
        refused = await agent.error("start_new_session")
        cluster.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
        assert "queue" in refused and "wait_for_server" in refused
        answer = await agent.record("wait_for_server", timeout_s=100)
        assert answer["ready"] and answer["job_id"] == job_id
        after = lab.status_file()
        assert after["HOSTNAME"] != before["HOSTNAME"] and after["RESTARTS"] == "1"
        assert "requeued" in await agent.error("execute_code", session_id=session, code="1")
        fresh = await agent.session("again")
        where = "import socket; print(socket.gethostname())"
        assert after["HOSTNAME"] in await agent.text("execute_code", session_id=fresh, code=where)
