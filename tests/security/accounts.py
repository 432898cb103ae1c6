"""A second account of this machine, as far as a test needs one: a process with another uid."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

STRANGER = 12_345
"""a uid that no account has"""

needs_two_accounts = pytest.mark.skipif(os.geteuid() != 0, reason="acting as another account needs root")


@contextlib.contextmanager
def running_as(
    uid: int, work: Callable[[], None], enter: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """`work` in a process of another account, ended with the block. It runs `enter` as root first."""
    child = os.fork()
    if not child:  # pragma: no cover
        try:
            enter()
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            work()
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def network_of(pid: int) -> Callable[[], None]:
    """Enters the network of a process: a node's, where the nodes are namespaces of this machine."""

    def enter() -> None:
        with open(f"/proc/{pid}/ns/net", encoding="ascii") as namespace:
            if ctypes.CDLL(None).setns(namespace.fileno(), _NETWORK):
                raise OSError(f"the network of process {pid} cannot be entered")

    return enter


_NETWORK = 0x4000_0000
"""CLONE_NEWNET of Linux"""


class Impostor:
    """A listener of another account, and the bytes that it was sent."""

    def __init__(self, where: str, heard: int) -> None:
        self.where = where
        """port or path"""
        self._heard = heard

    def heard(self) -> bytes:
        """All that was sent to it so far."""
        os.set_blocking(self._heard, False)
        parts = []
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._heard, 1 << 16):
                parts.append(part)
        return b"".join(parts)


@contextlib.contextmanager
def impostor(
    bind: Callable[[], socket.socket],
    answer: bytes = b"",
    uid: int = STRANGER,
    enter: Callable[[], None] = lambda: None,
) -> Iterator[Impostor]:
    """A process of another account that listens where `bind` binds, answers each connection, and keeps what it is sent."""
    read, write = os.pipe()
    ready, tell = os.pipe()

    def serve() -> None:
        with bind() as listener:
            listener.listen()
            name = listener.getsockname()
            os.write(tell, str(name[1] if isinstance(name, tuple) else name).encode() + b"\n")
            while True:
                connection, _ = listener.accept()
                connection.settimeout(1)
                with connection, contextlib.suppress(OSError):
                    os.write(write, connection.recv(1 << 16))
                    connection.sendall(answer)

    with running_as(uid, serve, enter):
        os.close(write)
        os.close(tell)
        try:
            with os.fdopen(ready, encoding="utf-8") as told:
                yield Impostor(told.readline().strip(), read)
        finally:
            os.close(read)
