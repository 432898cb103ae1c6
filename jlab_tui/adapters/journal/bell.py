"""The bell: one FIFO per running dashboard. Writers send it one short JSON line for each change of a journal.

A lost line costs only a delay, because readers always continue in the journal itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..files import open_own, private_dir, process_start
from ..made_names import DIGITS, pattern_of

LINE_MAX = 4096
"""POSIX PIPE_BUF on Linux: writes up to this size are atomic"""
_READ_SIZE = 1 << 18


def usable_fifo_dir(wanted: Path, uid: int) -> Path:
    """Return `wanted`, or a private directory under /tmp if no FIFO can be made in it. Both ends compute the same result.

    Raises PermissionError if the directory belongs to somebody else, who could plant other FIFOs.
    """
    marker = wanted.with_name("fifos-elsewhere")
    private_dir(wanted)
    if wanted.stat().st_uid != uid:
        raise PermissionError(errno.EPERM, "its directory belongs to somebody else; remove it", str(wanted))
    if not os.path.lexists(marker):
        probe = wanted / f".probe-{os.getpid()}"
        try:
            os.mkfifo(probe, 0o600)
            probe.unlink()
            return wanted
        except OSError:
            os.close(open_own(marker, os.O_WRONLY | os.O_CREAT))
    return private_tmp_dir(Path("/tmp") / f"jlab-mcp-{uid}" / wanted.parent.name, uid)


def private_tmp_dir(path: Path, uid: int) -> Path:
    for directory in (path.parent, path):
        directory.mkdir(mode=0o700, exist_ok=True)
        info = directory.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != uid or info.st_mode & 0o077:
            raise PermissionError(
                errno.EPERM, "not a directory that belongs to you alone; remove it", str(directory)
            )
    return path


def fifo_name(host: str, pid: str) -> str:
    return f"{host}-{pid}.fifo"


def _fifo_of(host: str) -> re.Pattern[str]:
    """Return a pattern of the FIFO names of this host; its group is the process id."""
    return pattern_of(lambda pid: fifo_name(host, pid), f"({DIGITS})")


class Bell:
    """Rings every dashboard of this host. Never blocks, never raises for a missing, full or dead reader."""

    def __init__(self, directory: Path, host: str) -> None:
        self.directory = directory
        self.host = host
        self._fds: dict[str, int] = {}

    def ring(self, news: Mapping[str, Any]) -> None:
        line = json.dumps(news, separators=(",", ":")).encode() + b"\n"
        if len(line) > LINE_MAX:
            return
        try:
            names = [e.name for e in os.scandir(self.directory) if e.name.startswith(f"{self.host}-")]
        except OSError:
            names = []
        for name in [known for known in self._fds if known not in names]:
            self._forget(name)
        for name in names:
            if name.endswith(".fifo"):
                self._send(name, line)

    def close(self) -> None:
        for name in list(self._fds):
            self._forget(name)

    def _send(self, name: str, line: bytes) -> None:
        fd = self._fds.get(name)
        is_new = fd is None
        try:
            if fd is None:
                fd = os.open(
                    self.directory / name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
                )
                if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.close(fd)
                    return
                self._fds[name] = fd
            os.write(fd, line)
        except BlockingIOError:
            pass  # full: the reader wakes up anyway
        except OSError as error:
            self._forget(name)
            if error.errno not in (errno.ENXIO, errno.EPIPE):
                return
            if is_new:
                self._remove_stale(name)
            else:
                self._send(name, line)  # the reader recreated its FIFO

    def _forget(self, name: str) -> None:
        fd = self._fds.pop(name, None)
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _remove_stale(self, name: str) -> None:
        """Remove a FIFO of this host that nobody reads and whose process is dead."""
        pid = _fifo_of(self.host).fullmatch(name)
        if pid is None or process_start(int(pid[1])):
            return
        with contextlib.suppress(OSError):
            path = self.directory / name
            if stat.S_ISFIFO(path.lstat().st_mode):
                path.unlink()


class BellReader:
    """This process's FIFO in the event loop; calls `on_news` with every batch of news."""

    def __init__(self, directory: Path, host: str, on_news: Callable[[list[dict[str, Any]]], None]) -> None:
        self.path = directory / fifo_name(host, str(os.getpid()))
        self.on_news = on_news
        self._fd = -1
        self._rest = b""

    def open(self) -> None:
        """Make the FIFO and listen. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        private_dir(self.path.parent)
        os.mkfifo(self.path, 0o600)
        # Read-write, so that opening never blocks and the last writer's exit is no end of file.
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def check(self) -> None:
        """Recreate the FIFO if something removed it (called about once a second)."""
        if self._fd >= 0 and not self.path.exists():
            self.close()
            self.open()

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_MAX:
            self._rest = b""
        news = []
        for line in lines:
            with contextlib.suppress(ValueError):
                item = json.loads(line)
                if isinstance(item, dict):
                    news.append(item)
        if news:
            self.on_news(news)
