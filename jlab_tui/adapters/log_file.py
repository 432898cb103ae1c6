"""A log file for a program that owns the terminal: private, bounded, without tokens; its failures never stop the program.

`logging.handlers.RotatingFileHandler` prints its own failures over the screen, keeps writing to a removed file, and
creates the file with the umask's rights.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .files import open_own, private_dir

MAX_BYTES = 1 << 20
"""size at which a new log starts; one earlier log is kept"""
_SECRET = re.compile(r"\b[0-9a-f]{40,}\b|(?<=token )\S{8,}|(?<=token=)[^\s&]{8,}", re.IGNORECASE)
_LOG_HEADERS = ("httpx", "httpcore", "websockets")
"""libraries that log every request with its headers, below WARNING"""


def dashboard_log(host: str, pid: str) -> str:
    return f"dashboard-{host}-{pid}.log"


def bridge_log(host: str, key: str) -> str:
    return f"bridge-{host}-{key}.log"


def forward_log(host: str, key: str) -> str:
    return f"forward-{host}-{key}.log"


def earlier(name: str) -> str:
    """Return the name of the earlier log."""
    return f"{name}.1"


class LogFile(logging.Handler):
    """Opens the file for each record: no file exists before the first record, and logging resumes after a full disk."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.path = path
        self._max_bytes = max_bytes
        self._failure = ""
        self.addFilter(
            lambda record: record.levelno >= logging.WARNING or not record.name.startswith(_LOG_HEADERS)
        )
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def where(self) -> str:
        """A sentence that names the file with the details, or says why it has none."""
        if self._failure:
            return f"The log {self.path} cannot be written: {self._failure}."
        return f"Details: {self.path}"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = _SECRET.sub("***", self.format(record)) + "\n"
            self._write(line.encode("utf-8", "replace"))
            self._failure = ""
        except OSError as error:
            self._failure = error.strerror or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a log record must never stop the program
            self._failure = type(error).__name__

    def _write(self, data: bytes) -> None:
        private_dir(self.path.parent)
        with open(self.path, "ab", buffering=0, opener=_private) as file:
            if not file.tell() or file.tell() + len(data) <= self._max_bytes:
                file.write(data)
                return
        self.path.replace(self.path.with_name(earlier(self.path.name)))
        self._write(data)


def _private(path: str, flags: int) -> int:
    return open_own(path, flags)


@contextmanager
def logging_to(file: LogFile, level: int = logging.WARNING) -> Iterator[None]:
    """Send the log records of all modules to `file` only, while the context is open."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    root.setLevel(level)
    root.handlers[:] = [file]
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
