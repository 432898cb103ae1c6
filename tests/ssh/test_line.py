"""The line from a laptop breaks, freezes or is refused: calls are answered, and every line of output comes once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import Wire, process_of, text_of
from tests.project import Project, until

from .machines import There, far_ends

pytestmark = pytest.mark.xdist_group("ssh")

COUNT = """\
import time
with open({path!r}, "a") as file: print("ran", file=file)
for i in range(8): print("line", i, flush=True); time.sleep(0.1)
'the end'"""
LINES = [f"line {i}" for i in range(8)]


def ssh_of(relay: Wire) -> int:
    """PID of the relay's ssh."""
    (child,) = Path(f"/proc/{relay.pid}/task/{relay.pid}/children").read_text(encoding="utf-8").split()
    return int(child)


def assert_whole(text: str, ran: Path) -> None:
    assert [line for line in text.splitlines() if line.startswith("line ")] == LINES, text
    assert "'the end'" in text and ran.read_text(encoding="utf-8").splitlines() == ["ran"], text


async def test_a_call_is_answered_whole_although_its_line_is_killed_or_freezes(
    there: There, here: Project, tmp_path: Path
) -> None:
    with process_of(here, None, ("--ssh", there.place)) as relay:
        opened = await relay.record("start_new_session", experiment_name="far")
        session = opened["session_id"]
        for how in ("ssh killed", "sshd killed", "sshd frozen"):
            ran = tmp_path / how
            _, answer = relay.call("execute_code", session_id=session, code=COUNT.format(path=str(ran)))
            await until(ran.exists)
            if how == "ssh killed":
                os.kill(ssh_of(relay), signal.SIGKILL)
            else:
                for pid in (broken := there.connections()):
                    os.kill(pid, signal.SIGKILL if how == "sshd killed" else signal.SIGSTOP)
            assert_whole(text_of(await answer), ran)
        for pid in broken:
            os.kill(pid, signal.SIGKILL)  # its worker may end
        await relay.text("shutdown_session", session_id=session)


async def test_a_lost_client_is_waited_for_and_one_that_leaves_is_not(there: There, here: Project) -> None:
    """Kernels that a client has left end after a second there."""
    client = {"CLAUDE_CODE_SESSION_ID": "of the laptop", "JLAB_MCP_OUTPUT_CHARS": "600"}
    with process_of(here, None, ("--ssh", there.place), **client) as relay:
        session = (await relay.record("start_new_session", experiment_name="lost"))["session_id"]
        await relay.text("execute_code", session_id=session, code="kept = 42")
        relay.signal(signal.SIGKILL)
        await relay.gone()
    await until(lambda: not far_ends(there, "--worker"), what="the worker has seen that its line is gone")
    with process_of(here, None, ("--ssh", there.place), **client) as relay:
        shown = await relay.text("execute_code", session_id=session, code="print('x' * 2000); kept")
        assert "42" in shown and len(shown) < 1500, "the settings crossed, too"
        assert relay.process.stdin is not None
        relay.process.stdin.close()
        assert await relay.gone() == 0

    def kernels() -> object:
        return json.loads(there.project.run("status", "--json").stdout)["kernels"]

    async with asyncio.timeout(60):
        while await asyncio.to_thread(kernels):
            await asyncio.sleep(0.2)
