"""The real program in a real terminal: keys, resize, signals, a killed pane, a removed FIFO, a vanished status file."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jlab_tui.adapters.journal.bell import Bell
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionOpened,
    TextPrinted,
    decode,
    encode,
)
from jlab_tui.core.server.record import Mode, ServerRecord, ServerState
from tests.waiting import pauses

from .real_app import HOST

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def until(holds: Callable[[], bool], what: str | Callable[[], str], seconds: float = 40) -> None:
    for pause in pauses(seconds):
        if holds():
            return
        time.sleep(pause)
    raise AssertionError(what() if callable(what) else what)


class Project:
    """Files that a dashboard watches, and writers of news."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions = directory / "sessions"
        self.sessions.mkdir(parents=True)
        self.status = StatusFile(directory / "server-status")
        self.status.write(
            ServerRecord(
                ServerState.READY,
                Mode.LOCAL,
                "node-01",
                pid=4711,
                launcher=HOST,
                started=1.0,
                token="f00dfeed" * 6,
            )
        )
        self.bell = Bell(directory / "fifos", HOST)
        self.write("s1", SessionOpened("s1", "first", "/nb/first.ipynb", "k-1", "node-01", 1.0))

    def write(self, session: str, *events: Event) -> None:
        with (self.sessions / f"{session}.1.jsonl").open("ab") as file:
            for event in events:
                file.write(encode(Entry(time.time(), event)))
        self.bell.ring({"session": session, "kind": "text"})

    def raw(self, session: str, data: bytes) -> None:
        with (self.sessions / f"{session}.1.jsonl").open("ab") as file:
            file.write(data)
        self.bell.ring({"session": session, "kind": "text"})

    def fifos(self) -> list[Path]:
        return list((self.directory / "fifos").glob("*.fifo"))


class Tmux:
    """One tmux server of our own with one window."""

    def __init__(self, width: int = 110, height: int = 30) -> None:
        self.name = f"jlab-test-{uuid.uuid4().hex[:8]}"
        self.size = (str(width), str(height))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout

    def start(self, project: Project, *options: str) -> None:
        program = f"{sys.executable} -m tests.tui.real_app {project.directory} {' '.join(options)}"
        command = f"cd {ROOT} && unset NO_COLOR; {program}; echo exit=$?; stty -a | grep -o 'icanon'; exec sleep 600"
        self.run("new-session", "-d", "-x", self.size[0], "-y", self.size[1], command)

    def screen(self) -> str:
        return self.run("capture-pane", "-p")

    def see(self, text: str) -> None:
        until(lambda: text in self.screen(), lambda: f"{text!r} is not on the screen:\n{self.screen()}")

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def pid(self, project: Project) -> int:
        """Process id of the dashboard, from the name of its FIFO."""
        until(lambda: bool(project.fifos()), "no FIFO")
        return int(project.fifos()[0].stem.rpartition("-")[2])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "status")


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    terminal = Tmux()
    try:
        yield terminal
    finally:
        terminal.run("kill-server")


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_a_whole_visit(project: Project, tmux: Tmux) -> None:
    """Start, live news, a resize and back, an action with its record, quit: everything is as it was found."""
    tmux.start(project)
    tmux.see("first · nb/first.ipynb")
    assert "\x1b[38;2;" in tmux.run("capture-pane", "-p", "-e")  # true colours inside tmux
    project.write(
        "s1",
        RunStarted("s1-1", "execute_code", "c1", "print('hello')"),
        TextPrinted("s1-1", "stdout", "hello there\n"),
    )
    tmux.see("hello there")
    until(lambda: tmux.run("display-message", "-p", "#{pane_title}").strip() == "jlab 1 busy", "no title")
    tmux.run("resize-window", "-x", "60", "-y", "20")
    tmux.see("1 ▶ first")
    tmux.run("resize-window", "-x", "20", "-y", "5")
    tmux.run("resize-window", "-x", "170", "-y", "45")
    tmux.see("─ Detail ─")
    tmux.run("set-buffer", "no keys: \x1b[31m" + 40 * "q")
    tmux.run("paste-buffer", "-p")
    tmux.keys("i")
    tmux.see("The kernel of first is idle.")
    (actions,) = (project.directory / "actions").glob("*.jsonl")
    entries = [decode(line).event for line in actions.read_bytes().splitlines()]
    assert [getattr(e, "outcome", None) for e in entries] == ["", "The kernel of first is idle."]
    tmux.see("ben@login1 interrupted the kernel: The kernel of first is idle.")
    tmux.keys("y")
    until(lambda: tmux.run("show-buffer") == "print('hello')", "the code is not in tmux's buffer")
    assert "f00dfeed" not in tmux.run("capture-pane", "-p", "-e")
    tmux.keys("q")
    tmux.see("exit=0")
    tmux.see("icanon")  # the terminal is as it was
    screen = tmux.screen()
    assert "JupyterLab is still running (node-01, PID 4711" in screen and "jlab-mcp stop" in screen
    assert "f00dfeed" not in screen
    assert project.fifos() == []
    assert tmux.run("display-message", "-p", "#{alternate_on}#{mouse_any_flag}").strip() == "00"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal(
    project: Project, tmux: Tmux, number: signal.Signals, code: int
) -> None:
    tmux.start(project)
    tmux.see("first · nb/first.ipynb")
    os.kill(tmux.pid(project), number)
    tmux.see(f"exit={code}")
    assert tmux.run("display-message", "-p", "#{alternate_on}#{mouse_any_flag}").strip() == "00"
    assert project.fifos() == []


def test_a_killed_pane_ends_the_dashboard_and_nothing_else(project: Project, tmux: Tmux) -> None:
    tmux.start(project)
    tmux.see("first · nb/first.ipynb")
    pid = tmux.pid(project)
    tmux.run("kill-pane")
    until(lambda: not alive(pid), "the dashboard outlives its pane")
    assert project.fifos() == []
    assert project.status.read() is not None


def test_two_dashboards_see_the_same_and_a_removed_fifo_comes_back(project: Project, tmux: Tmux) -> None:
    other = Tmux()
    try:
        tmux.start(project)
        other.start(project, "--ascii", "--day", "--readonly")
        tmux.see("first · nb/first.ipynb")
        other.see("first - nb/first.ipynb")
        until(lambda: len(project.fifos()) == 2, "not two FIFOs")
        for fifo in project.fifos():
            fifo.unlink()
        until(lambda: len(project.fifos()) == 2, "the FIFOs do not come back")
        project.write("s2", SessionOpened("s2", "second", "/nb/second.ipynb", "k-2", "node-01", 1.0))
        for terminal in (tmux, other):
            terminal.see("second")
    finally:
        other.run("kill-server")


def test_damage_on_disk_is_survived(project: Project, tmux: Tmux) -> None:
    """Torn, newer, binary and gigantic lines; a status file that vanishes, is damaged, and comes back."""
    tmux.start(project)
    tmux.see("first · nb/first.ipynb")
    project.raw("s1", b'{"v":1,"k":"run","t":1,"run":"s1-1","tool":"execute_code","cell":"c","sou')
    project.raw(
        "s1", b'rce":"mended()"}\n\xff\xfe\x00\x01 binary\n{"v":99,"k":"hologram","t":2}\n[1,2]\nnull\n'
    )
    project.raw("s1", encode(Entry(3.0, TextPrinted("s1-1", "stdout", "G" * 30_000_000 + "\n"))))
    project.write(
        "s1", TextPrinted("s1-1", "stdout", "after the giant\n"), RunFinished("s1-1", RunStatus.OK, 1.0, 1)
    )
    tmux.see("after the giant")
    tmux.keys("[")
    tmux.see("mended()")
    status = (project.directory / "server-status").read_text(encoding="utf-8")
    (project.directory / "server-status").unlink()
    tmux.see("No Jupyter server is running")
    (project.directory / "server-status").write_text("STATE=rea", encoding="utf-8")
    tmux.see("incomplete")
    (project.directory / "server-status").write_text(status, encoding="utf-8")
    tmux.see("● running")


def test_without_a_bell_the_journals_are_read_every_second(project: Project, tmux: Tmux) -> None:
    (project.directory / "fifos").write_text("not a directory", encoding="utf-8")
    tmux.start(project)
    tmux.see("No live bell here")
    project.write("s1", RunStarted("s1-1", "execute_code", "c1", "seen_all_the_same()"))
    tmux.see("seen_all_the_same()")


def test_the_bell_rings_once_for_long_runs_that_end_together_and_never_for_short_ones(
    project: Project, tmux: Tmux
) -> None:
    project.write("s1", *ended("old", 600, RunStatus.OK))
    tmux.start(project, "--bell")
    tmux.see("old ends")
    written = project.directory / "bytes"
    tmux.run("pipe-pane", f"cat > {written}")
    project.write("s1", RunStarted("short", "execute_code", "c1", "1/0"))
    tmux.see("1/0")
    project.write("s1", *ended("short", 0.3, RunStatus.ERROR)[1:])
    tmux.see("short ends")
    assert b"\a" not in written.read_bytes()
    for run in ("long", "longer"):
        project.write("s1", RunStarted(run, "execute_code", "c", f"train('{run}')"))
    tmux.see("train('longer')")
    for run in ("long", "longer"):
        project.write("s1", *ended(run, 75, RunStatus.ERROR)[1:])
    tmux.see("longer ends")
    until(lambda: written.read_bytes().count(b"\a") == 1, "the bell did not ring")
    project.write("s1", *ended("last", 0.1, RunStatus.OK))
    tmux.see("last ends")
    assert written.read_bytes().count(b"\a") == 1


def ended(run: str, seconds: float, status: RunStatus) -> list[Event]:
    return [
        RunStarted(run, "execute_code", "c", f"{run}()"),
        TextPrinted(run, "stdout", f"{run} ends\n"),
        RunFinished(run, status, seconds, 1),
    ]


def test_a_crash_restores_the_terminal_and_prints_no_values(project: Project, tmux: Tmux) -> None:
    tmux.start(project, "--crash")
    tmux.see("exit=1")
    screen = tmux.run("capture-pane", "-p", "-S", "-200")
    assert "ZeroDivisionError" in screen and "f00dfeed" not in screen
    (log,) = (project.directory / "logs").glob("dashboard-*.log")
    assert f"Details: {log}" in screen.replace("\n", "")
    text = log.read_text(encoding="utf-8")
    assert "the dashboard crashed" in text and "ZeroDivisionError" in text and "f00dfeed" not in text
    assert tmux.run("display-message", "-p", "#{alternate_on}#{mouse_any_flag}").strip() == "00"
