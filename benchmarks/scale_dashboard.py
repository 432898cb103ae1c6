"""What a dashboard costs in a project of many sessions, and with long ones.

    python benchmarks/scale.py dashboard [closed|actions|kernels|big|all ...]

It takes four minutes and 3 GB in the temporary directory. CPU time, memory and wake-ups are the process's own (/proc), Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dashboard import LINE, Project, Terminal

from jlab_tui.adapters.files import process_start
from jlab_tui.adapters.journal.places import CLOSED
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    HumanActed,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)

MANY = 5000
"""closed sessions"""
KERNELS = 50
BIG_MB = 500
ALL = (20, 100)
"""journals, and their size in MB"""
IDLE_S = 10.0


def tell(what: str, measured: Mapping[str, object]) -> None:
    shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in measured.items()}
    print(f"dashboard, {what}:", json.dumps(shown), flush=True)


# -- what a project has


def opened(session: str, name: str) -> SessionOpened:
    pid = os.getpid()
    return SessionOpened(
        session,
        name,
        f"/nb/{name}.ipynb",
        f"k-{session}",
        "node-01",
        0.0,
        client_host=socket.gethostname(),
        client_pid=pid,
        client_started=process_start(pid),
    )


def lines(*events: Event, at: float) -> bytes:
    return b"".join(encode(Entry(at, event)) for event in events)


def journal(session: str, size: int, *, is_closed: bool, at: float, block: int = 60) -> Iterator[bytes]:
    """The record of a session of about `size` bytes, with cells that print `block` lines."""
    yield lines(opened(session, f"name-{session}"), at=at)
    written = cell = 0
    while written < size:
        run = f"{session}-{cell}"
        text = "".join(LINE.format(cell, n, cell * block + n) for n in range(block))
        part = lines(
            RunStarted(run, "execute_code", f"c{cell}", "train()"),
            TextPrinted(run, "stdout", text),
            RunFinished(run, RunStatus.OK, 1.0, cell),
            at=at + cell / 1000,
        )
        yield part
        written += len(part)
        cell += 1
    if is_closed:
        yield lines(SessionClosed("shut down"), at=at + cell / 1000)


def add_session(
    directory: Path, session: str, size: int, *, is_closed: bool = False, age_s: float = 0.0
) -> None:
    home = directory / "sessions" / (CLOSED if is_closed else "")
    home.mkdir(parents=True, exist_ok=True)
    at = time.time() - age_s
    path = home / f"{session}.1.jsonl"
    with path.open("wb") as file:
        file.writelines(journal(session, size, is_closed=is_closed, at=at))
    os.utime(path, (at, at))


# -- the dashboard


def wake_ups(pid: int) -> int:
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text(encoding="utf-8")
            found += int(text.partition("voluntary_ctxt_switches:")[2].split()[0])
    return found


def watched(directory: Path, *options: str, shows: str = "following") -> tuple[Terminal, dict[str, object]]:
    """A dashboard, and what it costs to come up and to be idle."""
    terminal = Terminal(directory, *options)
    terminal.wait_for(shows, 240)
    measured: dict[str, object] = {
        "list s": time.perf_counter() - terminal.began,
        "start CPU s": terminal.cpu(),
    }
    time.sleep(4)
    cpu, woken, began = terminal.cpu(), wake_ups(terminal.pid), time.perf_counter()
    time.sleep(IDLE_S)
    took = time.perf_counter() - began
    measured |= {
        "idle CPU %": (terminal.cpu() - cpu) / took * 100,
        "wake-ups/s": (wake_ups(terminal.pid) - woken) / took,
        "RSS MB": terminal.rss_mb(),
        "peak MB": terminal.peak_mb(),
    }
    return terminal, measured


def dashboard_closed(directory: Path) -> None:
    for count in (0, MANY):
        status = directory / f"closed-{count}"
        Project(status).fill(20, 10)
        for number in range(count):
            add_session(status, f"old{number:05d}", 9_500, is_closed=True, age_s=3600.0 + number)
        terminal, measured = watched(status)
        terminal.close()
        tell(f"{count} closed sessions", measured)


def dashboard_actions(directory: Path) -> None:
    Project(directory).fill(20, 10)
    actions = directory / "actions"
    actions.mkdir()
    for number in range(300):
        act = HumanActed("interrupt", "s1", by="ben@here", outcome="done")
        (actions / f"elsewhere-{number}.jsonl").write_bytes(lines(act, at=time.time() - 1e6))
    terminal, measured = watched(directory)
    terminal.close()
    tell("300 past dashboards", measured)


def dashboard_kernels(directory: Path) -> None:
    for count in (1, KERNELS):
        status = directory / f"kernels-{count}"
        Project(status).fill(20, 10)
        for number in range(2, count + 1):
            add_session(status, f"s{number}", 20_000, age_s=60.0)
        terminal, measured = watched(status, "--kernels", str(count))
        terminal.close()
        tell(f"{count} idle kernels", measured)


def dashboard_big(directory: Path) -> None:
    for megabytes in (1, BIG_MB):
        status = directory / f"big-{megabytes}"
        Project(status).fill(1, 1)
        add_session(status, "s2", megabytes << 20)
        terminal, measured = watched(status, "--kernels", "2")
        terminal.close()
        tell(f"a journal of {megabytes} MB", measured)


def dashboard_all(directory: Path) -> None:
    count, megabytes = ALL
    Project(directory).fill(20, 10)
    for number in range(count):
        add_session(directory, f"old{number}", megabytes << 20, is_closed=True, age_s=60.0 * number + 60)
    terminal, _ = watched(directory)
    cpu, waits = terminal.cpu(), []
    terminal.press("a")
    terminal.wait_for("All sessions", 240)
    began = time.perf_counter()
    while time.perf_counter() - began < 15:
        pressed = time.perf_counter()
        terminal.press("?")
        terminal.wait_for("esc closes", 240)
        waits.append(time.perf_counter() - pressed)
        terminal.press("q")
        terminal.wait_without("esc closes", 240)
        time.sleep(0.5)
    before = terminal.cpu()
    measured: dict[str, object] = {
        "CPU s": before - cpu,
        "key ms (worst)": max(waits) * 1000,
        "RSS MB": terminal.rss_mb(),
        "peak MB": terminal.peak_mb(),
    }
    terminal.close()
    tell(f"all of {count} journals of {megabytes} MB", measured)


PARTS: dict[str, Callable[[Path], None]] = {
    "closed": dashboard_closed,
    "actions": dashboard_actions,
    "kernels": dashboard_kernels,
    "big": dashboard_big,
    "all": dashboard_all,
}


def measure_dashboard(parts: Sequence[str]) -> None:
    for part in parts or PARTS:
        with tempfile.TemporaryDirectory() as directory:
            PARTS[part](Path(directory) / "status")
