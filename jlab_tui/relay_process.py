"""`jlab-mcp` as the MCP client starts it: a small process that keeps the client's pipe and starts the worker behind it again.

Standard library only, and little of it: this process lives as long as the client does, beside every worker.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .adapters.pipes import LINE_MAX, LineCutter, Outlet, read_some
from .adapters.worker_process import ENDING, KEY_FD, Worker
from .core.relay import Effect, KillWorker, Relay, StartWorker, Tell, ToClient, ToWorker
from .core.relay_lines import LEAVE, is_call

if TYPE_CHECKING:  # loaded only for a worker on another machine: half a megabyte
    from .adapters.ssh.line_keeper import LineKeeper
    from .core.ssh.line import LineEnd
    from .core.ssh.place import RemotePlace

TICK_S: Final = 5.0
_LINE_TICK_S: Final = 2.0
"""the machine may have slept: nothing but the clock tells"""
_KEEP_ALIVE_S: Final = 60.0
"""after so long a silence a worker on another machine hears that we are there (`mcp_server/stdio.py` waits for it)"""
_HANDSHAKE_S: Final = 5.0
"""how long a client that asks what we are waits for a line; clients give up after 30 s"""
_LEAVE_S: Final = 5.0
"""how long a worker may take to end after its client left; clients kill this process sooner"""
_VERSION_FILE: Final = f"{__file__.rpartition('/')[0]}/__init__.py"
USAGE: Final = 2


class Shell:
    """Performs the relay's effects."""

    def __init__(
        self,
        relay: Relay,
        command: list[str],
        env: Mapping[str, str],
        tick_s: float = TICK_S,
        keeper: LineKeeper | None = None,
    ) -> None:
        """`keeper`: for a worker on another machine; `command` is then not used."""
        self._tick_s = tick_s
        self._relay = relay
        self._command = command
        self._keeper = keeper
        self._env = env
        self._client = Outlet(os.dup(1))
        self._lines = LineCutter()
        self._worker: Worker | None = None
        self._key = os.urandom(32)
        self._start_at: float | None = None
        self._leaving = 0.0
        """since when, on the monotonic clock"""
        self._is_first = True
        self._clocks = time.time(), time.monotonic()
        self._wake, self._wake_end = os.pipe()
        self._exit_code = 0

    def run(self) -> int:
        """Serve until the client leaves. Returns the exit code."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_end, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        for number in (*ENDING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._perform(self._relay.begin())
        while not (self._leaving and self._worker is None):
            self._turn()
            if self._client.is_closed:
                self._leave()
        self._client.close()
        return self._exit_code

    def _turn(self) -> None:
        if self._start_at is not None and time.monotonic() >= self._start_at:
            self._start()
        worker = self._worker
        is_full = self._client.size >= LINE_MAX
        readers, writers = [self._wake], []
        if not self._leaving and (worker is None or worker.outlet.size < LINE_MAX):
            readers.append(0)
        if worker is not None:
            if not worker.is_silent and (self._leaving or not is_full):
                readers.append(worker.source)
            if worker.errors >= 0:
                readers.append(worker.errors)
            if worker.outlet.size:
                writers.append(worker.outlet.fd)
        if self._client.size:
            writers.append(self._client.fd)
        ready, _, _ = select.select(readers, writers, [], self._patience())
        self._client.flush()
        if worker is not None:
            worker.outlet.flush()
            if worker.source in ready:
                self._hear_worker(worker)
            if worker.errors in ready:
                _pass_on(worker)
        if self._wake in ready:
            self._signalled()
        if 0 in ready and not self._leaving:
            self._hear_client()
        if worker is not None and worker is self._worker:
            self._look_after(worker)
        if not is_full:
            self._perform(self._relay.tick(time.time()))
        if self._keeper is not None:
            self._look_after_line(self._keeper)

    def _look_after_line(self, keeper: LineKeeper) -> None:
        """Notice what no end of a process tells: that the machine slept, that ssh hangs, that the user has logged in."""
        clocks, self._clocks = self._clocks, (time.time(), time.monotonic())
        worker = self._worker
        if worker is None:
            return
        if worker.stands_in:
            if self._relay.has_waiting_calls and keeper.may_try(is_asked=False):
                self._dismiss(worker, keeper)
            return
        worker.was_hung = bool(worker.begin_by) and time.monotonic() > worker.begin_by
        if worker.was_hung or keeper.has_slept(self._clocks[0] - clocks[0], self._clocks[1] - clocks[1]):
            os.kill(worker.pid, signal.SIGKILL)

    def _dismiss(self, worker: Worker, keeper: LineKeeper) -> None:
        """Try the line again instead of a stand-in."""
        keeper.try_again()
        worker.end()
        self._worker = None
        self._perform(self._relay.line_ended("", 0.0, time.time()))

    def _patience(self) -> float:
        if self._leaving:
            return 0.1
        return self._tick_s if self._start_at is None else max(0.0, self._start_at - time.monotonic())

    def _hear_client(self) -> None:
        data = read_some(0)
        if data is None:
            return
        if not data:
            self._leave()
            return
        lines, dropped = self._lines.feed(data)
        for line in lines:
            worker, keeper = self._worker, self._keeper
            if worker and keeper and worker.stands_in and is_call(line) and keeper.may_try(is_asked=True):
                self._dismiss(worker, keeper)
            self._perform(self._relay.from_client(line, time.time()))
        for _ in dropped:
            self._perform(self._relay.too_long())

    def _hear_worker(self, worker: Worker) -> bool:
        """Read once; return whether there may be more."""
        data = read_some(worker.source)
        if data is None:
            return False
        worker.is_silent = not data
        lines, dropped = worker.lines.feed(data)
        for line in lines:
            if worker.has_begun:
                self._perform(self._relay.from_worker(line, time.time()))
            elif self._keeper is not None and (version := self._keeper.begun_by(line)) is not None:
                worker.begin()
                self._perform(self._relay.worker_started(time.time(), version))
        for head in dropped:
            self._perform(self._relay.too_long_from_worker(head, time.time()))
        return bool(data)

    def _signalled(self) -> None:
        numbers = os.read(self._wake, 64)
        if any(number in numbers for number in ENDING):
            self._leave()

    def _look_after(self, worker: Worker) -> None:
        code = worker.ended()
        if code is None:
            if self._leaving and time.monotonic() - self._leaving > _LEAVE_S:
                os.kill(worker.pid, signal.SIGKILL)
            return
        while self._hear_worker(worker):  # what it wrote last
            pass
        while _pass_on(worker):
            pass
        worker.close()
        self._worker = None
        if worker.is_line and self._keeper is not None and not self._leaving:
            end = self._keeper.ended(code, worker.said, had_begun=worker.has_begun, is_hung=worker.was_hung)
            if end is not None:
                self._line_ended(self._keeper, end)
                return
        if self._is_first and code == USAGE:  # a wrong setting, which it has reported
            self._exit_code, self._leaving = USAGE, time.monotonic()
        self._is_first = False
        if not self._leaving:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            self._perform(self._relay.worker_ended(how))

    def _line_ended(self, keeper: LineKeeper, end: LineEnd) -> None:
        now = time.time()
        if not end.refusal and self._relay.greeted_since(now - _HANDSHAKE_S):
            keeper.refuse(end.why)
        is_refused = bool(end.refusal)
        self._perform(self._relay.line_ended(end.refusal or end.why, 0.0 if is_refused else end.pause_s, now))

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = time.monotonic()
            self._start_at = None
        if self._worker is not None:
            if self._worker.is_line and self._worker.has_begun:
                self._worker.outlet.send(LEAVE)
            self._worker.outlet.close()  # as if the client had left

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case ToClient(line):
                    self._client.send(line)
                case ToWorker(line):
                    if self._worker is not None:
                        self._worker.outlet.send(line)
                case StartWorker(_, after_s):
                    self._start_at = time.monotonic() + after_s
                case KillWorker():
                    if self._worker is not None:
                        os.kill(self._worker.pid, signal.SIGKILL)
                case Tell(text):
                    _tell(text)

    def _start(self) -> None:
        self._start_at = None
        generation = self._relay.generation
        command, begin_s, stands_in = [*self._command, "--generation", str(generation)], 0.0, False
        if self._keeper is not None:
            command, begin_s, stands_in = self._keeper.next(generation)
        try:
            self._worker = Worker(command, self._env, self._key, begin_s)
        except OSError as error:
            self._perform(self._relay.worker_ended(f"before it started: {error.strerror}"))
            return
        self._worker.stands_in = stands_in
        if self._worker.has_begun:
            version = _installed_version()
            self._perform(self._relay.worker_started(time.time(), version, stands_in=stands_in))


def run_relay(place: RemotePlace | None = None) -> int:
    """Serve the client on stdin and stdout. Returns the exit code. `place`: of the worker, if it is on another machine."""
    for fd in (0, 1):
        try:
            os.fstat(fd)
        except OSError:
            _tell(
                "Stdin or stdout is closed, so no MCP client can connect.\n"
                "  An MCP client starts jlab-mcp with pipes."
            )
            return USAGE
    try:
        os.fstat(2)
    except OSError:
        # Else a pipe would take its number, and the log would go to the client.
        os.set_inheritable(os.open(os.devnull, os.O_WRONLY), True)
    if os.isatty(0):
        _tell(
            "this is the MCP server; it waits for an MCP client on stdin.\n"
            "  Register it with: claude mcp add jlab-mcp -- jlab-mcp   (the dashboard is: jlab-mcp start)"
        )
    relay_id, env = _new_id(), dict(os.environ)
    if place is not None:
        from .adapters.ssh.line_keeper import LineKeeper

        keeper = LineKeeper.of(place, env, _of_this_machine, relay_id)
        relay = Relay(_new_id, keep_alive_s=_KEEP_ALIVE_S)
        return Shell(relay, [], env, _LINE_TICK_S, keeper).run()
    command = _of_this_machine(["--worker", "--relay", relay_id, "--key-fd", str(KEY_FD)])
    return Shell(Relay(_new_id), command, env).run()


def _of_this_machine(arguments: list[str]) -> list[str]:
    # -P: a file of the user's in the working directory must not stand for a module.
    return [sys.executable, "-P", "-m", "jlab_tui", *arguments]


def _pass_on(worker: Worker) -> bool:
    """Hand what a program behind ssh wrote to stderr on to the log; return whether there may be more. Why none began, and what
    ssh says each time that it tries, is told elsewhere, once."""
    errors = worker.hear_errors()
    with contextlib.suppress(OSError):
        if errors and worker.has_begun and select.select([], [2], [], 0)[1]:
            os.write(2, errors)
    return bool(errors)


def _installed_version() -> str:
    """The version that a worker has which starts now: an upgrade may have replaced the files since this process loaded them."""
    with contextlib.suppress(OSError), open(_VERSION_FILE, encoding="utf-8") as file:
        return next((line.split('"')[1] for line in file if line.startswith("__version__ =")), "")
    return ""


def _new_id() -> str:
    return os.urandom(16).hex()


def _tell(text: str) -> None:
    """Write to stderr, which clients keep as the server's log, unless nobody reads it."""
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"jlab-mcp: {text}\n".encode())
