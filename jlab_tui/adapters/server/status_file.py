"""The status file: the record of a project's server, which every command on every host reads."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

from ...core.errors import StatusFileDamaged, StatusFileUnreadable
from ...core.server.record import ServerRecord, format_record, named_in, parse_record
from ..files import private_dir, read_own, reason_of, write_atomic

_REOPEN = (errno.ESTALE, errno.EIO)
"""NFS raises it when another host replaced a file that is being read; opening the name again gets the new one"""
_TRIES = 4


class StatusFile:
    """The record of this project's server. The first process that sees a transition writes it."""

    def __init__(self, path: Path, require_trusted: Callable[[], None] = lambda: None) -> None:
        """`require_trusted` raises a StatusFileError if others could have written the file; called until it passes once."""
        self.path = path
        self._require_trusted = require_trusted

    def read(self) -> ServerRecord | None:
        """Return the record, or None if there is no file.

        Raises StatusFileDamaged if it has no valid form, StatusFileUnreadable if it cannot be read now,
        UntrustedDirectory if others could have written it.
        """
        self._require_trusted()
        self._require_trusted = lambda: None
        try:
            text = self._text_of_now()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError as error:
            raise StatusFileDamaged(str(self.path), reason_of(error)) from None
        except OSError as error:
            raise StatusFileUnreadable(str(self.path), reason_of(error)) from None
        try:
            return parse_record(text)
        except ValueError as error:
            raise StatusFileDamaged(str(self.path), str(error), named_in(text)) from None

    def _text_of_now(self) -> str:
        for left in reversed(range(_TRIES)):
            try:
                return self.read_bytes().decode("utf-8", "replace")
            except OSError as error:
                if error.errno not in _REOPEN or not left:
                    raise
        raise AssertionError("unreachable")

    def read_bytes(self) -> bytes:
        """Open and read the file."""
        return read_own(self.path)

    def write(self, record: ServerRecord) -> None:
        private_dir(self.path.parent)
        write_atomic(self.path, format_record(record))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def other_roots(servers: Path, own: Path, cwd: Path, most: int = 3) -> list[str]:
    """Return project roots with a live record below `servers`, except `own` (a status directory); nearest first."""
    found: list[Path] = []
    for file in servers.glob("*/server-status"):
        with contextlib.suppress(OSError, ValueError):
            record = parse_record(file.read_text(encoding="utf-8"))
            root = Path(record.root)
            if file.parent != own and record.state.is_live and root.is_absolute():
                found.append(root)
    found.sort(key=lambda root: (not (root.is_relative_to(cwd) or cwd.is_relative_to(root)), str(root)))
    return [str(root) for root in found[:most]]
