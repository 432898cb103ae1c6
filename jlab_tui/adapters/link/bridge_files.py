"""The files of a bridge: its socket, its lock and its last word, in a private directory on this host's own disk."""

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

from ...core.link.bridge import BridgeTarget, Word, format_word, parse_word
from ..files import read_own, write_atomic

_PLACES: Final = ("/tmp", "/var/tmp", "/dev/shm")
_LEFT: Final = re.compile(r"b[0-9a-f]{12}\.(?:json|lock)")
_MONTH_S: Final = 30 * 86400.0
_PATH_BYTES: Final = 103
"""the shortest limit of all systems"""


@dataclass(frozen=True, slots=True)
class BridgeFiles:
    """Names of one bridge's files, which every process of the account finds in the same way."""

    socket: Path
    lock: Path
    word: Path

    def last_word(self) -> Word | None:
        try:
            return parse_word(read_own(self.word).decode("utf-8", "replace"))
        except OSError:
            return None

    def say(self, word: Word) -> None:
        write_atomic(self.word, format_word(word))

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


def bridge_files(target: BridgeTarget) -> BridgeFiles:
    """Return the files of the bridge to `target`. Raises OSError if this host has no place for them."""
    base = _directory() / f"b{target.key}"
    return BridgeFiles(base.with_suffix(".sock"), base.with_suffix(".lock"), base.with_suffix(".json"))


def remove_old(directory: Path, now: float) -> None:
    """Remove the words and locks of bridges that nobody has used for a month; `now`: epoch seconds of this host's clock."""
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
    raise PermissionError("this host has no place for a bridge's socket")
