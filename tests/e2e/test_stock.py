"""A stock Jupyter server, which has not loaded our extension: the same tools work, and `ping` names what is missing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jlab_tui.adapters.files import is_there
from jlab_tui.core.settings import load_settings
from jlab_tui.services.dashboard.actions import Target
from jlab_tui.services.dashboard.kernel_actions import KernelActions
from jlab_tui.wiring.server import make_access, make_launcher
from tests.children import ended
from tests.e2e.processes import journal_text, kernel_pid, text_of, until_begun, until_recorded, wire
from tests.e2e.proxy import proxied
from tests.project import Project, outputs_text, read_notebook, until
from tests.waiting import pauses

pytestmark = pytest.mark.xdist_group("stock")  # one such server is enough
TOKEN = "a-token-of-the-stock-server"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose status file names a plain `jupyter lab`."""
    base = tmp_path_factory.mktemp("stock")
    root, home = base / "project", base / "home"
    root.mkdir()
    home.mkdir()
    project = Project(root, home)
    project.run("status")  # which directory is this project's
    launch = home / "launch.py"  # what a server of ours is known by
    launch.write_text("from jupyterlab.labapp import main\nmain()\n", encoding="utf-8")
    command = [
        sys.executable,
        str(launch),
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--ip=127.0.0.1",
    ]
    command += [f"--ServerApp.root_dir={root}"]
    env = {**project.env, "JUPYTER_TOKEN": TOKEN, "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
    with (
        open(home / "stock.log", "w", encoding="utf-8") as log,
        ended(
            subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        ) as server,
    ):
        port = until_ready(server, home)
        write_status(project, server.pid, port)
        yield project
        server.terminate()
        server.wait(60)


def until_ready(server: subprocess.Popen[bytes], home: Path) -> int:
    """Wait until the server answers; its port."""
    for pause in pauses(60):
        for path in (home / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(
                ValueError
            ):  # it is there before it is written, and before the server listens
                port = int(json.loads(path.read_text(encoding="utf-8"))["port"])
                if _answers(port):
                    return port
        assert server.poll() is None, (home / "stock.log").read_text()
        time.sleep(pause)
    raise AssertionError((home / "stock.log").read_text())


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def write_status(project: Project, pid: int, port: int) -> None:
    from jlab_tui.adapters.files import is_there
    from jlab_tui.core.settings import load_settings

    settings = load_settings(project.env, project.root, is_there)
    settings.status_dir.mkdir(parents=True, exist_ok=True)
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        start = file.read().rpartition(")")[2].split()[19]
    url = f"http://127.0.0.1:{port}"
    connection = settings.status_dir / "stock.connection.json"
    told = {"hostname": "127.0.0.1", "port": port, "pid": pid, "pid_start": start, "url": url, "started": 1}
    connection.write_text(json.dumps(told), encoding="utf-8")
    pairs = {
        "STATE": "ready", "MODE": "local", "PID": pid, "PID_START": start, "HOSTNAME": "127.0.0.1", "PORT": port,
        "TOKEN": TOKEN, "URL": url, "STARTED": "1.000", "LAUNCHER": socket.gethostname(), "CONN_FILE": connection,
        "END": 1,
    }  # fmt: skip
    text = "".join(f"{key}={value}\n" for key, value in pairs.items())
    (settings.status_dir / "server-status").write_text(text, encoding="utf-8")


async def test_the_tools_work_and_ping_says_what_is_missing(stock: Project) -> None:
    async with wire(stock) as client:
        opened = await client.record("start_new_session", experiment_name="stock")
        session = opened["session_id"]
        use = await client.record("check_resources")
        assert use["memory"]["total_mb"] > use["memory"]["used_mb"] > 0 and use["cpu"]["percent"] is not None
        assert list(use["kernels"]) == [opened["kernel_id"]]
        ping = await client.record("ping")
        assert [kernel["kernel_id"] for kernel in ping["kernels"]] == [opened["kernel_id"]]
        assert ping["healthy"] is True and "extension is not loaded" in ping["missing"]
        assert (await client.text("execute_code", session_id=session, code="x = 41\nx + 1")).startswith(
            "42\n"
        )
        dead = await client.text("execute_code", session_id=session, code="import os; os._exit(1)")
        assert "Error: KernelDied" in dead
        after = await client.text("execute_code", session_id=session, code="'x' in globals()")
        assert after.startswith("False\n") and "all variables and imports are lost" in after
        _, running = client.call("execute_code", session_id=session, code="import time; time.sleep(600)")
        await until_begun(stock, f"{session}-4")
        assert "stopped" in await client.text("interrupt_kernel", session_id=session)
        assert "interrupted" in text_of(await running)
        assert "was restarted" in await client.text("restart_kernel", session_id=session)
        assert (await client.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        await client.text("shutdown_session", session_id=session)
        assert kernel_pid(opened["kernel_id"]) is None


async def test_an_idle_kernel_goes_with_its_process(stock: Project) -> None:
    async with wire(stock) as client:
        opened = await client.record("start_new_session", experiment_name="leaving")
        await client.text("execute_code", session_id=opened["session_id"], code="1")
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert await client.gone() == 0
    await until(lambda: kernel_pid(opened["kernel_id"]) is None)


def connections(project: Project, kernel_id: str) -> int:
    """How many WebSockets of a kernel the server knows."""
    url = project.status_file()["URL"].partition("?")[0].rstrip("/")
    answer = httpx.get(f"{url}/api/kernels/{kernel_id}", headers={"Authorization": f"token {TOKEN}"})
    return int(answer.json()["connections"])


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_cut_of_a_stock_server_loses_nothing_when_nobody_else_is_there(
    stock: Project, tmp_path: Path, how: str
) -> None:
    code = f"""import pathlib, time
for i in range(20):
    print('line', i, flush=True)
    while i == 4 and not pathlib.Path('go-{how}').exists(): time.sleep(0.02)"""
    async with proxied(stock, tmp_path) as (project, proxy), wire(project) as client:
        opened = await client.record("start_new_session", experiment_name="cut")
        session = opened["session_id"]
        _, running = client.call("execute_code", session_id=session, code=code)
        await until_recorded(project, session, "line 4")
        proxy.cut(how)  # type: ignore[arg-type]
        await until(lambda: connections(stock, opened["kernel_id"]) == 0)  # what is sent before that is lost
        (Path(opened["notebook_path"]).parent / f"go-{how}").touch()
        await until(lambda: proxy.accepted > 3)
        proxy.restore()
        reply = text_of(await running)
        assert [x for x in reply.splitlines() if x.startswith("line")] == [f"line {i}" for i in range(20)], (
            reply
        )
        await until(  # the file follows a moment later
            lambda: (
                [
                    outputs_text(cell).splitlines()
                    for cell in read_notebook(Path(opened["notebook_path"]))["cells"]
                ]
                == [[f"line {i}" for i in range(20)]]
            ),
            what="the notebook has every line once",
        )
        await client.text("shutdown_session", session_id=session)


async def test_a_run_that_was_not_seen_is_not_reported_as_done(stock: Project, tmp_path: Path) -> None:
    """The connection goes silent in a run: a stock server keeps sending into the void, and nobody sees the end."""
    code = "import time\nfor i in range(15): print('line', i, flush=True); time.sleep(0.2)"
    async with proxied(stock, tmp_path) as (project, proxy), wire(project) as client:
        opened = await client.record("start_new_session", experiment_name="void")
        session = opened["session_id"]
        _, running = client.call("execute_code", session_id=session, code=code)
        await until_recorded(project, session, "line 2")
        proxy.cut("silence")
        await until(lambda: proxy.accepted > 3, 90)
        assert kernel_pid(opened["kernel_id"])
        proxy.restore()
        reply = text_of(await running)
        assert ": ok" not in reply or "line 14" in reply, reply
        if ": ok" not in reply:
            assert "its end is unknown" in reply and "outputs may be missing" in reply, reply
            assert '"status":"lost"' in journal_text(project, session)
        assert (await client.text("execute_code", session_id=session, code="i")).startswith("14\n")
        await client.text("shutdown_session", session_id=session)


async def test_a_session_has_one_owner_there_too_and_a_frozen_one_notices_that_it_was_followed(
    stock: Project,
) -> None:
    async with wire(stock) as owner, wire(stock) as other:
        opened = await owner.record("start_new_session", experiment_name="owned")
        session, path = opened["session_id"], Path(opened["notebook_path"])
        await owner.text("execute_code", session_id=session, code="x = 41; print('by the owner')")
        refusals = [
            ("execute_code", {"session_id": session, "code": "1"}),
            ("restart_kernel", {"session_id": session}),
            ("shutdown_session", {"session_id": session}),
            ("start_session_resume_notebook", {"notebook_path": str(path)}),
        ]
        for tool, arguments in refusals:
            refused = await other.text(tool, **arguments)
            assert f":{owner.pid})" in refused and "is held by another MCP server process" in refused, tool
        assert "by the owner" in await other.text("read_output", run_id=f"{session}-1")
        assert "adoptable_sessions" not in await other.record("ping")

        owner.signal(signal.SIGSTOP)
        try:
            journal = stock.status_dir / "sessions" / f"{session}.1.jsonl"
            long_ago = time.time() - 60  # as if it had been frozen for so long
            os.utime(journal, (long_ago, long_ago))
            code = "import time; time.sleep(13); x += 1; x"  # longer than the owner trusts its last look
            assert (await other.text("execute_code", session_id=session, code=code)).startswith("42\n")
            await until(lambda: len(cells := read_notebook(path)["cells"]) == 2 and cells[1]["outputs"])
            notebook, recorded = path.read_bytes(), journal.read_bytes()
            _, asked_while_frozen = owner.call("shutdown_session", session_id=session)
        finally:
            owner.signal(signal.SIGCONT)
        assert f":{other.pid}" in (refused := text_of(await asked_while_frozen)), refused
        for tool, arguments in [*refusals[:3], ("add_markdown", {"session_id": session, "markdown": "x"})]:
            refused = await owner.text(tool, **arguments)
            assert f":{other.pid}" in refused and "another" in refused, (tool, refused)
        owner.signal(signal.SIGTERM)
        await owner.gone()
        assert (path.read_bytes(), journal.read_bytes()) == (notebook, recorded)
        assert (await other.text("execute_code", session_id=session, code="x")).startswith("42\n")
        other.signal(signal.SIGKILL)
        await other.gone()
    async with wire(stock) as third:
        assert (await third.text("execute_code", session_id=session, code="x")).startswith("42\n")
        await third.text("shutdown_session", session_id=session)


async def test_the_dashboards_key_stops_a_cell_that_awaits_at_once(stock: Project) -> None:
    settings = load_settings(stock.env, stock.root, is_there)
    launcher, access = make_launcher(settings, stock.env), make_access(settings, stock.env)
    actions = KernelActions(lambda: launcher, access.api)
    async with wire(stock) as client:
        opened = await client.record("start_new_session", experiment_name="key")
        session = opened["session_id"]
        code = "import asyncio\nprint('begun', flush=True)\nawait asyncio.sleep(600)"
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_recorded(stock, session, "begun")
        said = await actions.interrupt(Target(session, opened["kernel_id"], "Key", f"{session}-1"))
        assert said.startswith("Key is idle"), said
        assert "CancelledError" in await client.text("wait_for_run", run_id=f"{session}-1")
        await client.text("shutdown_session", session_id=session)
    await launcher.close()
    await access.close()
