"""How a job ends under a running cell: each cause has its sentence in the reply, and no output is lost."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from jlab_tui.core.slurm.script import restarted_name
from tests.e2e.processes import wire
from tests.project import Agent, Project, project_in, until

from .conftest import lab_env
from .counting import count_code, lines_in, nothing_is_missing, reached, running_count
from .jobs import clear
from .machines import Cluster, Node

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
        await nothing_is_missing(counted)
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
    await nothing_is_missing(notebook)


async def test_a_lost_node_ends_one_job_and_moves_the_one_that_may_be_requeued(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    """Pulling the cable leaves the processes alive, and the notebook still gets what they print."""
    node = cluster.gpu1
    lab.extra_env["JLAB_MCP_SLURM_EXTRA"] = f"--nodelist={node.name}"
    with project_in(tmp_path / "moving", **lab_env(cluster)) as moving:
        lab.start()
        cluster.run("scontrol", "update", f"NodeName={cluster.gpu2.name}", "State=DRAIN", "Reason=test")
        moving.extra_env["JLAB_MCP_SLURM_EXTRA"] = "--requeue"
        moving.start()
        cluster.run("scontrol", "update", f"NodeName={cluster.gpu2.name}", "State=RESUME")
        assert moving.status_file()["HOSTNAME"] == node.name
        both_count = asyncio.Barrier(2)  # the cable that one pulls is the other's, too
        try:
            async with lab.client() as agent, moving.client() as mover, asyncio.TaskGroup() as group:
                group.create_task(output_after_the_cut_is_kept(lab, agent, node, both_count))
                group.create_task(it_serves_again_from_another_node(cluster, moving, mover, both_count))
        finally:
            clear(cluster)
            node.join()
            node.crash()
            node.boot()
            cluster.wait_idle()


async def output_after_the_cut_is_kept(
    lab: Project, agent: Agent, node: Node, both_count: asyncio.Barrier
) -> None:
    job_id = lab.status_file()["JOB_ID"]
    _, run, notebook = await running_count(agent)
    await both_count.wait()
    node.cut()
    at_the_cut = reached(notebook)
    said = await agent.text("wait_for_run", run_id=run, wait_s=100)
    assert f"Job {job_id} ended because its node failed on {node.name}." in said
    carried = "seconds of output that no connection carried"
    await until(lambda: (lines_in(notebook) or [0])[-1] > at_the_cut + 20, what=carried)
    lines = lines_in(notebook)
    assert lines == list(range(len(lines)))
    status = await asyncio.to_thread(lab.run, "status")
    assert status.returncode == 1 and "its node failed" in status.stdout


async def it_serves_again_from_another_node(
    cluster: Cluster, moving: Project, agent: Agent, both_count: asyncio.Barrier
) -> None:
    before = moving.status_file()
    job_id = before["JOB_ID"]
    session, run, _ = await running_count(agent)
    await both_count.wait()
    assert f"Job {job_id} was requeued" in await agent.text("wait_for_run", run_id=run, wait_s=100)
    refused = await agent.error("start_new_session")
    assert "queue" in refused and "wait_for_server" in refused
    await asyncio.to_thread(cluster.run_again, job_id)
    answer = await agent.record("wait_for_server", timeout_s=100)
    assert answer["ready"] and answer["job_id"] == job_id
    after = moving.status_file()
    assert after["HOSTNAME"] != before["HOSTNAME"] and after["RESTARTS"] == "1"
    assert "requeued" in await agent.error("execute_code", session_id=session, code="1")
    fresh = await agent.session("again")
    where = "import socket; print(socket.gethostname())"
    assert after["HOSTNAME"] in await agent.text("execute_code", session_id=fresh, code=where)
    first, second = (Path(before["CONN_FILE"]), Path(restarted_name(before["CONN_FILE"], 1)))
    told = [json.loads(path.read_text(encoding="utf-8"))["hostname"] for path in (first, second)]
    assert told == [before["HOSTNAME"], after["HOSTNAME"]], "each run has a connection file of its own"
    log = Path(after["LOG"]).read_text(encoding="utf-8")
    assert "restart 0" in log and "restart 1" in log, "the log of the first run is kept"
