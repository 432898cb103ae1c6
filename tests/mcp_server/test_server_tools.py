"""What ping tells of a server, and of none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.errors import ServerUnreachable, StatusFileDamaged
from jlab_tui.core.server.resources import IdleEndPlan, KernelUse, Sample

from .apps import Front, ready


async def test_without_a_server_ping_says_how_to_start_one(front: Front) -> None:
    front.launcher.seen = [None]
    async with front.client() as agent:
        found = await agent.record("ping")
    assert (found["status"], found["state"], found["healthy"]) == ("no_server", "none", False)
    assert "No Jupyter server is running" in found["message"] and "jlab-mcp start" in found["hint"]


async def test_a_record_that_cannot_be_read_is_reported(front: Front) -> None:
    front.launcher.seen = [StatusFileDamaged("/s", "torn")]
    async with front.client() as agent:
        found = await agent.record("ping")
    assert (found["status"], found["healthy"]) == ("error", False) and "torn" in found["message"]


async def test_a_healthy_server_is_reported_with_its_kernels_and_sessions(front: Front) -> None:
    theirs = front.place.server.opened_by_the_user("theirs.ipynb")
    async with front.client() as agent:
        session = await agent.session("mine")
        await agent.text("execute_code", session_id=session, code="hang", wait_s=0)
        found = await agent.record("ping")
    assert (found["status"], found["healthy"], found["active_sessions"]) == ("ok", True, 1)
    (mine,) = found["sessions"]
    assert mine["session_id"] == session and mine["running"] == f"{session}-1"
    assert {kernel["session_id"] for kernel in found["kernels"]} == {"", session}
    assert {"kernel_id": theirs.id, "state": "idle", "notebook": "theirs.ipynb", "session_id": ""} in found[
        "kernels"
    ]
    assert "missing" not in found and "idle_gpus" not in found


async def test_ping_names_the_kernels_that_hold_an_idle_gpu(front: Front) -> None:
    uses = {"k": KernelUse(1, gpu_memory_mb=900.0, gpu_idle_s=3000.0), "l": KernelUse(2)}
    front.place.server.samples = [Sample(1.0, 1, None, None, None, None, kernels=uses)]
    async with front.client() as agent:
        assert (await agent.record("ping"))["idle_gpus"]["minutes"] == {"k": 50}


async def test_a_server_that_is_lost_during_ping_is_not_called_healthy(front: Front) -> None:
    async def lost() -> None:
        raise ServerUnreachable("It does not answer any more.", "Call ping again.")

    front.place.server.kernels = lost  # type: ignore[method-assign,assignment]
    async with front.client() as agent:
        found = await agent.record("ping")
    assert (found["status"], found["healthy"]) == ("ready", False)
    assert (found["message"], found["hint"]) == ("It does not answer any more.", "Call ping again.")


async def test_the_remaining_walltime_is_reported(front: Front) -> None:
    now = ready()
    front.launcher.seen = [replace(now, record=replace(now.record, ends=2600.0, job_id="7"))]
    async with front.client() as agent:
        found = await agent.record("ping")
    assert (found["walltime_left_s"], found["job_id"]) == (600, "7")


async def test_resources_are_those_of_the_server_in_use(front: Front) -> None:
    async with front.client() as agent:
        assert "no reading of its resources now" in await agent.error("check_resources")
        front.place.server.samples = [Sample(1.0, 8, 12.5, 0.5, 3000, 4000)]
        found = await agent.record("check_resources")
    assert found["cpu"] == {"count": 8, "percent": 12.5, "load_1m": 0.5, "load_5m": None, "load_15m": None}
    assert found["memory"]["available_mb"] == 1000


@pytest.mark.parametrize("uri", ["jlab-mcp://server/status"])
async def test_the_status_resource_is_what_ping_tells(front: Front, uri: str) -> None:
    async with front.client() as agent:
        (content,) = (await agent.client.read_resource(uri)).contents
        assert getattr(content, "text", "") == await agent.text("ping")


async def test_ping_tells_of_a_job_that_ends_itself(front: Front) -> None:
    plan = IdleEndPlan(2.0, None, "a terminal is open in JupyterLab")
    front.place.server.samples = [Sample(1.0, 1, None, None, None, None, idle_end=plan)]
    async with front.client() as agent:
        said = (await agent.record("ping"))["idle_end"]
    assert said.endswith("(JLAB_MCP_IDLE_END_H=2); used now: a terminal is open in JupyterLab.")
