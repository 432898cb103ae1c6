"""Removes leftovers of earlier launches: tokens, copies of the extension, old logs.

A start calls it after it took the intent and found no server, so this project uses none of them.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from ...core.server.record import parse_record
from ...core.settings import Settings
from ..files import file_server_time
from .file_names import COPIES, LAUNCHES, LOGS


def prune(settings: Settings, node: Path, now: float | None = None) -> None:
    """Remove launch files and copies of this project, and logs (of all projects) older than the records are kept.

    `node`: the copy of the extension to keep; `now`: by the file server's clock, read from it by default.
    """
    # Elsewhere, other projects may keep their files there.
    if settings.connection_dir.is_relative_to(settings.status_dir):
        _remove(settings.connection_dir, LAUNCHES)
    _remove(settings.node_dir, COPIES, without=[node])
    now = file_server_time(settings.log_dir) if now is None else now
    if now is None:
        return
    oldest = now - settings.keep_days * 86400
    kept = set(_logs_on_record([settings.status_file, *(settings.home / "servers").glob("*/server-status")]))
    _remove(settings.log_dir, LOGS, before=oldest, without=kept)


def _logs_on_record(files: Iterable[Path]) -> Iterable[Path]:
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            yield Path(parse_record(file.read_text(encoding="utf-8")).log)


def _remove(
    directory: Path, name: re.Pattern[str], *, before: float | None = None, without: Iterable[Path] = ()
) -> None:
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            if not name.fullmatch(path.name) or path in without:
                continue
            with contextlib.suppress(OSError):
                if before is not None and path.stat().st_mtime >= before:
                    continue
                if name is COPIES:
                    shutil.rmtree(path)
                else:
                    path.unlink()
