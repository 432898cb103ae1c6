"""Whatever a session's record holds, the bytes that the dashboard sends to a terminal are its own sequences and plain text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.core.journal.events import (
    DataShown,
    ErrorRaised,
    Event,
    HumanActed,
    KernelChanged,
    NotebookEdited,
    Notice,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)

from .emulator import Emulator
from .test_tmux import ROOT, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal of Linux")

BODIES = (
    "\x1b]52;c;{m}\x07", "\x1b]0;{m}\x1b\\", "\x1b]8;;http://{m}\x1b\\", "\x1b]1337;File={m}\x07", "\x1bP{m}\x1b\\",
    "\x1b_G{m}\x1b\\", "\x1b^{m}\x1b\\", "\x1bX{m}\x1b\\", "\x9d52;c;{m}\x9c", "\x9b7777;1H{m}", "\x90{m}\x9c",
    "\x1b[7777;1H{m}", "\x1b[7777n{m}", "\x1b[7777t{m}", "\x1b[?7777h{m}", "\x1bc{m}", "\x1b(0{m}", "\x1b#8{m}",
    "\x07\x08\x0b\x0c\x0e\x0f{m}", "\u202e{m}", "\u2066{m}", "\x1b[{m}", "\x1b]{m}", "\x1b{m}", "\x00\x7f{m}",
)  # fmt: skip
"""each with a mark in it: titles, clipboards, links, files, images, reports, cursors, character sets, text directions"""
OWN = ("\x1b]22;default\x07", "\x1b]2;jlab ready\x1b\\", "\x1b]2;jlab no server\x1b\\")
"""the shape of the mouse pointer, and the title of the pane"""
SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x80-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)


def events(run: str, body: str) -> list[Event]:
    """A hostile text in every place that others fill, each in a cell or a line of its own."""
    outputs: list[Event] = [
        TextPrinted("", "stdout", body),
        TextPrinted("", "stderr", f"\r{body}"),
        DataShown("", {"text/plain": body}),
        DataShown("", {"text/html": f"<b title='{body}'>{body}</b>"}),
        DataShown("", {f"text/x-{body}": body}),
        DataShown("", {"text/markdown": body}),
        DataShown("", {"image/svg+xml": f"<svg><title>{body}</title></svg>", "text/latex": body}),
        ErrorRaised("", body, body, (body, f"last {body}")),
        ErrorRaised("", body, body, ()),
        OutputDropped("", 5, body, body),
    ]
    found: list[Event] = []
    for number, output in enumerate(outputs):
        cell = f"{run}{number}"
        found.append(RunStarted(cell, body, f"c-{cell}", f"x = 1  # {body}"))
        found.append(replace(output, run=cell))  # type: ignore[arg-type]
        found.append(RunFinished(cell, RunStatus.DIED, 0.1, cause=body))
    return [
        *found,
        NotebookEdited(body, f"c-{run}0", body, 1, body),
        NotebookEdited("markdown", f"c-{run}m", body, 1, "markdown"),
        KernelChanged(body, body),
        Notice(body, "warning"),
        HumanActed(body, body, f"{run}0", body, body, body),
    ]


class Terminal:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._screen = Emulator(200, 120)
        self.sent = b""
        self.marks: set[str] = set()
        """marks of the records that were on the screen"""

    def see(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self._screen.text:
            assert time.monotonic() < deadline, f"{text!r} is not on the screen:\n{self._screen.text}"
            if select.select([self._descriptor], [], [], 1)[0]:
                data = os.read(self._descriptor, 1 << 16)
                self.sent += data
                self._screen.feed(data)
                self.marks.update(re.findall(r"M\d\dM", self._screen.text))


@contextmanager
def dashboard(project: Project) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 120, 200, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "tests.tui.real_app", str(project.directory)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=env)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_no_sequence_of_a_record_reaches_the_terminal(tmp_path: Path) -> None:
    project = Project(tmp_path / "status")
    written = 0
    with dashboard(project) as terminal:
        terminal.see("first")
        for number, pattern in enumerate(BODIES):
            body = pattern.replace("{m}", f"M{number:02}M")
            opened = SessionOpened(f"h{number}", body, body, body, body, 1.0, body, body, body, body)
            news = [opened, *events(f"h{number}-", body)]
            project.write(f"h{number}", *news, Notice(f"seen{number:02}"))
            terminal.see(f"seen{number:02}")
            project.write(f"h{number}", SessionClosed(body))
            written += str(news).count(f"M{number:02}M")
    text = terminal.sent.decode("utf-8", "replace")
    sequences = SEQUENCE.findall(text)
    assert written == 1_700
    assert len(terminal.marks) >= 16, "what surrounds no text of its own is shown"
    assert [one for one in sequences if "7777" in one or re.search(r"M\d\dM", one)] == []
    assert {one for one in sequences if not one.startswith("\x1b[")} <= {*OWN}
