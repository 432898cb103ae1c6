"""Stores the notebook of a session that is being opened, so that a call that is sent again finds the file it made."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

from .files import private_dir, write_atomic

_KEPT_S: Final = 86400.0


class OpeningIntents:
    """The directory `intents` of a project: one file for each session that is being opened."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, session: str, notebook: Path) -> None:
        """Remember a notebook, unless the disk refuses it."""
        with contextlib.suppress(OSError):
            private_dir(self._directory)
            write_atomic(self._directory / session, str(notebook))
            self._clear()

    def read(self, session: str) -> Path | None:
        try:
            notebook = Path((self._directory / session).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None
        return notebook if notebook.is_file() else None

    def forget(self, session: str) -> None:
        with contextlib.suppress(OSError):
            (self._directory / session).unlink(missing_ok=True)

    def _clear(self) -> None:
        """Remove leftovers of killed processes."""
        for left in self._directory.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _KEPT_S:
                    left.unlink(missing_ok=True)
