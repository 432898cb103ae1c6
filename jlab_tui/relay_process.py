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
from typing import Final

from .adapters.pipes import LINE_MAX, LineCutter, Outlet, read_some
from .core.relay import Effect, KillWorker, Relay, StartWorker, Tell, ToClient, ToWorker

TICK_S: Final = 5.0
_LEAVE_S: Final = 5.0
"""how long a worker may take to end after its client left; clients kill this process sooner"""
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_VERSION_FILE: Final = f"{__file__.rpartition('/')[0]}/__init__.py"
_KEY_FD: Final = 3
"""descriptor of a worker from which it reads the key that its relay made"""
USAGE: Final = 2


class Worker:
    """The worker process, with its pipes."""

    def __init__(self, command: list[str], env: Mapping[str, str], key: bytes) -> None:
        """`key`: a secret that all workers of a client share; it is in neither arguments nor environment."""
        its_in, our_out = os.pipe()
        self.source, its_out = os.pipe()
        self.outlet = Outlet(our_out)
        its_key, key_end = os.pipe()
        os.write(key_end, key)
        os.close(key_end)
        ends = ((its_in, 0), (its_out, 1), (its_key, _KEY_FD))
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for end, number in ends]
        defaults = [*_ENDING, signal.SIGCHLD, signal.SIGPIPE]
        try:
            self.pid = os.posix_spawn(command[0], command, env, file_actions=actions, setsigdef=defaults)
        except OSError:
            self.close()
            raise
        finally:
            for end, _ in ends:
                os.close(end)
        # A process that it started may hold the other end after its death.
        os.set_blocking(self.source, False)
        self.lines = LineCutter()
        self.is_silent = False
        """whether its output has ended"""

    def ended(self) -> int | None:
        """Its exit code once it is gone, negative for a signal."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> None:
        self.outlet.close()
        os.close(self.source)


class Shell:
    """Performs the relay's effects."""

    def __init__(
        self, relay: Relay, command: list[str], env: Mapping[str, str], tick_s: float = TICK_S
    ) -> None:
        self._tick_s = tick_s
        self._relay = relay
        self._command = command
        self._env = env
        self._client = Outlet(os.dup(1))
        self._lines = LineCutter()
        self._worker: Worker | None = None
        self._key = os.urandom(32)
        self._start_at: float | None = None
        self._leaving = 0.0
        """since when, on the monotonic clock"""
        self._is_first = True
        self._wake, self._wake_end = os.pipe()
        self._exit_code = 0

    def run(self) -> int:
        """Serve until the client leaves. Returns the exit code."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_end, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        for number in (*_ENDING, signal.SIGCHLD):
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
        if self._wake in ready:
            self._signalled()
        if 0 in ready and not self._leaving:
            self._hear_client()
        if worker is not None and worker is self._worker:
            self._look_after(worker)
        if not is_full:
            self._perform(self._relay.tick(time.time()))

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
            self._perform(self._relay.from_worker(line, time.time()))
        for head in dropped:
            self._perform(self._relay.too_long_from_worker(head, time.time()))
        return bool(data)

    def _signalled(self) -> None:
        numbers = os.read(self._wake, 64)
        if any(number in numbers for number in _ENDING):
            self._leave()

    def _look_after(self, worker: Worker) -> None:
        code = worker.ended()
        if code is None:
            if self._leaving and time.monotonic() - self._leaving > _LEAVE_S:
                os.kill(worker.pid, signal.SIGKILL)
            return
        while self._hear_worker(worker):  # what it wrote last
            pass
        worker.close()
        self._worker = None
        if self._is_first and code == USAGE:  # a wrong setting, which it has reported
            self._exit_code, self._leaving = USAGE, time.monotonic()
        self._is_first = False
        if not self._leaving:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            self._perform(self._relay.worker_ended(how))

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = time.monotonic()
            self._start_at = None
        if self._worker is not None:
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
        generation = str(self._relay.generation)
        try:
            self._worker = Worker([*self._command, "--generation", generation], self._env, self._key)
        except OSError as error:
            self._perform(self._relay.worker_ended(f"before it started: {error.strerror}"))
            return
        self._perform(self._relay.worker_started(time.time(), _installed_version()))


def run_relay() -> int:
    """Serve the client on stdin and stdout. Returns the exit code."""
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
    # -P: a file of the user's in the working directory must not stand for a module.
    command = [
        sys.executable,
        "-P",
        "-m",
        "jlab_tui",
        "--worker",
        "--relay",
        _new_id(),
        "--key-fd",
        str(_KEY_FD),
    ]
    return Shell(Relay(_new_id), command, dict(os.environ)).run()


def _installed_version() -> str:
    """The version that a worker has which starts now: an upgrade may have replaced the files since this process loaded them."""
    with contextlib.suppress(OSError), open(_VERSION_FILE, encoding="utf-8") as file:
        return next((line for line in file if line.startswith("__version__")), "")
    return ""


def _new_id() -> str:
    return os.urandom(16).hex()


def _tell(text: str) -> None:
    """Write to stderr, which clients keep as the server's log, unless nobody reads it."""
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"jlab-mcp: {text}\n".encode())
