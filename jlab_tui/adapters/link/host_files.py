"""The files by which the processes of an account on this host find one that serves them all, in a private directory on this
host's own disk: its socket, its lock and its last word.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...core.link.bridge import BridgeTarget
from ..files import read_own, write_atomic

_PLACES: Final = ("/tmp", "/var/tmp", "/dev/shm")
_LEFT: Final = re.compile(r"[bf][0-9a-f]{12}\.(?:json|lock)")
_MONTH_S: Final = 30 * 86400.0
_PATH_BYTES: Final = 103
"""the shortest limit of all systems"""


@dataclass(frozen=True, slots=True)
class HostFiles:
    """Names of the files, which every process of the account finds in the same way."""

    socket: Path
    lock: Path
    word: Path

    def last_word(self) -> str:
        """What the process last said of itself; empty if it said nothing, or another account wrote it."""
        try:
            return read_own(self.word).decode("utf-8", "replace")
        except OSError:
            return ""

    def say(self, word: str) -> None:
        write_atomic(self.word, word)

    def remove(self) -> None:
        for path in (self.socket, self.word, self.lock):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock; gives whether it was free. The system frees it when its holder dies."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def bridge_files(target: BridgeTarget) -> HostFiles:
    """Return the files of the bridge to `target`. Raises OSError if this host has no place for them."""
    return _files("b", target.key)


def forward_files(key: str) -> HostFiles:
    """Return the files of a browser's way to a project's server; `key` has 12 hexadecimal digits. Raises OSError."""
    return _files("f", key)


def _files(kind: str, key: str) -> HostFiles:
    base = _directory() / f"{kind}{key}"
    return HostFiles(base.with_suffix(".sock"), base.with_suffix(".lock"), base.with_suffix(".json"))


def remove_old(directory: Path, now: float) -> None:
    """Remove the words and locks of what nobody has used for a month; `now`: epoch seconds of this host's clock."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            is_ours = _LEFT.fullmatch(path.name) is not None and not path.with_suffix(".sock").exists()
            if is_ours and now - path.lstat().st_mtime > _MONTH_S:
                path.unlink(missing_ok=True)


def _directory() -> Path:
    uid = os.geteuid()
    for place in _PLACES:
        path = Path(os.path.realpath(place)) / f"jlab-mcp-{uid}"
        if len(os.fsencode(path / "b0123456789ab.sock")) > _PATH_BYTES:
            continue
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                path.mkdir(0o700)
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == uid:
                if stat.S_IMODE(found.st_mode) & 0o077:
                    path.chmod(0o700)
                return path
    raise PermissionError("this host has no place for a socket of yours")
