"""Retires old records: compresses closed journals after a week, sets all records aside after `keep_days`, removes them a day later.

All times are the file server's. If its clock was wrong, a later run restores what an earlier one set aside.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from ...core.journal.events import Entry, SessionClosed, SessionOpened
from ..files import open_own, private_dir
from ..made_names import DIGITS, any_of, pattern_of
from .journal_file import read_ends, read_entries
from .places import CLOSED, JOURNALS, all_journals, closed_journals, move_closed, open_journals

DAY_S = 86400.0
COMPRESS_AFTER_S = 7 * DAY_S
KEEP_NEWEST = 20
"""sessions of a project to keep at any age"""
TRASH = "trash"


def actions_name(host: str, pid: str) -> str:
    """Name of the file that records what a user did in one dashboard."""
    return f"{host}-{pid}.jsonl"


def name_aside(at: str, name: str) -> str:
    """Name of a file that was set aside at `at`, in epoch seconds of the file server."""
    return f"{at}.{name}"


def half_packed_name(journal: str, host: str, pid: str) -> str:
    """Name of the unfinished compressed journal; several processes may compress it at once."""
    return f".{journal}.{host}-{pid}.gz"


ACTIONS = pattern_of(actions_name, r"[^/\n]+", DIGITS)
_HALF_PACKED = pattern_of(half_packed_name, JOURNALS.pattern, r"[^/\n]+", DIGITS)
_ASIDE = pattern_of(name_aside, f"({DIGITS})", f"({any_of(JOURNALS, ACTIONS).pattern})")


def clear_old(
    sessions: Path, actions: Path, keep_days: int, now: float, keep_newest: int = KEEP_NEWEST
) -> None:
    """Take the next step for each old record of a project. `now`: by the file server's clock."""
    keep_s = keep_days * DAY_S
    _sweep(sessions / TRASH, sessions / CLOSED, lambda name: name.partition(".")[0], keep_s, now)
    _sweep(actions / TRASH, actions, lambda name: name, keep_s, now)
    for path in _listed(actions, ACTIONS):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > keep_s:
                _set_aside([path], actions / TRASH, now)
    for path in [*_listed(sessions, _HALF_PACKED), *_listed(sessions / CLOSED, _HALF_PACKED)]:
        with contextlib.suppress(OSError):
            if now - path.lstat().st_mtime > DAY_S:
                path.unlink()  # its process was killed; the journal itself is still there
    for files in open_journals(sessions).values():
        with contextlib.suppress(OSError):
            if _is_closed(files[-1]) and _is_ours(files[0]):
                move_closed(files)  # its process was killed in between, or was of an older version
    changed = {session: _changed(files) for session, files in all_journals(sessions).items()}
    newest = sorted(changed, key=lambda session: changed[session])[max(0, len(changed) - keep_newest) :]
    for session, files in closed_journals(sessions).items():
        with contextlib.suppress(OSError):
            age = now - changed.get(session, now)
            goes = age > keep_s and session not in newest
            loose = [path for path in files if path.suffix != ".gz"]
            if age <= COMPRESS_AFTER_S or not (goes or loose) or not _is_ours(files[0]):
                continue
            if goes:
                _set_aside(files, sessions / TRASH, now)
                continue
            for path in loose:
                _compress(path)


def _sweep(trash: Path, home: Path, group_of: Callable[[str], str], keep_s: float, now: float) -> None:
    """Remove files set aside over a day ago, and restore those that are not old after all."""
    groups: dict[str, list[tuple[float, str, Path]]] = {}
    for path in _listed(trash, _ASIDE):
        since, name = path.name.split(".", 1)
        groups.setdefault(group_of(name), []).append((float(since), name, path))
    for group in groups.values():
        is_old = now - _changed(path for _, _, path in group) > keep_s
        for at, name, path in group:
            with contextlib.suppress(OSError):
                if is_old and now - at >= DAY_S:
                    path.unlink()
                elif not is_old and not (home / name).exists():
                    path.rename(private_dir(home) / name)


def _set_aside(files: Iterable[Path], trash: Path, now: float) -> None:
    for path in files:
        path.rename(private_dir(trash) / name_aside(f"{now:.0f}", path.name))


def _listed(directory: Path, names: re.Pattern[str]) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if names.fullmatch(path.name)]
    except OSError:
        return []


def _changed(files: Iterable[Path]) -> float:
    """Return the newest modification time; infinity if a file is unreadable, so that it never counts as old."""
    try:
        return max(path.lstat().st_mtime for path in files)
    except OSError:
        return float("inf")


def _is_ours(path: Path) -> bool:
    """Whether a file begins like the first journal of a session."""
    first, _ = read_ends(path)
    return bool(first) and isinstance(first[0].event, SessionOpened)


def _is_closed(path: Path) -> bool:
    if path.suffix == ".gz":
        return True
    last: Entry | None = None
    for _, entry in read_entries(path, max(0, path.stat().st_size - 4096)):
        last = entry
    return last is not None and isinstance(last.event, SessionClosed)


def _compress(path: Path) -> None:
    packed = path.with_name(path.name + ".gz")
    part = path.with_name(half_packed_name(path.name, socket.gethostname(), str(os.getpid())))
    try:
        part.unlink(missing_ok=True)
        with (
            os.fdopen(open_own(path, os.O_RDONLY), "rb") as source,
            os.fdopen(open_own(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as packing,
            gzip.open(packing, "wb", compresslevel=6) as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
        part.replace(packed)
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
