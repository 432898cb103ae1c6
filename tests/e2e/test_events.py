"""`jlab-mcp events` beside a conversation: it tells what no reply tells, ends with its reader, and makes no project."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path

from tests.e2e.processes import kernel_pid, lasting_wire, until_printed, until_recorded
from tests.project import COMMAND, Project, until
from tests.shared import SharedProject


def fifo_of(project: Project, pid: int) -> Path | None:
    return next((project.status_dir / "fifos").glob(f"*-{pid}.fifo"), None)


async def test_a_kernel_that_dies_idle_is_told_and_one_that_dies_in_a_call_is_not(
    shared_server: SharedProject,
) -> None:
    events = shared_server.spawn("events", "--json")
    assert events.stdout is not None
    await until(lambda: fifo_of(shared_server, events.pid) is not None, what="it listens")
    async with lasting_wire(shared_server) as client:
        kernels: list[tuple[str, int]] = []
        for name in ("idle", "busy"):
            opened = await client.record("start_new_session", experiment_name=name)
            pid = kernel_pid(opened["kernel_id"])
            assert pid is not None
            kernels.append((opened["session_id"], pid))
        (idle, idle_pid), (busy, busy_pid) = kernels
        _, answer = client.call(
            "execute_code", session_id=busy, code="print('on', flush=True)\nimport time; time.sleep(600)"
        )
        await until_printed(shared_server, busy, "on")
        os.kill(busy_pid, signal.SIGKILL)
        assert "KernelDied" in json.dumps(await answer)
        await until_recorded(shared_server, busy, '"k":"told"')
        os.kill(idle_pid, signal.SIGKILL)
        news = json.loads(await asyncio.wait_for(asyncio.to_thread(events.stdout.readline), 60))
        assert (news["event"], news["session_id"]) == ("kernel_ended", idle), news
        for session in (idle, busy):
            await client.text("shutdown_session", session_id=session)
    events.stdout.close()
    assert await asyncio.to_thread(events.wait, 30) == 0
    assert fifo_of(shared_server, events.pid) is None


async def test_where_nothing_runs_it_waits_and_makes_no_project(project: Project) -> None:
    with subprocess.Popen(
        [COMMAND, "events"], cwd=project.root, env=project.env, stdout=subprocess.PIPE, text=True
    ) as events:
        try:
            children = Path(f"/proc/{events.pid}/task")
            await until(
                lambda: len(list(children.iterdir())) > 1, what="it looks: a thread reads the journals"
            )
            assert not (project.home / ".jlab-mcp").exists() or not list(project.home.rglob("fifos"))
        finally:
            events.send_signal(signal.SIGINT)
        assert events.wait(30) == 130
