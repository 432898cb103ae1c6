"""Runs one command on another machine, and hands its output on as it comes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...core.ssh.argv import (
    ask_master,
    log_in,
    probe_forwarding,
    run_in_terminal,
    run_there,
    show_configuration,
)
from ...core.ssh.crossing import begins
from ...core.ssh.host_check import connects_to, forbids_forwarding
from ...core.ssh.line import BEGIN_S, NOT_IN_TIME, SSH_FAILED
from ...core.ssh.place import RemotePlace
from .control import control_path, open_control

_NO_PROGRAM: Final = 127
_KEPT: Final = 100
"""lines of ssh's own that are kept to explain a failure"""


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command on another machine ended."""

    code: int
    has_begun: bool
    said: str
    """on stderr before it began; later lines were handed on"""
    out: str = ""


class SshSession:
    """One machine, as this process talks to it."""

    def __init__(self, place: RemotePlace, env: Mapping[str, str]) -> None:
        self._place = place
        self._env = env

    def follow(
        self,
        command: Sequence[str],
        tell: Callable[[str], None],
        warn: Callable[[str], None],
        begin_s: float = BEGIN_S,
    ) -> CommandEnd:
        """Run a program of ours there until it ends; `tell` and `warn` get what it writes to stdout and stderr after its mark,
        which has to come within `begin_s`. It ends with this process, because its stdin does."""
        argv = run_there(self._place, command, control=open_control(self._place))
        begun, is_late = threading.Event(), threading.Event()
        said: list[str] = []

        def read_errors() -> None:
            assert process.stderr is not None
            for raw in process.stderr:
                line = raw.decode("utf-8", "replace")
                if begun.is_set():
                    warn(line)
                elif len(said) < _KEPT:
                    said.append(line)

        def end_what_does_not_begin() -> None:
            is_late.set()
            process.terminate()

        try:
            process = subprocess.Popen(
                argv,
                env=dict(self._env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            return CommandEnd(SSH_FAILED, False, f"ssh: {error.strerror}")
        with process:
            assert process.stdout is not None and process.stdin is not None
            reading = threading.Thread(target=read_errors)
            reading.start()
            deadline = threading.Timer(begin_s, end_what_does_not_begin)
            deadline.start()
            try:
                for raw in process.stdout:
                    if begun.is_set():
                        tell(raw.decode("utf-8", "replace"))
                    elif begins(raw) is not None:
                        deadline.cancel()
                        begun.set()
            except BaseException:
                if not begun.is_set():
                    process.terminate()
                raise
            finally:
                process.stdin.close()
                code = process.wait()
                deadline.cancel()
                reading.join()
        if is_late.is_set() and not begun.is_set():
            return CommandEnd(NOT_IN_TIME, False, "".join(said))
        return CommandEnd(code if code >= 0 else SSH_FAILED, begun.is_set(), "".join(said))

    def ask(self, command: Sequence[str], given: bytes, timeout_s: float) -> CommandEnd:
        """Run a command with something on its stdin, to its end."""
        argv = run_there(self._place, command, control=open_control(self._place))
        return self._run(argv, given, timeout_s)

    def forbids_forwarding(self) -> bool:
        """Whether the host is known to forward no port; an open connection does not tell."""
        if open_control(self._place):
            return False
        return forbids_forwarding(
            self._run(probe_forwarding(self._place, open_control(self._place)), b"", 30).said
        )

    def connects_to(self) -> str:
        """The name that ssh connects to; empty where another machine connects for it."""
        return connects_to(self._run(show_configuration(self._place), b"", 10).out)

    def in_terminal(self, command: Sequence[str]) -> int:
        """Run a command in this terminal."""
        return self._call(run_in_terminal(self._place, command, control=open_control(self._place)))

    def log_in(self) -> int:
        """Open a connection for later ones; ssh asks in this terminal. Returns its exit code."""
        path = control_path(self._place)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - the same path as text everywhere: left by an ssh that was killed
        return self._call(log_in(self._place, path))

    def is_logged_in(self) -> bool:
        control = open_control(self._place)
        return bool(control) and self._run(ask_master(self._place, control, "check"), b"", 10).code == 0

    def log_out(self) -> bool:
        """Close that connection. Returns whether there was one."""
        control = open_control(self._place)
        return bool(control) and self._run(ask_master(self._place, control, "exit"), b"", 10).code == 0

    def _call(self, argv: Sequence[str]) -> int:
        try:
            return subprocess.call(argv, env=dict(self._env))
        except OSError:
            return _NO_PROGRAM

    def _run(self, argv: Sequence[str], given: bytes, timeout_s: float) -> CommandEnd:
        try:
            done = subprocess.run(
                argv, env=dict(self._env), input=given, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            return CommandEnd(SSH_FAILED, False, f"no answer within {timeout_s:g} s")
        except OSError as error:
            return CommandEnd(SSH_FAILED, False, f"ssh: {error.strerror}")
        err, out = done.stderr.decode("utf-8", "replace"), done.stdout.decode("utf-8", "replace")
        return CommandEnd(done.returncode if done.returncode >= 0 else SSH_FAILED, True, err, out)


def addresses(name: str) -> list[str]:
    """The addresses of a name, as this machine knows them."""
    with contextlib.suppress(OSError, UnicodeError):
        return sorted({str(row[4][0]) for row in socket.getaddrinfo(name, 22, type=socket.SOCK_STREAM)})
    return []
