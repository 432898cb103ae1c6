"""What the live page costs: an event to the screen, opening a record of 10,000 cells, a flood of output, a browser that stalls.

    python benchmarks/page.py [event|open|flood|stall ...]

A real server with the extension, a real headless Chromium; the benchmark plays the MCP process and appends to the journal. Times on the screen
are the browser's (the clock is the same machine's), memory and CPU time those of /proc, Linux only.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jlab_tui.core.journal.events import (  # noqa: E402
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionOpened,
    TextPrinted,
    encode,
)
from tests.browser import Browser, Tab, chromium  # noqa: E402
from tests.jupyter_extension.servers import TOKEN, Server, serving  # noqa: E402

SEEN = """
window.seen = {};
new MutationObserver(() => requestAnimationFrame(() => {
  const now = (performance.timeOrigin + performance.now()) / 1000;
  for (const mark of document.getElementById('feed').textContent.slice(-4000).match(/mark\\d+/g) || []) window.seen[mark] ??= now;
})).observe(document.getElementById('feed'), {childList: true, subtree: true, characterData: true});
"""
LINE = "epoch {:6d} step {:5d}  loss=0.4304  lr=3e-4  1,812 img/s  ok\n"


@dataclass
class Stage:
    server: Server
    browser: Browser
    sessions: Path

    def append(self, session: str, *events: Event) -> float:
        """Write lines as a journal's writer does; return when."""
        with (self.sessions / f"{session}.1.jsonl").open("ab", buffering=0) as file:
            file.write(b"".join(encode(Entry(time.time(), event)) for event in events))
        return time.time()

    def begin(self, session: str) -> None:
        self.append(session, SessionOpened(session, session, f"/p/{session}.ipynb", "k", "h", 1.0))

    def open(self, session: str) -> Tab:
        return self.browser.open(f"{self.server.facts['url']}jlab-mcp/live?session={session}&token={TOKEN}")

    def memory(self, tab: Tab) -> Memory:
        """Find the process that draws a tab: it is the one that computes when the tab does."""
        before = self._renderers()
        tab.js("(() => { const end = Date.now() + 200; while (Date.now() < end); })()")
        after = self._renderers()
        return memory_of(max(after, key=lambda pid: after[pid] - before.get(pid, 0.0)))

    def _renderers(self) -> dict[int, float]:
        """CPU seconds of each process that draws pages."""
        found = self.browser.ask("SystemInfo.getProcessInfo")["processInfo"]
        return {one["id"]: one["cpuTime"] for one in found if one["type"] == "renderer"}

    def server_cpu(self) -> float:
        fields = (
            Path(f"/proc/{self.server.process.pid}/stat")
            .read_text(encoding="utf-8")
            .rpartition(")")[2]
            .split()
        )
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Memory:
    """Of a process, in MB."""

    share: float
    """its own, and its part of what it shares with the browser's other processes, such as the program (PSS)"""
    own: float
    resident: float
    """with all that it shares: 110 MB are the program"""

    def __str__(self) -> str:
        return f"{self.share:.0f} MB ({self.own:.0f} of its own, {self.resident:.0f} with the whole program)"


def memory_of(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    mb = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return Memory(mb["Pss"], mb["Private_Clean"] + mb["Private_Dirty"], mb["Rss"])


@contextmanager
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        base = Path(folder)
        sessions = base / "server" / "sessions"
        sessions.mkdir(parents=True)
        with (
            serving(base / "server", lab=False, sessions_dir=str(sessions)) as server,
            chromium(base / "profile") as browser,
        ):
            yield Stage(server, browser, sessions)


def event(at: Stage) -> None:
    """A line of a running cell, and a new cell, to the screen."""
    at.begin("event")
    at.append("event", RunStarted("event-0", "execute_code", "c0", "loop()"))
    tab = at.open("event")
    tab.js(SEEN)
    for kind in ("a line of a running cell", "a new cell"):
        waits = []
        for number in range(30):
            mark = f"mark{number}{len(kind)}"
            if kind == "a new cell":
                written = at.append("event", RunStarted(f"event-{mark}", "execute_code", mark, mark))
            else:
                written = at.append("event", TextPrinted("event-0", "stdout", mark + "\n"))
            tab.until(f"window.seen.{mark}")
            waits.append(1000 * (tab.js(f"window.seen.{mark}") - written))
            time.sleep(0.13)  # not in step with the server
        print(
            f"event to screen, {kind}: median {statistics.median(waits):.0f} ms, most {max(waits):.0f} ms (reach: 200)"
        )
    tab.close()


def opening(at: Stage) -> None:
    """A record of 10,000 cells: the first page, then all of it."""
    at.begin("many")
    for number in range(10_000):
        at.append(
            "many",
            RunStarted(
                f"many-{number}",
                "execute_code",
                f"c{number}",
                f"for i in range(10):\n    print('cell {number}', i)",
            ),
            TextPrinted(f"many-{number}", "stdout", "".join(f"cell {number} {i}\n" for i in range(10))),
            RunFinished(f"many-{number}", RunStatus.OK, 0.01, number),
        )
    size = (at.sessions / "many.1.jsonl").stat().st_size / 1e6
    server = at.server.rss_mb()
    empty = at.browser.open("data:text/html,empty")
    bare = at.memory(empty)
    empty.close()
    tab = at.open("many")
    took = tab.js("performance.getEntriesByType('navigation')[0].duration")
    tab.until("document.querySelectorAll('.cell').length === 100")
    print(f"10,000 cells ({size:.1f} MB): opens in {took:.0f} ms (reach: 1000); the tab holds {at.memory(tab)} "
          f"(reach: 150); an empty one {bare}; the server {at.server.rss_mb() - server:+.0f} MB")  # fmt: skip
    begun = time.perf_counter()
    first = "document.querySelector('.code').textContent"
    while "'cell 0'" not in (before := tab.js(first)):
        tab.js("document.getElementById('cells').scrollTo(0, 0), document.getElementById('earlier').click()")
        tab.until(f"{first} !== {json.dumps(before)} && !document.getElementById('earlier').disabled")
    count, took = tab.js("document.querySelectorAll('.cell').length"), time.perf_counter() - begun
    most = at.memory(tab)
    tab.ask("HeapProfiler.collectGarbage")
    print(
        f"back to the first, 99 times `Earlier cells`: {took:.1f} s; the document has {count} cells, the tab {most}, "
        f"after a collection {at.memory(tab)}"
    )
    tab.close()


def flood(at: Stage, seconds: int = 10) -> None:
    """1 MB a second into one cell."""
    at.begin("flood")
    at.append("flood", RunStarted("flood-0", "execute_code", "c0", "flood()"))
    tab = at.open("flood")
    tab.js(SEEN)
    part = "".join(LINE.format(n, n) for n in range(100_000 // len(LINE.format(0, 0))))
    begun, cpu, waits = time.monotonic(), at.server_cpu(), []
    for number in range(10 * seconds):
        mark = f"mark{number}"
        written = at.append("flood", TextPrinted("flood-0", "stdout", f"{part}{mark}\n"))
        if number % 10 == 9:
            waits.append((mark, written))
        time.sleep(max(0.0, begun + (number + 1) / 10 - time.monotonic()))
    tab.until(f"window.seen.{waits[-1][0]}")
    cpu = (at.server_cpu() - cpu) / seconds
    late = [1000 * (seen - written) for mark, written in waits if (seen := tab.js(f"window.seen.{mark}"))]
    print(f"1 MB/s for {seconds} s: to the screen median {statistics.median(late):.0f} ms, last {late[-1]:.0f} ms; "
          f"server {100 * cpu:.0f} % of a core, the tab {at.memory(tab)}")  # fmt: skip
    tab.close()


def stall(at: Stage, seconds: int = 20) -> None:
    """A connection that reads nothing while 1 MB a second is printed."""
    at.begin("stall")
    at.append("stall", RunStarted("stall-0", "execute_code", "c0", "flood()"))
    url = urlsplit(at.server.facts["url"])
    before = at.server.rss_mb()
    with socket.create_connection((url.hostname, url.port)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(
            f"GET /jlab-mcp/live/events?session=stall HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: token {TOKEN}\r\n\r\n".encode()
        )
        part = "".join(LINE.format(n, n) for n in range(100_000 // len(LINE.format(0, 0))))
        for _ in range(10 * seconds):
            at.append("stall", TextPrinted("stall-0", "stdout", part))
            time.sleep(0.1)
        print(
            f"a browser that stalls for {seconds} s at 1 MB/s: the server {at.server.rss_mb() - before:+.1f} MB"
        )


PARTS = {"event": event, "open": opening, "flood": flood, "stall": stall}


def main(names: list[str]) -> None:
    with stage() as at:
        for name in names or PARTS:
            PARTS[name](at)


if __name__ == "__main__":
    main(sys.argv[1:])
