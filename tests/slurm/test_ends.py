"""How a job ends under a running cell: each cause has its sentence in the reply, and no output is lost."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import wire
from tests.project import Agent, Project, outputs_text, read_notebook, until

from .jobs import clear
from .machines import Cluster, wait_for

pytestmark = [pytest.mark.xdist_group("slurm-jobs"), pytest.mark.usefixtures("job_past_its_walltime")]

COUNT = """
import os, time
for number in range(100_000):
    print("line", number, flush=True)
    open("reached", "w").write(str(number))
    time.sleep(0.05)
"""


async def running_count(agent: Agent) -> tuple[str, str, Path]:
    """A cell that counts for ever: session id, run id, notebook."""
    opened = await agent.record("start_new_session", experiment_name="count")
    session = opened["session_id"]
    said = await agent.text("execute_code", session_id=session, code=COUNT, wait_s=1)
    run = re.search(r'wait_for_run\(run_id="([^"]+)"', said)
    assert run, said
    notebook = Path(opened["notebook_path"])
    await until((notebook.parent / "reached").exists, 30)
    return session, run[1], notebook


def lines_in(notebook: Path) -> list[int]:
    return [int(n) for n in re.findall(r"line (\d+)", outputs_text(read_notebook(notebook)["cells"][-1]))]


def reached(notebook: Path) -> int:
    return int((notebook.parent / "reached").read_text(encoding="utf-8") or 0)


async def test_a_job_cancelled_by_somebody_ends_the_run_with_that_cause(
    cluster: Cluster, lab: Project
) -> None:
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    async with lab.client() as agent:
        session, run, notebook = await running_count(agent)
        waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=60))
        cluster.run("scancel", job_id)
        said = await waiting
        cause = f"Job {job_id} was cancelled (by scancel, not by jlab-mcp)."
        assert cause in said and "line 0" in said
        refused = await agent.error("execute_code", session_id=session, code="1")
        assert cause in refused
        ping = await agent.record("ping")
        assert (ping["status"], ping["message"]) == ("ended", cause)
        assert "jlab-mcp start" in (await agent.error("start_new_session"))
    lines = lines_in(notebook)
    assert lines == list(range(len(lines))) and lines[-1] >= reached(notebook) - 1
    finished = [e for e in lab.journal(session) if e["k"] == "finished"]
    assert finished[-1]["status"] == "job_ended"


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


async def test_the_end_of_the_walltime_is_announced_and_named(cluster: Cluster, lab: Project) -> None:
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+4")
    async with lab.client() as agent:
        await until(lambda: "The job's walltime " in lab.run("status").stdout, 20)
        _, run, notebook = await running_count(agent)
        said = await agent.text("wait_for_run", run_id=run, wait_s=100)
        assert f"Job {job_id} reached the end of its walltime." in said
    lines = lines_in(notebook)
    assert lines == list(range(len(lines))) and lines[-1] >= reached(notebook) - 1
    assert "jlab-mcp start TIME" in lab.run("status").stdout


def test_a_job_that_started_while_nobody_looked_is_ready(cluster: Cluster, lab: Project) -> None:
    done = lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", JLAB_MCP_SLURM_EXTRA="--hold")
    assert done.returncode == 3
    assert lab.status_file()["STATE"] == "pending"
    cluster.run("scontrol", "release", lab.status_file()["JOB_ID"])
    (connections,) = lab.status_dir.glob("connections")
    wait_for(lambda: list(connections.glob("*.connection.json")), "the server is up", 60)
    status = lab.run("status")
    assert status.returncode == 0 and status.stdout.startswith("JupyterLab ready at http://")


async def test_the_next_mcp_process_closes_a_run_whose_process_and_job_are_gone(
    cluster: Cluster, lab: Project
) -> None:
    lab.start()
    job_id = lab.status_file()["JOB_ID"]
    async with wire(lab) as client:
        opened = await client.record("start_new_session", experiment_name="count")
        notebook = Path(opened["notebook_path"])
        client.call("execute_code", session_id=opened["session_id"], code=COUNT)
        await until((notebook.parent / "reached").exists, 30)
        client.signal(signal.SIGKILL)
        await client.gone()
    seen = reached(notebook)
    await until(lambda: reached(notebook) > seen + 20)
    cluster.run("scancel", job_id)
    cluster.wait_for_state(job_id, "CANCELLED")
    cause = f"Job {job_id} was cancelled (by scancel, not by jlab-mcp)."
    session = opened["session_id"]
    async with lab.client() as agent:
        ping = await agent.record("ping")
        (ended,) = ping["ended_runs"]
        assert ended["run_id"] == f"{session}-1" and cause in ended["cause"]
        assert "ended_runs" not in await agent.record("ping")
        assert cause in await agent.text("wait_for_run", run_id=f"{session}-1")
        last = await agent.text("read_output", run_id=f"{session}-1", tail=1)
        assert f"line {lines_in(notebook)[-1]}" in last
    lines = lines_in(notebook)
    assert lines == list(range(len(lines))) and lines[-1] >= reached(notebook) - 1
    told = [e for e in lab.journal(session) if e["k"] in ("finished", "closed")]
    assert [e["k"] for e in told] == ["finished", "closed"] and told[0]["status"] == "job_ended"
