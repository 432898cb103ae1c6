"""A server that answers every request with something odd: each program says so in a sentence, and none shows a traceback."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jlab_tui.adapters.files import is_there
from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.core.settings import load_settings
from jlab_tui.services.dashboard.monitor import Monitor
from jlab_tui.wiring.dashboard import Outside
from tests.e2e.proxy import behind
from tests.project import Project, text_of, until
from tests.security.odd_server import OddServer, odd_server
from tests.security.test_hostile_server import DEEP
from tests.services.dashboard.test_monitor import Heard
from tests.shared import SharedProject

FAULTS = ("Traceback", "bug in jlab-mcp", "Error executing")
BODIES = [
    b"5",
    b"",
    b"\xff{",
    DEEP.encode(),
    b'[5, [], null, {"id": "../../x", "kernel": {"id": "\\u001b]0;x", "execution_state": {}}}]',
    b'{"now": {"t": [], "cpu": 5, "gpu": {}, "kernels": [5]}, "history": 5, "protocol": [], "epoch": 1e999, "kernelspecs": 5}',
]


@asynccontextmanager
async def turned_odd(server: Project, home: Path) -> AsyncIterator[tuple[Project, OddServer]]:
    async with odd_server(int(server.status_file()["PORT"])) as odd:
        yield behind(server, odd.port, home), odd


def is_a_sentence(text: str) -> bool:
    return bool(text.strip()) and not any(fault in text for fault in FAULTS)


async def test_no_command_answers_an_odd_server_with_a_traceback(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with turned_odd(shared_server, tmp_path) as (project, odd):
        for body in BODIES:
            odd.answer(body)
            for command in (["status"], ["status", "--json"], ["url"]):
                done = await asyncio.to_thread(project.run, *command)
                assert is_a_sentence(done.stdout + done.stderr), (command, body[:80], done)
                assert done.returncode == 0
                if command[-1] == "--json":
                    assert json.loads(done.stdout)["healthy"]
        odd.answer(b"5", health_too=True)
        for command in (["status"], ["status", "--json"], ["url"], ["doctor"]):
            done = await asyncio.to_thread(project.run, *command)
            assert done.returncode == 1 and is_a_sentence(done.stdout + done.stderr), (command, done)


async def test_status_shows_kernels_that_it_cannot_read_as_unknown(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with turned_odd(shared_server, tmp_path) as (project, odd):
        odd.answer(b"5")
        text = await asyncio.to_thread(project.run, "status")
        assert any(line.split() == ["kernels", "unknown"] for line in text.stdout.splitlines()), text.stdout
        told = json.loads((await asyncio.to_thread(project.run, "status", "--json")).stdout)
        assert told["kernels"] is None and told["resources"] is None


async def test_no_tool_answers_an_odd_server_with_a_traceback(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with turned_odd(shared_server, tmp_path) as (project, odd), project.client() as agent:
        session = await agent.session("odd")
        for body in BODIES:
            odd.answer(body)
            for tool, arguments in (
                ("ping", {}),
                ("check_resources", {}),
                ("start_new_session", {"experiment_name": "odd"}),
                ("execute_code", {"session_id": session, "code": "6 * 7"}),
            ):
                reply = text_of(await agent.call(tool, **arguments))
                assert is_a_sentence(reply), (tool, body[:80], reply)
            assert "42" in reply, "the open session goes on"
        odd.answer(None)
        assert "42" in await agent.text("execute_code", session_id=session, code="6 * 7")
        assert "shut down" in (await agent.text("shutdown_session", session_id=session)).lower()
    errors = (tmp_path / "mcp-stderr.log").read_text(encoding="utf-8")
    assert not any(fault in errors for fault in FAULTS), errors


async def test_ping_and_doctor_say_how_much_was_not_understood(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with turned_odd(shared_server, tmp_path) as (project, odd), project.client() as agent:
        assert "not_understood" not in await agent.record("ping")
        odd.answer(b"5")
        await agent.call("start_new_session", experiment_name="odd")
        odd.answer(None)
        assert re.search("sent [1-9]", (await agent.record("ping"))["not_understood"])
        odd.answer(b"{")
        doctor = await asyncio.to_thread(project.run, "doctor")
        assert re.search("sent [1-9].* did not understand", doctor.stdout), doctor.stdout + doctor.stderr
        assert is_a_sentence(doctor.stdout + doctor.stderr)
        assert "no MCP client knows" in doctor.stdout, "it goes on to its last check"


async def test_the_dashboards_monitor_says_what_it_cannot_read_and_continues(
    shared_server: SharedProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with turned_odd(shared_server, tmp_path) as (project, odd):
        settings = load_settings(project.env, project.root, is_there)
        outside = Outside(settings, project.env)
        monitor = Monitor(
            outside.launcher, outside,
            DirectoryRecords(settings.sessions_dir, settings.actions_dir),
        )  # fmt: skip
        heard = Heard()
        odd.answer(BODIES[0])
        running = asyncio.create_task(monitor.run(heard))
        try:
            for body in BODIES:
                odd.answer(body)
                await until(lambda: odd.answered > 2, what="it asks again")
            odd.answer(None)
            await until(lambda: monitor.samples and monitor.kernels is not None, what="it goes on")
            assert heard.troubles and all(map(is_a_sentence, heard.troubles))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert monitor.server is not None
            await outside.api(monitor.server.record).close()
            await outside.launcher.close()
    assert not [record for record in caplog.records if record.exc_info], caplog.messages
