"""Tasks through a client that asks for their state, as Claude Code does, with a real kernel and processes that are killed."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.core.reply.task import EXTENSION
from tests.e2e.processes import Wire, until_printed, until_recorded, wire
from tests.shared import SharedProject

KNOWS_TASKS: dict[str, Any] = {"extensions": {EXTENSION: {}}}
AT_ONCE = {"JLAB_MCP_TASK_AFTER_S": "0.2"}
TALK = """\
import os, time
for i in range(30):
    print('line', i, flush=True)
    while i == 5 and not os.path.exists({go!r}): time.sleep(0.02)
'the end'"""
"""stops after a few lines until somebody makes the file `go`"""


async def started(client: Wire, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.ask("tools/call", name=tool, arguments=arguments))["result"]
    assert answer["resultType"] == "task", answer
    return answer


async def over(client: Wire, task: str) -> dict[str, Any]:
    """The state of a task when it works no more, asked for as a client polls."""
    async with asyncio.timeout(60):
        while True:
            state: dict[str, Any] = (await client.ask("tasks/get", taskId=task))["result"]
            if state["status"] != "working":
                return state
            await asyncio.sleep(0.1)


async def ended(client: Wire, task: str) -> str:
    """The text of a task's result."""
    state = await over(client, task)
    assert state["status"] == "completed", state
    return "\n".join(block["text"] for block in state["result"]["content"])


@pytest.mark.parametrize("how", ["its own process", "killed", "the client left"])
async def test_whoever_is_asked_for_a_task_has_its_whole_output(
    shared_server: SharedProject, tmp_path: Path, how: str
) -> None:
    go = tmp_path / "go"
    async with wire(shared_server, KNOWS_TASKS, **AT_ONCE) as first:
        session = (await first.record("start_new_session", experiment_name="task"))["session_id"]
        code = TALK.format(go=str(go))
        task = (await started(first, "execute_code", session_id=session, code=code))["taskId"]
        assert task == f"{session}-1"
        await until_recorded(shared_server, session, "line 5")
        state = (await first.ask("tasks/get", taskId=task))["result"]
        assert state["status"] == "working" and state["statusMessage"].startswith("line ")
        go.touch()
        if how == "its own process":
            text = await ended(first, task)
        elif how == "killed":
            first.signal(signal.SIGKILL)
        else:
            assert first.process.stdin is not None
            first.process.stdin.close()
            await first.gone()
    if how != "its own process":
        async with wire(shared_server, KNOWS_TASKS, **AT_ONCE) as second:
            text = await ended(second, task)
    assert [line for line in text.splitlines() if line.startswith("line ")] == [
        f"line {i}" for i in range(30)
    ]
    assert "'the end'" in text and f"run {task}: ok" in text


async def test_a_throwaway_kernel_is_a_task_that_outlives_its_process(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    async with wire(shared_server, KNOWS_TASKS, **AT_ONCE) as first:
        task = (await started(first, "execute_scratch", code=TALK.format(go=str(go))))["taskId"]
        first.signal(signal.SIGKILL)
        go.touch()
    async with wire(shared_server, KNOWS_TASKS, **AT_ONCE) as second:
        text = await ended(second, task)
        assert "line 29" in text
        async with asyncio.timeout(40):
            while task.partition("-")[0] in json.dumps((await second.record("ping"))["kernels"]):
                await asyncio.sleep(0.1)  # its kernel ends with the run


async def test_an_interrupted_task_keeps_what_it_printed(shared_server: SharedProject) -> None:
    async with wire(shared_server, KNOWS_TASKS, **AT_ONCE) as client:
        session = (await client.record("start_new_session", experiment_name="stopped"))["session_id"]
        code = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
        task = (await started(client, "execute_code", session_id=session, code=code))["taskId"]
        await until_printed(shared_server, session, "begun")
        for _ in range(2):
            assert (await client.ask("tasks/cancel", taskId=task))["result"]["resultType"] == "complete"

        assert (await over(client, task))["status"] == "cancelled"
        assert "begun" in await client.text("wait_for_run", run_id=task)
        assert "42" in await client.text("execute_code", session_id=session, code="6 * 7")
        await client.text("shutdown_session", session_id=session)


async def test_a_shell_waits_for_a_run_and_learns_how_it_ended(shared_server: SharedProject) -> None:
    async with wire(shared_server) as client:
        session = (await client.record("start_new_session", experiment_name="waited"))["session_id"]
        code = "import time; time.sleep(1); print('trained')"
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        done = await asyncio.to_thread(shared_server.run, "wait", f"{session}-1")
        assert done.returncode == 0 and done.stdout.startswith("trained\n"), done
        await client.text("execute_code", session_id=session, code="time.sleep(600)", wait_s=0)
        done = await asyncio.to_thread(shared_server.run, "wait", f"{session}-2", "--timeout", "0.2")
        assert done.returncode == 3 and "Still running" in done.stdout
        await client.text("interrupt_kernel", session_id=session)
        done = await asyncio.to_thread(shared_server.run, "wait", f"{session}-2")
        assert done.returncode == 4
        done = await asyncio.to_thread(shared_server.run, "wait", f"{session}-9")
        assert done.returncode == 1 and f"There is no run '{session}-9'" in done.stderr
        await client.text("shutdown_session", session_id=session)
