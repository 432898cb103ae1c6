"""The program on a slow or stopped line, and after a suspension, on a pseudo-terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jlab_tui.core.journal.events import DataShown, RunStarted, SessionOpened, TextPrinted

from . import stage
from .emulator import Emulator
from .test_tmux import ROOT, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops a process group of its own")

BURSTS = 12


class Line:
    """The far end: reads only when asked to."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self.process = process
        self.screen = Emulator(120, 36)
        self.count = 0
        self.name = b""
        """what it answers when it is asked what it is"""

    def read(self, until: Callable[[], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.screen.text
            if select.select([self._descriptor], [], [], 0.2)[0]:
                asked, named = self.screen.questions, self.screen.names
                data = os.read(self._descriptor, 1 << 16)
                self.count += len(data)
                self.screen.feed(data)
                os.write(self._descriptor, self.name * (self.screen.names - named))
                os.write(self._descriptor, b"\x1b[1;1R" * (self.screen.questions - asked))

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def see(self, text: str) -> None:
        self.read(lambda: text in self.screen.text)


@contextmanager
def dashboard(project: Project, **env: str) -> Iterator[Line]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 36, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tui.real_app", str(project.directory)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "TMUX": "", **env},
        start_new_session=True,
    )
    try:
        yield Line(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_a_line_that_stood_still_shows_the_present_and_not_what_was_in_between(tmp_path: Path) -> None:
    project = Project(tmp_path / "status")
    with dashboard(project) as line:
        project.write("s1", SessionOpened("s1", "train", "/nb/a.ipynb", "k-1", "node-01", 0.0))
        project.write("s1", RunStarted("r1", "execute_code", "c1", "train()"))
        line.see("train()")
        project.write("s1", TextPrinted("r1", "stdout", "step 0 first\n"))
        line.see("step 0 first")
        for number in range(1, BURSTS + 1):
            texts = "".join(f"step {number * 100 + n} {'abcdefgh'[n % 8] * 60}\n" for n in range(100))
            project.write("s1", TextPrinted("r1", "stdout", texts))
            time.sleep(0.2)  # the far end reads nothing for as long as it takes to draw some frames
        project.write("s1", TextPrinted("r1", "stdout", "step 9999 last\n"))
        before = line.count
        line.see("step 9999 last")
        assert (
            line.count - before < 2 * 120 * 36
        )  # two screens of text; ten times as much if each frame is sent
        assert line.screen.questions >= 1


def test_the_screen_is_whole_again_after_a_suspension(tmp_path: Path) -> None:
    """And a terminal that says what it is gets octants; its answer presses no key."""
    project = Project(tmp_path / "status")
    with dashboard(project) as line:
        line.name = b"\x1bP>|kitty(0.42.1)\x1b\\"
        project.write("s1", SessionOpened("s1", "train", "/nb/a.ipynb", "k-1", "node-01", 0.0))
        project.write("s1", RunStarted("r1", "execute_code", "c1", "train()"))
        line.see("train()")
        project.write("s1", DataShown("r1", {"image/png": stage.loss_curve()}))
        line.read(lambda: any("\U0001cd00" <= char <= "\U0001cde5" for char in line.screen.text))
        assert line.screen.names == 1 and "kitty" not in line.screen.text
        project.write("s1", TextPrinted("r1", "stdout", "\n" * 40 + "train()\n"))
        os.kill(line.process.pid, signal.SIGTSTP)
        line.read(lambda: Path(f"/proc/{line.process.pid}/stat").read_text().split(")")[1].split()[0] == "T")
        line.screen = Emulator(120, 36)
        os.kill(line.process.pid, signal.SIGCONT)
        line.see("train()")
        line.see("? Help")
        line.see("Sessions")


def test_a_signal_to_continue_repaints_and_starts_no_second_reader(tmp_path: Path) -> None:
    """A terminal that is hung up sends it as well; a reader that nobody ends would keep the program alive."""
    project = Project(tmp_path / "status")
    with dashboard(project) as line:
        project.write("s1", SessionOpened("s1", "train", "/nb/a.ipynb", "k-1", "node-01", 0.0))
        project.write("s1", RunStarted("r1", "execute_code", "c1", "train()"))
        line.see("train()")
        threads = Path(f"/proc/{line.process.pid}/task")
        before = len(list(threads.iterdir()))
        for _ in range(4):
            line.screen = Emulator(120, 36)
            os.kill(line.process.pid, signal.SIGCONT)
            line.see("train()")
            line.see("? Help")
        assert len(list(threads.iterdir())) < before + 4  # a pair of threads for each signal would be 8
        os.kill(line.process.pid, signal.SIGHUP)
        line.read(lambda: line.process.poll() is not None)
        assert line.process.returncode == 129
