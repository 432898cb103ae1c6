"""Files that other processes and other hosts read: atomic writes, private directories, intents.

Made for NFS: no locks, no inotify; a rename is the only atomic step.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path

INTENT_STALE_S = 180.0
"""age after which a start or stop on another host counts as dead"""


def private_dir(path: Path) -> Path:
    """Make `path` as a directory; only its owner can enter new directories, including new parents.

    An existing directory keeps its mode; our files are always 0600.
    """
    if not path.parent.exists():
        private_dir(path.parent)  # mkdir(parents=True) would apply the umask to parents
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def open_own(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """Open one of our plain files with the flags of `os.open`, never through a link. Returns its descriptor.

    Raises PermissionError, which says what to do, if a link or a special file is in its place, or if truncating it would
    empty another name of the same file. Nothing has changed then.
    """
    path = str(path)
    try:
        fd = os.open(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and Path(path).is_symlink():
            raise _refused("it is a symbolic link, which jlab-mcp does not follow; remove it", path) from None
        raise
    try:
        info = os.fstat(fd)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(info.st_mode):
            raise _refused("it is not a plain file; remove it", path)
        if flags & os.O_TRUNC:
            if info.st_nlink > 1:
                raise _refused(
                    "it has a second name (a hard link), which would be emptied too; remove it", path
                )
            os.ftruncate(fd, 0)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _refused(why: str, path: str) -> PermissionError:
    return PermissionError(errno.EPERM, why, path)


def read_own(path: Path) -> bytes:
    """Read one of our files; see `open_own`."""
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return file.read()


def seal(path: Path) -> None:
    """Remove the right to write from one of our files; see `open_own`."""
    fd = open_own(path, os.O_RDONLY)
    try:
        os.fchmod(fd, 0o400)
    finally:
        os.close(fd)


def file_server_time(directory: Path) -> float | None:
    """Return the time of the file server of a directory; None if nothing can be written there. Blocks."""
    try:
        os.utime(directory)
        return directory.stat().st_mtime
    except OSError:
        return None


def temporary_name(name: str, pid: str, at: str) -> str:
    """Name of a file while `write_atomic` writes it; `at`: hexadecimal."""
    return f".{name}.{pid}-{at}"


def write_atomic(path: Path, data: str | bytes, *, mode: int = 0o600, sync: bool = False) -> None:
    """Replace `path` by `data` in one step; readers see the old or the new content, never a part.

    Raises OSError (disk full, read-only, ...), keeps the old content and leaves no temporary file.
    """
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(temporary_name(path.name, str(os.getpid()), f"{time.monotonic_ns():x}"))
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(raw)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@dataclass(frozen=True, slots=True)
class IntentHolder:
    """The process that is starting or stopping the server right now."""

    host: str
    pid: int
    pid_start: str
    at: float
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} by {self.host}:{self.pid}"


class Intent:
    """An O_EXCL file that lets one process at a time start or stop the server of a project."""

    def __init__(self, path: Path, host: str, *, limit_s: float | None = None) -> None:
        """`limit_s`: seconds after which even a live holder loses it: it may be suspended (Ctrl+Z)."""
        self.path = path
        self.host = host
        self.limit_s = limit_s

    def take(self, verb: str, now: float) -> IntentHolder | None:
        """Take the intent, from a dead holder too. Returns None on success, else its holder."""
        private_dir(self.path.parent)
        mine = {
            "host": self.host,
            "pid": os.getpid(),
            "pid_start": process_start(os.getpid()),
            "at": now,
            "verb": verb,
        }
        for _attempt in range(5):
            try:
                fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                holder = self.holder()
                if holder is None:
                    continue
                if not self._is_stale(holder, now):
                    return holder
                self._remove_stale(holder)
                continue
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    json.dump(mine, file)
            except OSError:
                self.path.unlink(missing_ok=True)  # a partial file would block everybody until it is stale
                raise
            return None
        # It changed hands each time, so another process has it.
        return self.holder() or IntentHolder("", 0, "", now, verb)

    def _remove_stale(self, stale: IntentHolder) -> None:
        """Rename before removing: if two processes find it stale, only one wins the rename."""
        aside = self.path.with_name(f".starting.{os.getpid()}-{time.monotonic_ns():x}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
            if _holder_in(aside) != stale:  # the other process won: this is its own new intent
                with contextlib.suppress(FileExistsError):
                    os.link(aside, self.path)
            aside.unlink()

    def holder(self) -> IntentHolder | None:
        """Return the current holder."""
        return _holder_in(self.path)

    def is_taken(self) -> bool:
        """Return whether there is a holder, dead or alive. Changes nothing."""
        return self.holder() is not None

    def release(self) -> None:
        holder = self.holder()
        if holder is not None and holder.host == self.host and holder.pid == os.getpid():
            self.path.unlink(missing_ok=True)

    def _is_stale(self, holder: IntentHolder, now: float) -> bool:
        if self.limit_s is not None and now - holder.at > self.limit_s:
            return True
        if holder.host == self.host and holder.pid:
            return process_start(holder.pid) != holder.pid_start
        return now - holder.at > INTENT_STALE_S


def _holder_in(path: Path) -> IntentHolder | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8") or "{}")
        return IntentHolder(
            str(raw["host"]), int(raw["pid"]), str(raw["pid_start"]), float(raw["at"]), str(raw["verb"])
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # being written now, or torn by a crash: its age decides
        with contextlib.suppress(OSError):
            return IntentHolder("", 0, "", path.stat().st_mtime, "start")
        return None


def process_start(pid: int) -> str:
    """Return the start time of a live process as an opaque string; empty if there is none (a zombie does not count).

    Linux: field 22 of /proc/PID/stat, in clock ticks since boot. Elsewhere: the output of `ps -o lstart=`.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _process_start_by_ps(pid)
    except OSError:
        return ""
    parts = text.rpartition(")")[2].split()
    return "" if parts[0] in "ZX" else parts[19]


def command_line(pid: int) -> str:
    """Return a process's arguments joined by spaces; empty if they cannot be read."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        )
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _ps(pid, "command=")
    except OSError:
        return ""


def _process_start_by_ps(pid: int) -> str:
    return _ps(pid, "lstart=")


def _ps(pid: int, column: str) -> str:
    import subprocess  # only where there is no /proc (macOS)

    done = subprocess.run(
        ["ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
    )
    return done.stdout.strip()


def is_there(path: Path) -> bool:
    """Whether something exists there. A path without permission counts as missing; using it reports why."""
    try:
        return path.exists()
    except OSError:
        return False


def reason_of(error: OSError) -> str:
    """Return the text of an OSError without Python's brackets: `/path: Permission denied`."""
    why = error.strerror or str(error) or type(error).__name__
    return f"{os.fspath(error.filename)}: {why}" if isinstance(error.filename, str | Path) else why


def bytes_below(*directories: Path, within_s: float = math.inf) -> tuple[int, bool]:
    """Return the size of all files below directories, without those that vanish meanwhile, as far as that many seconds
    reach, and whether they did."""
    total, until = 0, time.monotonic() + within_s
    waiting = [os.fspath(directory) for directory in directories]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                if time.monotonic() > until:
                    return total, False
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_size
    return total, True


def tail_text(path: Path, size: int = 4000) -> str:
    """Return whole lines from the last `size` bytes of a text file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            raw = file.read()
    except OSError:
        return ""
    if end > size:
        raw = raw.partition(b"\n")[2] or raw
    return raw.decode("utf-8", "replace").rstrip()


def owner_alive(host: str, pid: int, started: str = "") -> bool | None:
    """Return whether a process lives (and started at `started`, if given); None for a process of another host."""
    if host != socket.gethostname():
        return None
    found = process_start(pid)
    return bool(found) and started in ("", found)
