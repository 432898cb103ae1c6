"""The line from a laptop breaks, freezes or is refused: calls are answered, and every line of output comes once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import Wire, process_of, text_of
from tests.project import Project, until

from .machines import There

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
                for pid in there.connections():
                    os.kill(pid, signal.SIGKILL if how == "sshd killed" else signal.SIGSTOP)
            assert_whole(text_of(await answer), ran)
        await relay.text("shutdown_session", session_id=session)
