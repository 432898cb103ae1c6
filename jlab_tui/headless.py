"""Starts, waits and stops without a dashboard, and prints the same facts as plain lines."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .core.errors import JlabError, LaunchFailed, StatusFileError
from .core.server.record import ServerState
from .core.server.state_machine import ServerStatus
from .core.server.walltime import Notices
from .core.settings import Mode, Settings
from .services.progress import patiently
from .services.server.launcher import Launcher

if TYPE_CHECKING:
    from .services.session.replies import Replies

_REMIND_S = 15.0
"""seconds without changes before a start prints that it still waits, then less and less often"""
_REMIND_MOST_S = 300.0
_LONGEST_LOOK_S = 3600.0
NOT_IN_TIME = 3
RUN_INTERRUPTED = 4


def log_to_stderr() -> None:
    import logging

    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    for name in ("httpx2", "httpcore2", "websockets"):  # below WARNING they log headers with the token
        logging.getLogger(name).setLevel(logging.WARNING)


class Lines:
    """Prints each new sentence once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last = ""
        self._notices = Notices()

    def show(self, status: ServerStatus) -> None:
        """Print a new sentence with its details, each notice once, and the log after a failure."""
        is_new = status.sentence != self._last
        self.say(status.sentence)
        if is_new and status.state is ServerState.PENDING:
            stuck = [status.hint] if status.queue is not None and status.queue.is_stuck else []
            for line in (*status.details, *stuck):
                self._write(f"  {line}")
        if is_new and status.log_tail and (status.give_up or status.is_over):
            self._write(f"--- the end of {status.record.log}")
            for line in status.log_tail:
                self._write(f"  {line}")
            self._write("---")
        self.show_notices(status)

    def show_notices(self, status: ServerStatus) -> None:
        for notice in self._notices.due(status.notices, status.record.ends, time.time()):
            self._write(notice)

    def still(self, waited_s: float) -> None:
        """Print to stderr what the command is waiting for."""
        what = self._last.rstrip(".") or "starting"
        _tell(f"Still: {what} ({waited_s:.0f} s so far)...")

    def say(self, text: str) -> None:
        if text and text != self._last:
            self._last = text
            self._write(text)


def _print(text: str) -> None:
    print(text, flush=True)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def run_detached(launcher: Launcher, mode: Mode, settings: Settings) -> int:
    """Start and return when ready. A job still queued after the queue timeout stays queued.

    A signal ends only the wait.
    """
    lines = Lines(_print)

    async def wait() -> int:
        work = launcher.start_and_wait(mode, lines.say, lines.show, settings.queue_timeout_s)
        started = await patiently(work, lines.still, _REMIND_S, _REMIND_MOST_S)
        _warn(started.status)
        return 0

    return await _until_signal(wait(), lambda number: leave(launcher, number))


async def run_foreground(launcher: Launcher, mode: Mode, settings: Settings) -> int:
    """Start, print changes, and stay until the server ends or a signal arrives.

    Ctrl+C stops a local server that this process launched; SIGHUP and SIGTERM only leave it.
    """
    lines = Lines(_print)

    async def stay() -> int:
        work = launcher.start_and_wait(mode, lines.say, lines.show, settings.queue_timeout_s)
        started = await patiently(work, lines.still, _REMIND_S, _REMIND_MOST_S)
        _warn(started.status)
        if started.status.record.mode is Mode.SLURM:
            job = started.status.record.job_id
            lines.say(f"Press Ctrl+C to leave; job {job} keeps running until `jlab-mcp stop`.")
        else:
            there = "It was already running; Ctrl+C leaves it running."
            lines.say(there if started.attached else "Press Ctrl+C to stop.")
        async for status in launcher.follow():
            if status is None:
                lines.say("The server has stopped.")
                return 0
            if status.is_usable:
                lines.show_notices(status)
                continue
            lines.show(status)
            if not status.state.is_live:
                return 0 if status.state is ServerState.ENDED else 1
        return 0

    return await _until_signal(stay(), lambda number: leave(launcher, number, stops=number == signal.SIGINT))


async def _until_signal(work: Coroutine[Any, Any, int], leave: Callable[[int], Awaitable[int]]) -> int:
    """Return the exit code of `work`, or of `leave` if a signal comes first, which waits until `work` recorded its submission."""
    received: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, received.put_nowait, number)
    task = asyncio.create_task(work)
    signalled = asyncio.create_task(received.get())
    await asyncio.wait([task, signalled], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        signalled.cancel()
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, JlabError):
        await task
    return await leave(signalled.result())


async def leave(launcher: Launcher, number: int, *, stops: bool = False) -> int:
    """Print what keeps running, or (`stops`) stop a local server that this process launched."""
    status = None
    with contextlib.suppress(StatusFileError):
        status = launcher.recall()
    code = 128 + number
    if status is None or not status.state.is_live:
        return code
    record = status.record
    if stops and record.mode is Mode.LOCAL and launcher.has_launched(record):
        print(await _stop(launcher))
        return 0 if record.state is ServerState.READY else code
    if record.mode is Mode.SLURM:
        stays = "stays in the queue" if record.state is ServerState.PENDING else "keeps running"
        job = f"Job {record.job_id}" if record.job_id else "The job"
        print(f"{job} {stays}. Resume with: jlab-mcp start   Cancel it with: jlab-mcp stop")
    else:
        print(
            f"JupyterLab (PID {record.pid}) keeps running. "
            "Watch it again with `jlab-mcp start`, stop it with `jlab-mcp stop`."
        )
    return code


async def run_stop(launcher: Launcher, hours: Callable[[], Awaitable[str]], *, forget: bool = False) -> int:
    """Stop the server and print how; report a long wait on stderr. `forget` stops nothing; `hours` tells a job's GPU hours."""
    if forget:
        print(launcher.forget())
        return 0
    used = await hours()
    print(f"{await _stop(launcher)} {used}".rstrip())
    return 0


async def _stop(launcher: Launcher) -> str:
    what = "the server"
    with contextlib.suppress(StatusFileError):
        status = launcher.recall()
        if status is not None:
            record = status.record
            what = f"job {record.job_id}" if record.job_id else f"JupyterLab (PID {record.pid})"

    def tell(waited_s: float) -> None:
        since = f" ({waited_s:.0f} s so far)" if waited_s >= 2 else ""
        _tell(f"Waiting for {what} to end{since}...")

    return await patiently(launcher.stop(), tell)


async def run_wait_for_run(
    replies: Replies, close: Callable[[], Awaitable[None]], run_id: str, timeout: float | None
) -> int:
    """Print the output of a run when it has ended: 0 ok, 4 interrupted, 1 any other end; 3 after `timeout` seconds."""
    from .core.journal.events import RunStatus  # loaded with the application that makes `replies`

    loop = asyncio.get_running_loop()
    asked_at = loop.time()

    async def no_beat(seconds: float, last_line: str) -> None: ...

    try:
        while True:
            left = _LONGEST_LOOK_S if timeout is None else timeout - (loop.time() - asked_at)
            session, run = await replies.follow(run_id, max(0.0, min(left, _LONGEST_LOOK_S)), no_beat)
            if run.status.is_final or left <= 0:
                break
        reply = await replies.about(session, run)
        _print("\n".join(part for part in reply.parts if isinstance(part, str)))
    finally:
        await close()
    match run.status:
        case RunStatus.OK:
            return 0
        case RunStatus.RUNNING | RunStatus.HELD:
            return NOT_IN_TIME
        case RunStatus.INTERRUPTED:
            return RUN_INTERRUPTED
        case _:
            return 1


async def run_wait(launcher: Launcher, timeout: float | None, queue_timeout: float) -> int:
    """Print state changes until ready (0), failed (1) or timed out (3). Without `timeout`, only the queue has a limit."""
    lines = Lines(_print)
    limit = queue_timeout if timeout is None else None
    status = await patiently(
        launcher.until_ready(lines.show, timeout, queue_timeout=limit), lines.still, _REMIND_S, _REMIND_MOST_S
    )
    if not (status.is_usable or status.is_unreached):
        raise LaunchFailed(status.sentence, status.hint)
    _warn(status)
    return 0


def _warn(status: ServerStatus) -> None:
    """Say what to do about a server that serves, though not this host."""
    if status.is_unreached:
        _tell(f"jlab-mcp: warning: {status.hint}")
