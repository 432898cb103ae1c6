"""The process behind a relay: the worker on this machine, or the ssh that leads to one on another. Little is imported."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Final

from .pipes import LineCutter, Outlet, read_some

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KEY_FD: Final = 3
"""descriptor of a worker from which it reads the key that its relay made"""
_ERRORS: Final = 4000
"""bytes kept of the end of what ssh wrote to stderr"""


class Worker:
    """A worker process, with its pipes."""

    def __init__(self, command: list[str], env: Mapping[str, str], key: bytes, begin_s: float = 0.0) -> None:
        """`key`: a secret that all workers of a client share; it is in neither arguments nor environment.

        `begin_s`: the command is an ssh, and the program behind it takes at most so long to say that it begins; it is then
        told the key on a line of its own. Raises OSError."""
        self.begin_by = time.monotonic() + begin_s if begin_s else 0.0
        """0: it has begun"""
        self.is_line = bool(begin_s)
        self.stands_in = False
        """for a worker that there is no line to"""
        self.was_hung = False
        self.is_silent = False
        """whether its output has ended"""
        self._key = key
        self._said = bytearray()
        self.lines = LineCutter()
        its_in, our_out = os.pipe()
        self.source, its_out = os.pipe()
        self.outlet = Outlet(our_out)
        reading, writing = os.pipe()
        self.errors = reading if self.is_line else -1
        """what an ssh writes to stderr; -1 where nothing is left to read"""
        if not self.is_line:
            os.write(writing, key)
            os.close(writing)
        ends = [(its_in, 0), (its_out, 1), (writing, 2) if self.is_line else (reading, KEY_FD)]
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for end, number in ends]
        defaults = [*ENDING, signal.SIGCHLD, signal.SIGPIPE]
        try:
            self.pid = os.posix_spawnp(command[0], command, env, file_actions=actions, setsigdef=defaults)
        except OSError:
            self.close()
            raise
        finally:
            for end, _ in ends:
                os.close(end)
        # A process that it started may hold the other ends after its death.
        os.set_blocking(self.source, False)
        if self.is_line:
            os.set_blocking(self.errors, False)

    @property
    def has_begun(self) -> bool:
        return not self.begin_by

    @property
    def said(self) -> str:
        """What ssh wrote to stderr, the end."""
        return self._said.decode("utf-8", "replace")

    def begin(self) -> None:
        """Its program has said that it begins; it is told the key."""
        self.begin_by = 0.0
        self.outlet.send(self._key.hex().encode() + b"\n")

    def hear_errors(self) -> bytes:
        """Read what ssh writes to stderr: what is new."""
        data = read_some(self.errors) if self.errors >= 0 else None
        if data == b"":
            os.close(self.errors)
            self.errors = -1
        self._said += data or b""
        del self._said[:-_ERRORS]
        return data or b""

    def ended(self) -> int | None:
        """Its exit code once it is gone, negative for a signal."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def end(self) -> None:
        """Kill it and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        self.outlet.close()
        os.close(self.source)
        if self.errors >= 0:
            os.close(self.errors)
