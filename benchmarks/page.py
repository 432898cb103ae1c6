"""What the live page costs: an event to the screen, opening a record of 10,000 cells, a flood of output, a browser that stalls.

    python benchmarks/page.py [event|open|flood|stall ...]

A real server with the extension, a real headless Chromium; the benchmark plays the MCP process and appends to the journal. Times on the screen
are the browser's (the clock is the same machine's), memory and CPU time those of /proc, Linux only.
"""

from __future__ import annotations

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

    def renderer_mb(self) -> float:
        """The largest process that draws pages."""
        found = self.browser.ask("SystemInfo.getProcessInfo")["processInfo"]
        return max(rss_mb(one["id"]) for one in found if one["type"] == "renderer")

    def server_cpu(self) -> float:
        fields = (
            Path(f"/proc/{self.server.process.pid}/stat")
            .read_text(encoding="utf-8")
            .rpartition(")")[2]
            .split()
        )
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


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
    bare = at.renderer_mb()
    empty.close()
    tab = at.open("many")
    took = tab.js("performance.getEntriesByType('navigation')[0].duration")
    tab.until("document.querySelectorAll('.cell').length === 100")
    print(f"10,000 cells ({size:.1f} MB): opens in {took:.0f} ms (reach: 1000); the tab holds {at.renderer_mb():.0f} MB "
          f"(reach: 150; an empty one {bare:.0f}), "
          f"the server {at.server.rss_mb() - server:+.0f} MB")  # fmt: skip
    begun = time.perf_counter()
    while tab.js("document.querySelectorAll('.cell').length") < 10_000:
        before = tab.js("document.querySelectorAll('.cell').length")
        tab.js("document.getElementById('cells').scrollTo(0, 0), document.getElementById('earlier').click()")
        tab.until(f"document.querySelectorAll('.cell').length > {before}")
    print(
        f"all of them, 99 times `Earlier cells`: {time.perf_counter() - begun:.1f} s; the tab holds {at.renderer_mb():.0f} MB"
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
          f"server {100 * cpu:.0f} % of a core, the tab {at.renderer_mb():.0f} MB")  # fmt: skip
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
