"""`start_server` and `wait_for_server`: who is asked what, what is kept, what is refused before anything is submitted."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitResult

from tests.project import COMMAND, Agent, Era, Project

from .machines import Cluster
from .test_queueing import HELD, our_jobs

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


@pytest.fixture
def undecided(lab: Project) -> Project:
    """A project for which nothing was chosen; its jobs are held, so that nothing starts."""
    lab.extra_env |= {"JLAB_MCP_RUN_MODE": "", "JLAB_MCP_SLURM_PARTITION": "", **HELD}
    return lab


def choices(project: Project) -> dict[str, str]:
    chosen: dict[str, str] = json.loads((project.status_dir / "choices.json").read_text())["values"]
    return chosen


async def pending(agent: Agent) -> dict[str, Any]:
    """Return the answer once the job is in the queue and Slurm has given its reason."""
    async with asyncio.timeout(30):
        while True:
            answer = await agent.record("wait_for_server", timeout_s=0)
            if "You put it on hold" in answer["message"]:
                assert answer["state"] == "pending"
                return answer
            await asyncio.sleep(0.1)


async def test_without_elicitation_the_reply_tells_the_model_to_ask_and_lists_the_partitions(
    cluster: Cluster, undecided: Project
) -> None:
    async with undecided.client() as agent:
        said = await agent.text("start_server")
        assert said.startswith("mode_required: nothing was started.")
        assert "\ngpu: up to 4:00:00, 2 nodes" in said and "gpu a100 x2 per node" in said
        for wrong, why in (
            ({"partition": "nosuch"}, "There is no partition 'nosuch'. Partitions:"),
            ({"partition": "gpu", "gres": "gpu:h100:1"}, "Partition gpu has no node with gpu:h100:1."),
            ({"partition": "gpu", "time_limit": "9:00:00"}, "Partition gpu allows 4:00:00 at most"),
            ({"partition": "maint"}, "Partition maint is closed."),
            ({"partition": "gpu", "gres": "gpu:1; reboot"}, "cannot be used as gres"),
        ):
            assert why in await agent.error("start_server", mode="slurm", **wrong)
        assert our_jobs(cluster) == []
        await agent.text("start_server", mode="slurm", partition="gpu", time_limit="1:00:00", wait_s=0)
        answer = await pending(agent)
        (job_id,) = our_jobs(cluster)
        assert (answer["ready"], answer["state"], answer["job_id"]) == (False, "pending", job_id)
        assert "You put it on hold" in answer["message"] and answer["next"].startswith(
            "Call wait_for_server()"
        )
        again = await agent.record("start_server", wait_s=0)
        assert again["job_id"] == job_id and our_jobs(cluster) == [job_id]
        refused = await agent.error("start_new_session")
        assert "You put it on hold" in refused and "wait_for_server" in refused
    assert choices(undecided) == {"RUN_MODE": "slurm", "SLURM_PARTITION": "gpu", "SLURM_TIME": "1:00:00"}
    assert cluster.run("squeue", "-h", "-j", job_id, "-o", "%P %l").split() == ["gpu", "1:00:00"]
    undecided.stop()
    assert undecided.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0").returncode == 3, (
        "the choice holds there"
    )
    assert cluster.run("squeue", "-h", "-n", "jlab-mcp", "-o", "%P").split() == ["gpu"]


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_with_elicitation_the_user_is_asked_once(
    cluster: Cluster, undecided: Project, era: Era
) -> None:
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"mode": "slurm", "partition": "gpu"})

    parameters = StdioServerParameters(command=COMMAND, args=[], cwd=str(undecided.root), env=undecided.env)
    async with Client(stdio_client(parameters), mode=era, elicitation_callback=answer) as client:
        agent = Agent(client, undecided)
        await agent.text("start_server", wait_s=0)
        await pending(agent)
        assert (await agent.record("start_server", wait_s=0))["state"] == "pending"
    assert len(asked) == 1 and "gpu a100 x2 per node" in asked[0]
    assert len(our_jobs(cluster)) == 1
    assert choices(undecided) == {"RUN_MODE": "slurm", "SLURM_PARTITION": "gpu"}


async def test_a_user_who_declines_is_not_overruled(cluster: Cluster, undecided: Project) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    host = socket.gethostname()
    env = {**undecided.env, "SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": host}
    parameters = StdioServerParameters(command=COMMAND, args=[], cwd=str(undecided.root), env=env)
    async with Client(stdio_client(parameters), elicitation_callback=answer) as client:
        said = await Agent(client, undecided).text("start_server")
    assert said.startswith("mode_required") and our_jobs(cluster) == []
    offer = f'This process runs in job 4711 on {host.partition(".")[0]} (no GPU): mode "local" uses that node'
    assert offer in said


async def test_a_refusal_by_slurm_reaches_the_model(cluster: Cluster, undecided: Project) -> None:
    undecided.extra_env["JLAB_MCP_SLURM_CONSTRAINT"] = "nosuch"
    async with undecided.client() as agent:
        said = await agent.error("start_server", mode="slurm", partition="gpu")
    assert "No node has the features of the constraint." in said and "JLAB_MCP_SLURM_CONSTRAINT" in said


def test_damaged_choices_are_named(undecided: Project) -> None:
    path = undecided.home / "status" / "choices.json"
    path.parent.mkdir(mode=0o700)
    path.write_text('{"version": 1, "values": {"SLURM_TOKEN": "x"}}', encoding="utf-8")
    done = undecided.run("status", JLAB_MCP_STATUS_DIR=str(path.parent))
    assert done.returncode == 2 and f"rm {path}" in done.stderr
