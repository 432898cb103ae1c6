"""What the dashboard costs: first frame, idle, a million lines, a stream, keys under load, bell to screen, a slow line, search.

    python benchmarks/dashboard.py [start|first-frame|idle|load|old|stream|flood|bell|line|search ...]

`start` is `jlab-mcp start` at a real JupyterLab server; the others play the server. The real program runs on a pseudo-terminal of 120x36; CPU time and memory are the process's own (/proc), Linux only.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import resource
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jlab_tui.adapters.journal.bell import Bell  # noqa: E402
from jlab_tui.adapters.server.status_file import StatusFile  # noqa: E402
from jlab_tui.core.journal.events import (  # noqa: E402
    Entry,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.server.record import Mode, ServerRecord, ServerState  # noqa: E402
from tests.tui.emulator import Emulator  # noqa: E402

HOST = "testhost"
LINE = "epoch {:6d} step {:5d}  loss=0.4304  lr=3e-4  1,812 img/s  {:06d} ok\n"


class Terminal:
    """The dashboard on a pseudo-terminal; a thread reads its output, at most `bytes_s` a second if that is given."""

    def __init__(
        self, status_dir: Path, *options: str, command: list[str] | None = None, bytes_s: int = 0
    ) -> None:
        played = [sys.executable, "-m", "tests.tui.real_app", str(status_dir), *options]
        program = command or played
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.environ.pop("TMUX", None)
            os.execv(program[0], program)
        self.count = 0
        """bytes that came so far"""
        self._screen = Emulator(120, 36)
        self._bytes_s = bytes_s
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                ready, _, _ = select.select([self.fd], [], [], 5)
                data = os.read(self.fd, 256 if self._bytes_s else 1 << 16) if ready else b"-"
            except OSError:
                return
            if data == b"-":
                continue
            if not data:
                return
            with self.news:
                self.count += len(data)
                self._screen.feed(data)
                self.news.notify_all()
            if self._bytes_s:
                time.sleep(len(data) / self._bytes_s)

    @property
    def text(self) -> str:
        """What is on the screen."""
        with self.news:
            return self._screen.text

    def wait_for(self, text: str, timeout: float = 60) -> float:
        """Return the seconds until `text` is on the screen."""
        return self._wait(lambda: text in self._screen.text, text, timeout)

    def wait_without(self, text: str, timeout: float = 60) -> float:
        """Return the seconds until `text` is not on the screen."""
        return self._wait(lambda: text not in self._screen.text, f"no {text}", timeout)

    def _wait(self, holds: Callable[[], bool], what: str, timeout: float) -> float:
        began = time.perf_counter()
        with self.news:
            while not holds():
                left = timeout - (time.perf_counter() - began)
                if left <= 0 or not self.news.wait(left):
                    raise TimeoutError(f"{what!r} did not come:\n{self._screen.text}")
        return time.perf_counter() - began

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Project:
    """A status directory with a ready server and one session's journal."""

    def __init__(self, directory: Path, *, is_played: bool = True, session: str = "s1") -> None:
        self.directory = directory
        self.session = session
        (directory / "sessions").mkdir(parents=True, exist_ok=True)
        record = ServerRecord(
            ServerState.READY,
            Mode.LOCAL,
            hostname="node-01",
            pid=os.getpid(),
            launcher=HOST,
            started=time.time(),
        )
        if is_played:
            StatusFile(directory / "server-status").write(record)
        self.path = directory / "sessions" / f"{session}.1.jsonl"
        self.file = self.path.open("ab")
        self.bell = Bell(directory / "fifos", HOST)
        self.write(
            SessionOpened(
                session,
                f"bench-{session}",
                "/nb/bench.ipynb",
                "k-1" if session == "s1" else f"k-{session}",
                "node-01",
                0.0,
            )
        )

    def write(self, *events: object) -> None:
        for event in events:
            self.file.write(encode(Entry(time.time(), event)))  # type: ignore[arg-type]
        self.file.flush()

    def ring(self) -> None:
        self.bell.ring(
            {"session": self.session, "journal": self.path.name, "end": self.file.tell(), "kind": "text"}
        )

    def fill(self, cells: int, lines: int) -> None:
        number = 0
        for cell in range(cells):
            text = "".join(LINE.format(cell, n, number + n) for n in range(lines))
            number += lines
            run = f"{self.session}-{cell}"
            self.write(
                RunStarted(run, "execute_code", f"c{cell}", f"for step in range({lines}):\n    train(step)"),
                TextPrinted(run, "stdout", text),
                RunFinished(run, RunStatus.OK, 1.0, cell),
            )


def first_frame(directory: Path) -> dict[str, object]:
    Project(directory).fill(20, 10)
    times, full, textual = [], [], []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
        textual.append(time.perf_counter() - began)
        terminal = Terminal(directory)
        terminal.wait_for("palette")
        times.append(time.perf_counter() - terminal.began)
        cpu = terminal.cpu()
        terminal.wait_for("following")
        full.append(time.perf_counter() - terminal.began)
        terminal.close()
    return {
        "import textual.app alone s": statistics.median(textual),
        "with cells s": statistics.median(full),
        "first frame s (median of 7)": statistics.median(times),
        "best": min(times),
        "cpu s": cpu,
        "limit": 0.5,
    }


def start(directory: Path) -> dict[str, object]:
    """`jlab-mcp start` at a running server: first frame, and the cost of watching it for half a minute."""
    project = directory.parent / "project"
    project.mkdir()
    os.environ["JLAB_MCP_STATUS_DIR"] = str(directory)
    os.environ["JLAB_MCP_RUN_MODE"] = "local"
    os.environ["CLAUDE_PROJECT_DIR"] = str(project)
    jlab = [sys.executable, "-m", "jlab_tui"]
    subprocess.run([*jlab, "start", "--detach"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        Project(directory, is_played=False).fill(20, 10)
        frames, cpus, textual = [], [], []
        for _ in range(7):
            textual.append(cpu_of([sys.executable, "-c", "import textual.app"]))
            terminal = Terminal(directory, command=[*jlab, "start"])
            terminal.wait_for("palette")
            cpus.append(terminal.cpu())
            frames.append(time.perf_counter() - terminal.began)
            terminal.wait_for("MEM")
            terminal.close()
        terminal = Terminal(directory, command=[*jlab, "start"])
        terminal.wait_for("CPU ·")
        time.sleep(6)
        before = terminal.cpu()
        time.sleep(30)
        used = terminal.cpu() - before
        rss = terminal.rss_mb()
        terminal.close()
    finally:
        subprocess.run([*jlab, "stop"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return {
        "first frame s (median of 7)": statistics.median(frames),
        "best": min(frames),
        "cpu s (best)": min(cpus),
        "import textual.app alone cpu s (best)": min(textual),
        "ratio": min(cpus) / min(textual),
        "idle CPU %": used / 30 * 100,
        "RSS MB": rss,
        "limit": "0.5 s, 1.5 %",
    }


def cpu_of(command: list[str]) -> float:
    """CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def idle(directory: Path) -> dict[str, object]:
    Project(directory).fill(20, 10)
    terminal = Terminal(directory)
    terminal.wait_for("following")
    time.sleep(4)
    before = terminal.cpu()
    time.sleep(20)
    used = terminal.cpu() - before
    rss = terminal.rss_mb()
    terminal.close()
    return {"idle CPU %": used / 20 * 100, "RSS MB": rss, "limit": 1.5}


def load(directory: Path) -> dict[str, object]:
    project = Project(directory)
    project.fill(10_000, 100)
    size = project.path.stat().st_size
    terminal = Terminal(directory)
    terminal.wait_for("999999 ok")
    wall = time.perf_counter() - terminal.began
    cpu = terminal.cpu()
    time.sleep(1)
    result = {"lines": 1_000_000, "journal MB": size / 1e6, "exec to last line s": wall, "cpu s": cpu}
    result["RSS MB"] = terminal.rss_mb()
    result["peak MB"] = terminal.peak_mb()
    before = terminal.cpu()
    for _ in range(50):
        terminal.press("\x1b[5~")
        time.sleep(0.02)
    time.sleep(0.3)
    result["page up ms cpu"] = (terminal.cpu() - before) / 50 * 1000
    terminal.close()
    return {**result, "limit": "2 s, 150 MB"}


def old(directory: Path) -> dict[str, object]:
    """10,000 cells in ten closed sessions beside an open one: the cost of starting, and of showing one of them."""
    for number in range(10):
        project = Project(directory, session=f"old{number}")
        project.fill(1000, 100)
        project.write(SessionClosed("done"))
    Project(directory).fill(20, 10)
    terminal = Terminal(directory)
    terminal.wait_for("following")
    wall, cpu, rss = time.perf_counter() - terminal.began, terminal.cpu(), terminal.rss_mb()
    terminal.press("C")
    terminal.wait_for("bench-old")
    terminal.press("2")
    result = {"first cells s": wall, "cpu s": cpu, "RSS MB": rss}
    result["an old one s"] = terminal.wait_for("99999 ok")
    result["RSS MB then"] = terminal.rss_mb()
    terminal.close()
    return {**result, "limit": "as with no old session"}


def stream(directory: Path) -> dict[str, object]:
    project = Project(directory)
    project.fill(50, 20)
    terminal = Terminal(directory)
    terminal.wait_for("following")
    project.write(RunStarted("s1-x", "execute_code", "cx", "train()"))
    time.sleep(2)
    before, number = terminal.cpu(), 0
    end = time.perf_counter() + 10
    due = time.perf_counter()
    while time.perf_counter() < end:
        project.write(
            TextPrinted("s1-x", "stdout", "".join(LINE.format(1, n, number + n) for n in range(100)))
        )
        project.ring()
        number += 100
        due += 0.1
        time.sleep(max(0.0, due - time.perf_counter()))
    used = terminal.cpu() - before
    terminal.close()
    return {"lines/s": number / 10, "CPU %": used / 10 * 100, "limit": 15}


def flood(directory: Path) -> dict[str, object]:
    """Keys while 10 MB/s arrive: `?` opens the help panel, escape closes it."""
    project = Project(directory)
    project.fill(50, 20)
    terminal = Terminal(directory)
    terminal.wait_for("following")
    project.write(RunStarted("s1-x", "execute_code", "cx", "train()"))
    stop = threading.Event()
    block = "".join(LINE.format(1, n, n) for n in range(1400))
    sent = [0]

    def pour() -> None:
        due = time.perf_counter()
        while not stop.is_set():
            for _ in range(10):
                project.write(TextPrinted("s1-x", "stdout", block))
                sent[0] += len(block)
            project.ring()
            due += 0.1
            time.sleep(max(0.0, due - time.perf_counter()))

    thread = threading.Thread(target=pour)
    thread.start()
    time.sleep(2)
    before, began = terminal.cpu(), time.perf_counter()
    waits = []
    for _ in range(20):
        pressed = time.perf_counter()
        terminal.press("?")
        terminal.wait_for("esc closes")
        waits.append(time.perf_counter() - pressed)
        terminal.press("q")
        terminal.wait_without("esc closes")
        time.sleep(0.25)
    used, took = terminal.cpu() - before, time.perf_counter() - began
    stop.set()
    thread.join()
    rss = terminal.rss_mb()
    terminal.close()
    return {
        "MB/s": sent[0] / (took + 2) / 1e6,
        "key to screen ms (median)": statistics.median(waits) * 1000,
        "worst": max(waits) * 1000,
        "CPU %": used / took * 100,
        "RSS MB": rss,
        "limit": 100,
    }


def bell(directory: Path) -> dict[str, object]:
    project = Project(directory)
    project.fill(20, 10)
    terminal = Terminal(directory)
    terminal.wait_for("following")
    project.write(RunStarted("s1-x", "execute_code", "cx", "train()"))
    project.ring()
    time.sleep(1)
    waits = []
    for number in range(30):
        began = time.perf_counter()
        project.write(TextPrinted("s1-x", "stdout", f"news-{number:04d}\n"))
        project.ring()
        terminal.wait_for(f"news-{number:04d}")
        waits.append(time.perf_counter() - began)
        time.sleep(0.13)
    terminal.close()
    return {
        "bell to screen ms (median)": statistics.median(waits) * 1000,
        "worst": max(waits) * 1000,
        "limit": 150,
    }


def line(directory: Path) -> dict[str, object]:
    """On a line of 15 kB/s: bytes of an idle dashboard, then a cell that prints 100 lines a second for ten seconds, then a key."""
    project = Project(directory)
    project.fill(20, 10)
    terminal = Terminal(directory, bytes_s=15_000)
    terminal.wait_for("following")
    time.sleep(4)
    before = terminal.count
    time.sleep(15)
    idle_bytes = (terminal.count - before) / 15
    project.write(RunStarted("s1-x", "execute_code", "cx", "train()"))
    before, number, written, due, lags = terminal.count, 100_000, 0, time.perf_counter(), list[float]()
    for _ in range(100):
        text = "".join(LINE.format(1, n, number + n) for n in range(10))
        project.write(TextPrinted("s1-x", "stdout", text))
        project.ring()
        number, written = number + 10, written + len(text)
        due += 0.1
        time.sleep(max(0.0, due - time.perf_counter()))
        shown = [int(n) for n in re.findall(r"(1\d{5}) ok", terminal.text)]
        lags.append((number - 1 - max(shown, default=100_000)) / 100)
    amplified = (terminal.count - before) / written
    pressed = time.perf_counter()
    terminal.press("?")
    terminal.wait_for("esc closes")
    key = time.perf_counter() - pressed
    terminal.close()
    return {
        "idle bytes/s": idle_bytes,
        "behind s (median)": statistics.median(lags[20:]),
        "worst": max(lags[20:]),
        "bytes a byte of text": amplified,
        "key to screen s": key,
        "limit": "300 bytes/s, 1 s, 2, 0.5 s",
    }


def search(directory: Path) -> dict[str, object]:
    """In the process itself: finding a rare and a frequent text in a million lines."""
    from jlab_tui.core.feed.feed import Feed
    from jlab_tui.tui.search import find

    feed = Feed()
    for cell in range(10_000):
        run = f"s1-{cell}"
        text = "".join(LINE.format(cell, n, cell * 100 + n) for n in range(100))
        feed.apply("s1", Entry(1.0, RunStarted(run, "execute_code", f"c{cell}", "train()")))
        feed.apply("s1", Entry(1.0, TextPrinted(run, "stdout", text)))
    items = feed.sessions["s1"].items
    result: dict[str, object] = {}
    for name, needle in (
        ("rare", "765432 ok"),
        ("absent", "no such text"),
        ("every cell", "step    50"),
        ("all", "img"),
    ):
        began = time.perf_counter()
        found = find(items, needle)
        result[f"{name} s"] = time.perf_counter() - began
        result[f"{name} matches"] = len(found)
    return {**result, "limit": 0.3}


def keep_bytecode(directory: Path) -> None:
    """Let the measured programs load bytecode, as installed ones do: compiling would be most of the time to a first frame."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(directory)
    loads = "import jlab_tui.cli, jlab_tui.wiring.dashboard, tests.tui.real_app"
    subprocess.run([sys.executable, "-c", loads], check=True, cwd=ROOT)


MEASURES: dict[str, Callable[[Path], dict[str, object]]] = {
    "start": start,
    "first-frame": first_frame,
    "idle": idle,
    "load": load,
    "old": old,
    "stream": stream,
    "flood": flood,
    "bell": bell,
    "line": line,
    "search": search,
}


def main(names: list[str]) -> None:
    for name in names or list(MEASURES):
        with tempfile.TemporaryDirectory() as directory:
            keep_bytecode(Path(directory) / "bytecode")
            result = MEASURES[name](Path(directory) / "status")
        shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in result.items()}
        print(name, json.dumps(shown), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
