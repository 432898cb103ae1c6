"""The whole of it: an MCP client works, and a person watches and steers in a real terminal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.project import COMMAND, Project, alive, until
from tests.shared import SharedProject

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux server of its own with one pane."""

    def __init__(self, project: Project, command: str, width: int = 120, height: int = 36) -> None:
        self._name = f"jlab-test-{uuid.uuid4().hex[:8]}"
        # The pane stays after the command, so that its last words and exit code can be read.
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(project.root),
                   "env", "-i", *(f"{k}={v}" for k, v in {**project.env, "TERM": "tmux-256color"}.items()),
                   "sh", "-c", f"{command}; echo exit=$?; read -r _")  # fmt: skip

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    async def shows(self, text: str, timeout: float = 60) -> str:
        """The screen, once it shows something that matches."""
        seen: list[str] = []

        def is_seen() -> bool:
            seen[:] = [self.screen()]
            return re.search(text, seen[0]) is not None

        await until(is_seen, timeout, lambda: f"{text!r} on the screen:\n{seen[0]}")
        return seen[0]

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._name, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


@contextmanager
def terminal(project: Project, command: str, width: int = 120, height: int = 36) -> Iterator[Terminal]:
    made = Terminal(project, command, width, height)
    try:
        yield made
    finally:
        made.close()


async def test_the_dashboard_starts_the_server_and_shows_a_cell_live(project: Project) -> None:
    with terminal(project, f"{COMMAND} start") as dashboard:
        await dashboard.shows("● running", 60)
        pid = int(project.status_file()["PID"])
        async with project.client() as agent:
            session = await agent.session("watched")
            code = "import time\nfor n in range(600): print('step', n, flush=True); time.sleep(0.05)"
            await agent.text("execute_code", session_id=session, code=code, wait_s=0)
            await dashboard.shows(r"step \d+")
            screen = dashboard.screen()
            assert "watched" in screen and "for n in range" in screen
            token = project.status_file()["TOKEN"]
            assert token not in screen

            dashboard.keys("i")
            reply = await agent.text("wait_for_run", run_id=f"{session}-1")
            assert "interrupted" in reply and "The user did this from the dashboard (interrupt)" in reply
            await dashboard.shows("KeyboardInterrupt")

            # A second dashboard, opened late, shows the same.
            with terminal(project, f"{COMMAND} start --readonly", 80, 24) as late:
                await late.shows("KeyboardInterrupt")
                late.keys("q")
                await late.shows("exit=0")
        dashboard.keys("q")
        text = await dashboard.shows("exit=0")
        assert f"PID {pid}" in text and "jlab-mcp stop" in text
        assert alive(pid)


async def test_a_killed_pane_leaves_server_and_runs_alone(project: Project) -> None:
    project.start()
    async with project.client() as agent:
        session = await agent.session("survivor")
        with terminal(project, f"{COMMAND} start") as dashboard:
            await dashboard.shows("survivor")
            code = "import time\nfor n in range(20): print(n, flush=True); time.sleep(0.1)"
            await agent.text("execute_code", session_id=session, code=code, wait_s=0)
        reply = await agent.text("wait_for_run", run_id=f"{session}-1")
        assert "ok" in reply and reply.splitlines()[:20] == [str(n) for n in range(20)]
    assert project.run("status").returncode == 0
    assert not list((project.status_dir / "fifos").glob("*.fifo"))


async def test_a_dashboard_with_debug_logs_to_a_private_file_without_the_token(
    shared_server: SharedProject,
) -> None:
    with terminal(shared_server, f"{COMMAND} start --debug") as dashboard:
        await dashboard.shows("● running")
        assert "DEBUG" not in dashboard.screen()
        dashboard.keys("q")
        screen = await dashboard.shows("exit=0")
    (log,) = (shared_server.home / ".jlab-mcp" / "logs").glob("dashboard-*.log")
    assert str(log) in screen.replace("\n", "")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text(encoding="utf-8")
    assert "DEBUG" in text and shared_server.status_file()["TOKEN"] not in text


async def test_stopping_from_the_dashboard_asks_first(project: Project) -> None:
    project.start()
    pid = int(project.status_file()["PID"])
    with terminal(project, f"{COMMAND} start") as dashboard:
        await dashboard.shows("● running")
        dashboard.keys("Q")
        await dashboard.shows(r"Stop the server\?")
        dashboard.keys("Escape")
        await until(lambda: "Stop the server?" not in dashboard.screen())
        assert alive(pid)
        dashboard.keys("Q")
        await dashboard.shows(r"Stop the server\?")
        dashboard.keys("y")
        await until(lambda: not alive(pid))


@pytest.mark.parametrize("has_matplotlib", [True, False])
def test_the_demo_runs_without_a_terminal_and_leaves_nothing(project: Project, has_matplotlib: bool) -> None:
    active = project.home / "active"  # an environment of the shell, which runs no kernels
    (active / "bin").mkdir(parents=True)
    temporary = project.home / "temporary"
    temporary.mkdir()
    without = (
        "" if has_matplotlib else "import sys\nsys.modules['matplotlib'] = None\n"
    )  # as `uvx jlab-mcp demo` has it
    (active / "sitecustomize.py").write_text(without, encoding="utf-8")
    done = project.run("demo", TMPDIR=str(temporary), VIRTUAL_ENV=str(active), PYTHONPATH=str(active))
    assert ("from chart import chart" in done.stdout) is not has_matplotlib
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("<- execute_code") == 5 and "PROBLEM" not in done.stdout
    assert done.stdout.count("<1 image>") == 2 and "NameError: name 'heta'" in done.stdout
    assert "This was the demo" in done.stdout and "jlab-mcp init" in done.stdout.splitlines()[-2]
    pid = re.findall(r"JupyterLab ready at \S+ \(PID (\d+)\)", done.stdout)[0]
    assert not alive(int(pid)) and not list(temporary.iterdir())
    assert set(project.home.iterdir()) == {active, temporary}


async def test_the_demo_tells_its_story_and_leaves_nothing_when_it_is_left_or_killed(
    project: Project,
) -> None:
    temporary = project.home / "temporary"
    temporary.mkdir()
    named = f"TMPDIR={temporary}".encode()
    with terminal(project, f"env TMPDIR={temporary} {COMMAND} demo") as demo:
        await demo.shows("an agent works", 90)
        demo.keys("q")
        assert "This was the demo" in await demo.shows("exit=0", 90)
        assert list(temporary.iterdir()) == [] and processes(named) == []
    with terminal(project, f"env TMPDIR={temporary} {COMMAND} demo") as demo:
        screen = await demo.shows(r"The agent opens a session", 90)
        assert "from cell to cell" in screen and "Ask Claude" not in screen
        (directory,) = temporary.glob("jlab-mcp-demo-*")
        ours = processes(named)
        (shown,) = [pid for pid in ours if b"\0demo\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(ours) > 5, "dashboard, player, relay, worker, server and kernels"
        os.kill(shown, signal.SIGKILL)
        await until(lambda: not directory.exists(), 90, what="its files are gone")
        await until(lambda: processes(named) == [], 90, what="its processes have ended")
        assert list(temporary.iterdir()) == []


async def test_a_demo_that_goes_wrong_says_so_on_the_screen_and_afterwards(project: Project) -> None:
    broken = project.home / "broken"
    broken.mkdir()
    (broken / "ipykernel_launcher.py").write_text("raise SystemExit('it does not run')\n", encoding="utf-8")
    with terminal(project, f"env PYTHONPATH={broken} {COMMAND} demo") as demo:
        screen = await demo.shows("PROBLEM: execute_code answered: The kernel died", 90)
        assert "You have ended" not in screen
        demo.keys("q")
        told = await demo.shows("exit=1", 90)
        assert "PROBLEM: execute_code answered" in told and "jlab-mcp start" in told


def processes(named: bytes) -> list[int]:
    """Those with a line in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if named in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


async def test_a_recorded_journal_is_played_without_a_server(
    shared_server: SharedProject, project: Project
) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("recorded")
        await agent.text("execute_code", session_id=session, code="print('once upon a time')")
    (journal,) = shared_server.journals(session)
    with terminal(project, f"{COMMAND} start --replay {journal} --speed 64") as replay:
        await replay.shows("once upon a time")
        replay.keys("q")
        await replay.shows("exit=0")
    assert not list((project.home / ".jlab-mcp").glob("servers/*/server-status"))


def test_a_theme_that_does_not_exist_is_named(project: Project) -> None:
    done = project.run("start", "--theme", "plaid", "--replay", "none.jsonl")
    assert done.returncode == 2 and "no theme 'plaid'" in done.stderr and "tokyo-night" in done.stderr
    done = project.run("start", "--replay", "none.jsonl")
    assert done.returncode == 2 and "contains no journal" in done.stderr


async def test_the_end_of_a_kernel_whose_client_closed_is_explained_on_the_screen_and_to_the_next_client(
    shared_server: SharedProject,
) -> None:
    with ExitStack() as stack:
        async with shared_server.client() as agent:
            opened = await agent.record("start_new_session", experiment_name="left behind")
            await agent.text("execute_code", session_id=opened["session_id"], code="held = 41")
            dashboard = stack.enter_context(terminal(shared_server, f"{COMMAND} start --readonly", 160, 40))
            await dashboard.shows(r"held = 41")
        shown = await dashboard.shows(r"○ left_behind .*\n.* ended · 1 cell .*\n.* client left \d\d:\d\d")
        assert re.search(r"Its client left at [^,]*, and its idle kernel ended 1 s", shown), shown
    async with shared_server.client() as agent:
        said = await agent.error("execute_code", session_id=opened["session_id"], code="held")
        assert "and its idle kernel ended 1 s later (JLAB_MCP_EXIT_GRACE_S sets how long)" in said
        again = await agent.record("start_session_resume_notebook", notebook_path=opened["notebook_path"])
        assert again["live_kernel"] is False and "its idle kernel ended 1 s later" in again["warnings"][0]
