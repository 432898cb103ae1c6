"""MCP server processes die, freeze and follow one another; a session is never lost and never has two owners."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jlab_tui.core.journal.events import Entry, HumanActed, encode
from tests.e2e.processes import (
    Wire,
    journal_text,
    kernel_pid,
    lasting_wire,
    recorded_lines,
    rest,
    text_of,
    until_recorded,
    wire,
)
from tests.e2e.proxy import proxied
from tests.project import COMMAND, Project, alive, outputs_text, project_in, read_notebook, until
from tests.shared import SharedProject

TALK = "import time\nfor i in range(20): print('line', i, flush=True); time.sleep(0.1)\n'the end'"
WANTED = [f"line {i}" for i in range(20)]
CONVERSATION = {"CLAUDE_CODE_SESSION_ID": "one and the same"}


async def open_session(client: Wire, name: str) -> tuple[str, Path, str]:
    opened = await client.record("start_new_session", experiment_name=name)
    return opened["session_id"], Path(opened["notebook_path"]), opened["kernel_id"]


def lines_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("line ")]


@pytest.mark.parametrize("moment", ['"k":"run"', "line 0", "line 9", "line 19", '"k":"finished"'])
@pytest.mark.parametrize("same_conversation", [True, False], ids=["same conversation", "another one"])
async def test_a_killed_process_loses_nothing_of_its_run(
    shared_server: SharedProject, moment: str, same_conversation: bool
) -> None:
    async with wire(shared_server, **CONVERSATION) as first:
        session, path, _ = await open_session(first, "killed")
        first.call("execute_code", session_id=session, code=TALK)
        await until_recorded(shared_server, session, moment)
        first.signal(signal.SIGKILL)
        await first.gone()
    second_process = wire(shared_server, **CONVERSATION) if same_conversation else lasting_wire(shared_server)
    async with second_process as second:
        if same_conversation:
            known = (await second.record("ping"))["sessions"]
            assert session in [s["session_id"] for s in known]
        reply = await second.text("wait_for_run", run_id=f"{session}-1")
        if "never reached the kernel" in reply:
            assert moment == '"k":"run"' and lines_in(reply) == []
            assert '"status":"lost"' in journal_text(shared_server, session)
            return
        assert lines_in(reply) == WANTED and "'the end'" in reply and ": ok," in reply
        await until(lambda: recorded_lines(shared_server, session, "line ") == WANTED)
        after = await second.text("execute_code", session_id=session, code="i + 1")
        assert after.startswith("20\n")
        cells = await until(lambda: _complete(path, 2))
        assert outputs_text(cells[0]).splitlines() == WANTED
        assert [o["output_type"] for o in cells[0]["outputs"]] == ["stream", "execute_result"]
        assert [c["execution_count"] for c in cells] == [1, 2]
        ends = [e["run"] for e in shared_server.journal(session) if e["k"] == "finished"]
        assert ends == [f"{session}-1", f"{session}-2"]
        await second.text("shutdown_session", session_id=session)


def _complete(path: Path, count: int) -> list[dict[str, object]]:
    """The cells when there are that many and the first holds all it printed: the file follows a moment later."""
    cells = _cells(path, count)
    return (
        cells
        if cells and outputs_text(cells[0]).splitlines() == WANTED and cells[0]["execution_count"]
        else []
    )


def _cells(path: Path, count: int) -> list[dict[str, object]]:
    cells = read_notebook(path)["cells"]
    done = len(cells) == count and cells[-1]["outputs"]
    return list(cells) if done else []


async def test_a_run_that_ended_while_nobody_was_there_is_complete(shared_server: SharedProject) -> None:
    async with wire(shared_server) as first:
        session, path, _ = await open_session(first, "alone")
        code = TALK + "\nopen('done', 'w').close()"
        first.call("execute_code", session_id=session, code=code)
        await until_recorded(shared_server, session, "line 3")
        first.signal(signal.SIGKILL)
        await first.gone()
    await until((path.parent / "done").exists)
    async with lasting_wire(shared_server) as second:
        reply = await second.text("wait_for_run", run_id=f"{session}-1")
        assert lines_in(reply) == WANTED and ": ok," in reply
        (cell,) = await until(lambda: _complete(path, 1))
        assert outputs_text(cell).splitlines() == WANTED
        await second.text("shutdown_session", session_id=session)


async def test_a_session_has_one_owner_and_others_may_read(shared_server: SharedProject) -> None:
    async with wire(shared_server) as owner, lasting_wire(shared_server) as other:
        session, path, _ = await open_session(owner, "owned")
        await owner.text("execute_code", session_id=session, code="print('by the owner')")
        await until(lambda: _cells(path, 1))
        before = path.read_bytes()
        for tool, arguments in (
            ("execute_code", {"code": "1"}),
            ("add_markdown", {"markdown": "x"}),
            ("interrupt_kernel", {}),
            ("restart_kernel", {}),
            ("shutdown_session", {}),
        ):
            refused = await other.text(tool, session_id=session, **arguments)
            assert f":{owner.pid})" in refused and "is held by another MCP server process" in refused, tool
        assert "by the owner" in await other.text("wait_for_run", run_id=f"{session}-1")
        assert "by the owner" in await other.text("read_output", run_id=f"{session}-1")
        assert "print('by the owner')" in await other.text("read_notebook", session_id=session)
        assert path.read_bytes() == before
        _, running = owner.call("execute_code", session_id=session, code=TALK)
        await until_recorded(shared_server, session, "line 1")
        watched = await other.text("wait_for_run", run_id=f"{session}-2")
        assert lines_in(watched) == WANTED and ": ok," in watched
        assert lines_in(text_of(await running)) == WANTED
        await owner.text("shutdown_session", session_id=session)


async def test_a_frozen_owner_that_wakes_up_writes_nothing_more(shared_server: SharedProject) -> None:
    async with wire(shared_server) as frozen, lasting_wire(shared_server) as next_one:
        session, path, _ = await open_session(frozen, "frozen")
        _, waiting = frozen.call("execute_code", session_id=session, code=TALK)
        await until_recorded(shared_server, session, "line 5")
        frozen.signal(signal.SIGSTOP)
        try:
            deadline = asyncio.get_running_loop().time() + 40
            while "is held by" in (
                reply := await next_one.text("execute_code", session_id=session, code="i")
            ):
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.5)  # how often the server is asked
            if "Nothing was done" in reply:
                await next_one.text("wait_for_run", run_id=f"{session}-1")
                reply = await next_one.text("execute_code", session_id=session, code="i")
            assert reply.startswith("19\n"), reply
            assert lines_in(await next_one.text("wait_for_run", run_id=f"{session}-1")) == WANTED
            await until(lambda: _cells(path, 2))
            notebook, journal = path.read_bytes(), journal_text(shared_server, session)
        finally:
            frozen.signal(signal.SIGCONT)
        woken = text_of(await waiting)
        assert "was taken over by another process" in woken, woken
        refused = await frozen.text("execute_code", session_id=session, code="'from the woken one'")
        assert "another" in refused and "process" in refused, refused
        refused = await frozen.text("add_markdown", session_id=session, markdown="from the woken one")
        assert "process" in refused, refused
        assert lines_in(await frozen.text("read_output", run_id=f"{session}-1")) == WANTED
        frozen.signal(signal.SIGTERM)
        await frozen.gone()
        assert path.read_bytes() == notebook
        assert journal_text(shared_server, session) == journal
        assert (await next_one.text("execute_code", session_id=session, code="i + 1")).startswith("20\n")
        await next_one.text("shutdown_session", session_id=session)


async def test_a_process_killed_before_it_hears_of_a_kernel_that_it_started_leaves_none(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    with rest(shared_server) as server:

        def kernels() -> set[str]:
            while not (answer := server.get("/api/kernels")).is_success:
                assert answer.status_code == 500, answer.text  # Jupyter's, while a kernel begins or ends
            return {kernel["id"] for kernel in answer.json()}

        body = {"path": "theirs.ipynb", "type": "notebook", "name": "theirs", "kernel": {"name": "python3"}}
        theirs = server.post("/api/sessions", json=body).json()
        before = kernels()
        path = shared_server.root / "notebooks" / "killed early.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', encoding="utf-8")
        async with proxied(shared_server, tmp_path) as (project, proxy), wire(project) as client:
            await client.text("ping")
            proxy.holds = b"POST "
            client.call("start_new_session", experiment_name="early")
            client.call("start_session_resume_notebook", notebook_path=str(path))
            client.call("execute_scratch", code="1")
            await until(lambda: len(kernels()) >= len(before) + 3)
            client.signal(signal.SIGKILL)
            await client.gone()
        await until(lambda: kernels() <= before, 60, "the end of kernels that nobody knows")
        left = [(s["id"], s["kernel"]["id"]) for s in server.get("/api/sessions").json()]
        assert (theirs["id"], theirs["kernel"]["id"]) in left
        server.delete(f"/api/sessions/{theirs['id']}")


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A server that keeps an unowned kernel for a moment."""
    with project_in(tmp_path_factory.mktemp("patient"), JLAB_MCP_EXIT_GRACE_S="30") as made:
        made.start()
        yield made


async def leave(client: Wire, how: str) -> None:
    """End an MCP server process as clients do."""
    match how:
        case "as Claude Code does":
            for number, pause in ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.5), (signal.SIGKILL, 0)):
                if client.process.poll() is None:
                    client.signal(number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        await client.gone(pause)
        case "SIGTERM":
            client.signal(signal.SIGTERM)
        case "SIGKILL":
            client.signal(signal.SIGKILL)
        case "stdin closed":
            assert client.process.stdin is not None
            client.process.stdin.close()
    await client.gone()


WAYS = ["as Claude Code does", "stdin closed", "SIGTERM", "SIGKILL"]


@pytest.mark.parametrize("how", WAYS)
async def test_a_process_that_follows_in_time_keeps_the_variables(patient_server: Project, how: str) -> None:
    async with wire(patient_server, **CONVERSATION) as first:
        session, _, _ = await open_session(first, "kept")
        other, _, _ = await open_session(first, "other")
        await first.text("execute_code", session_id=session, code="kept = 41")
        await leave(first, how)
    async with wire(patient_server, **CONVERSATION) as second:
        assert (await second.text("execute_code", session_id=session, code="kept + 1")).startswith("42\n")
        claimed = patient_server.status_dir / "sessions" / f"{other}.2.jsonl"
        await until(claimed.exists, what="the session that nobody asked for is taken over, too")
        for each in (session, other):
            await second.text("shutdown_session", session_id=each)


@pytest.mark.parametrize("how", WAYS)
async def test_an_idle_kernel_goes_after_the_grace_and_a_busy_one_after_its_end(
    shared_server: SharedProject, how: str
) -> None:
    async with wire(shared_server) as client:
        idle, _, idle_kernel = await open_session(client, "idle")
        busy, _, busy_kernel = await open_session(client, "busy")
        await client.text("execute_code", session_id=idle, code="1")
        code = "import time, pathlib\nwhile not pathlib.Path('enough').exists(): time.sleep(0.05)\nprint('ended')"
        _, started = client.call("execute_code", session_id=busy, code=code, wait_s=0)
        await started
        idle_process = kernel_pid(idle_kernel)
        assert idle_process
        await leave(client, how)
    assert kernel_pid(busy_kernel)
    await until(lambda: not alive(idle_process), 60, "the idle kernel's end")
    assert kernel_pid(idle_kernel) is None
    assert kernel_pid(busy_kernel)
    with rest(shared_server) as server:  # it forgets a kernel a moment after that has ended
        await until(lambda: idle_kernel not in server.get("/api/kernels").text)
    flag = shared_server.root / "notebooks" / "enough"
    flag.touch()
    async with lasting_wire(shared_server) as later:
        assert "ended" in await later.text("wait_for_run", run_id=f"{busy}-1")
        async with asyncio.timeout(40):
            while idle_kernel in json.dumps(ping := await later.record("ping")):
                await asyncio.sleep(0.1)  # how often the server is asked
        assert ping["healthy"] is True
        await later.text("shutdown_session", session_id=busy)
    flag.unlink()


async def test_a_users_own_cell_runs_where_no_client_lives_and_any_client_takes_its_kernel(
    shared_server: SharedProject,
) -> None:
    async with wire(shared_server) as first:
        session, path, kernel = await open_session(first, "own")
        await first.text("execute_code", session_id=session, code="x = 20")
        first.signal(signal.SIGKILL)
        await first.gone()
    with rest(shared_server) as http:
        await until(lambda: not http.get("jlab-mcp/kernels").json()[kernel]["owner_connected"])
    code = "import time; print(x + 22, flush=True); time.sleep(2); print('slept')"
    act = HumanActed("cell", session, reason=code, by="ben@h", id="h-1:1")
    actions = shared_server.status_dir / "actions"
    await asyncio.to_thread(append, actions / "h-1.jsonl", encode(Entry(time.time(), act)))
    owner = await asyncio.create_subprocess_exec(
        COMMAND, "--own-cells", session, cwd=shared_server.root, env=shared_server.env
    )
    await until_recorded(shared_server, session, "42")
    async with wire(shared_server) as second:
        told = await second.text("wait_for_run", run_id=f"{session}-2")
        while "The user ran a cell of their own" not in told:  # the report follows the end by a moment
            told = await second.text("wait_for_run", run_id=f"{session}-2")
        assert "42\nslept" in told
        assert await asyncio.wait_for(owner.wait(), 40) == 0
        cells = await until(lambda: _cells(path, 2))
        assert cells[1]["metadata"] == {"jlab-mcp": {"by": "ben@h"}}


def append(path: Path, line: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(line)
