"""An upgrade never costs a running server: an earlier version's is used by this one, and this one's by an earlier client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.earlier import Earlier, program_before_the_proof
from tests.project import Agent, Project, outputs_text, read_notebook, text_of


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    return program_before_the_proof(tmp_path / "earlier")


async def works_fully(agent: Agent) -> None:
    ping = await agent.record("ping")
    assert ping["status"] == "ok" and "notices" not in ping
    opened = await agent.record("start_new_session", experiment_name="kept")
    session, notebook = opened["session_id"], Path(opened["notebook_path"])
    said = await agent.text("execute_code", session_id=session, code="print('line', 6 * 7)")
    assert said.startswith("line 42\n")
    assert "line 42" in await agent.text("read_output", run_id=f"{session}-1")
    await agent.text("restart_kernel", session_id=session)
    await agent.text("execute_code", session_id=session, code="1")
    async with asyncio.timeout(
        60
    ):  # an earlier client waits less long for a kernel's end than a busy machine takes
        while (ended := await agent.call("shutdown_session", session_id=session)).is_error:
            assert "try again" in text_of(ended), text_of(ended)
    assert outputs_text(read_notebook(notebook)["cells"][0]) == "line 42\n"


async def test_a_local_server_of_an_earlier_version_is_used_over_the_port_that_its_owner_proves(
    project: Project, earlier: Earlier
) -> None:
    pid = earlier.start(project)["PID"]
    status = project.run("status")
    assert status.returncode == 0 and "JLAB_MCP_ALLOW_UNPROVED" not in status.stdout
    async with project.client() as agent:
        await works_fully(agent)
    assert project.run("start", "--detach").returncode == 0
    assert project.status_file()["PID"] == pid, "the same server"
    assert project.run("stop").stdout == f"JupyterLab (PID {pid}) stopped.\n"


async def test_a_client_of_an_earlier_version_continues_with_a_local_server_of_this_one(
    project: Project, earlier: Earlier
) -> None:
    """An agent that was started before the upgrade keeps its old program."""
    project.start()
    facts = project.status_file()
    async with earlier.client(project) as agent:
        await works_fully(agent)
    assert project.status_file()["SOCKET"] == facts["SOCKET"], "kept by the version that does not know it"
    assert project.run("status").returncode == 0
