"""The server is gone and another account listens at its port: an MCP process that is still open sends it nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.project import Agent, Project, alive, text_of, until
from tests.security.accounts import Impostor, impostor, needs_two_accounts
from tests.security.test_impostors import ANSWER, tcp

pytestmark = needs_two_accounts
ASKED_S = 8.0
"""a session that keeps its link tries each second or two to connect again"""


def killed(project: Project) -> None:
    pid = int(project.status_file()["PID"])
    os.kill(pid, signal.SIGKILL)


def stopped(project: Project) -> None:
    assert project.run("stop").returncode == 0


@contextlib.contextmanager
def in_place_of(url: str) -> Iterator[Impostor]:
    with impostor(tcp("127.0.0.1", int(url.rpartition(":")[2].rstrip("/"))), ANSWER) as stranger:
        yield stranger


async def stays_apart(
    agent: Agent,
    session: str,
    stranger: Impostor,
    is_harmless: Callable[[bytes], bool] = lambda heard: not heard,
) -> None:
    """However long it is asked, nothing is sent, and each call says the same of the server."""
    deadline = time.monotonic() + ASKED_S
    while time.monotonic() < deadline:
        before = await agent.record("ping")
        run = await agent.call("execute_code", session_id=session, code="'secret code'")
        after = await agent.record("ping")  # Slurm may have said meanwhile how the job ended
        assert run.is_error and not before["healthy"] and not after["healthy"]
        reasons = [
            "the server was stopped" if ping["status"] == "no_server" else ping["message"]
            for ping in (before, after)
        ]
        # as its client says it, or as the status has it
        assert any(reason in text_of(run) for reason in (*reasons, "It was stopped.")), (
            text_of(run),
            reasons,
        )
        assert (await agent.call("start_new_session")).is_error
        assert is_harmless(stranger.heard())
        await asyncio.sleep(1)  # it is the link that tries all the time


@pytest.mark.parametrize("socket_is_there", [True, False], ids=["socket", "port"])
@pytest.mark.parametrize("end", [killed, stopped])
async def test_nothing_of_an_open_mcp_process_reaches_whoever_takes_the_port(
    project: Project, end: Callable[[Project], None], socket_is_there: bool
) -> None:
    """Also where the process used the port itself, because it did not see the socket."""
    project.start()
    facts = project.status_file()
    if not socket_is_there:
        Path(facts["SOCKET"]).unlink()
    async with project.client() as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        end(project)
        await until(lambda: not alive(int(facts["PID"])))
        with in_place_of(facts["URL"]) as stranger:
            await stays_apart(agent, session, stranger)
            assert project.run("status").returncode == 1
            assert stranger.heard() == b""
