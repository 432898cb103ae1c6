"""Retires old records: compresses closed journals after a week, sets all records aside after `keep_days`, removes them a day later.
Where those of the closed sessions take more than a site or user allows, the oldest are removed at once.

All times are the file server's. If its clock was wrong, a later run restores what an earlier one set aside.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.journal.events import SessionOpened
from ...core.journal.summary import Heads
from ..files import open_own, private_dir, process_start
from ..made_names import DIGITS, any_of, pattern_of
from .journal_reader import read_ends
from .places import CLOSED, JOURNALS, all_journals, closed_journals, move_closed

DAY_S = 86400.0
COMPRESS_AFTER_S = 7 * DAY_S
KEEP_NEWEST = 20
"""sessions of a project to keep at any age"""
TRASH = "trash"
_CHUNK = 1 << 18
"""bytes that are compressed between two looks at whether to stop"""


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


@dataclass(frozen=True, slots=True)
class Places:
    """The records of one project."""

    sessions: Path
    actions: Path

    @property
    def closed(self) -> Path:
        return self.sessions / CLOSED


def steps(
    places: Places,
    keep_days: int,
    now: float,
    open_heads: Callable[[], Heads],
    keep_newest: int = KEEP_NEWEST,
    most_bytes: int = 0,
) -> Iterator[None]:
    """Take the next step for each old record of a project, in small parts of work. `now`: by the file server's clock;
    `open_heads` summarises the sessions that are not closed by their names; `most_bytes`: what closed ones may take, 0: any."""
    keep_s = keep_days * DAY_S
    yield from _clear_half_packed(places, now)
    yield from _move_closed(open_heads())
    trash, group_of = places.sessions / TRASH, _session_of
    yield from _sweep(trash, places.closed, group_of, keep_s, now)
    yield from _sweep(places.actions / TRASH, places.actions, lambda name: name, keep_s, now)
    for path in _listed(places.actions, ACTIONS):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > keep_s:
                _set_aside([path], places.actions / TRASH, now)
        yield
    yield from _retire(places, keep_s, now, keep_newest)
    if most_bytes:
        yield from _shrink(places, most_bytes, keep_newest)


def _clear_half_packed(places: Places, now: float) -> Iterator[None]:
    """Remove what killed processes left of a compression; the journal itself is still there."""
    for path in [*_listed(places.sessions, _HALF_PACKED), *_listed(places.closed, _HALF_PACKED)]:
        where, _, pid = path.name.removesuffix(".gz").rpartition("-")
        is_here = where.endswith(f".{socket.gethostname()}")
        with contextlib.suppress(OSError):
            if (is_here and not process_start(int(pid))) or now - path.lstat().st_mtime > DAY_S:
                path.unlink()
        yield


def _move_closed(heads: Heads) -> Iterator[None]:
    """Move sessions whose process was killed after it had closed them, or was of an earlier version."""
    for head in heads.known:
        if head.is_closed:
            with contextlib.suppress(OSError):
                move_closed(head.files)
            yield


def _retire(places: Places, keep_s: float, now: float, keep_newest: int) -> Iterator[None]:
    """Compress or set aside the old closed sessions."""
    changed: dict[str, float] = {}
    for session, files in all_journals(places.sessions).items():
        changed[session] = _changed(files)
        yield
    newest = _newest(changed, keep_newest)
    for session, files in closed_journals(places.sessions).items():
        age = now - changed.get(session, now)
        goes = age > keep_s and session not in newest
        loose = [path for path in files if path.suffix != ".gz"]
        with contextlib.suppress(OSError):
            if age > COMPRESS_AFTER_S and (goes or loose) and _is_ours(files[0]):
                yield
                if goes:
                    _set_aside(files, places.sessions / TRASH, now)
                    continue
                for path in loose:
                    yield from _compress(path)


def _shrink(places: Places, most_bytes: int, keep_newest: int) -> Iterator[None]:
    """Remove the records of the oldest closed sessions, set aside or not, until those left take no more than `most_bytes`."""
    newest = _newest({s: _changed(files) for s, files in all_journals(places.sessions).items()}, keep_newest)
    yield
    aside: dict[str, list[Path]] = {}
    for path in _listed(places.sessions / TRASH, _ASIDE):
        aside.setdefault(_session_of(path.name.split(".", 1)[1]), []).append(path)
    closed = closed_journals(places.sessions)
    sizes: list[tuple[float, int, str, list[Path]]] = []
    for session, files in (*aside.items(), *closed.items()):
        sizes.append((_changed(files), sum(_size(path) for path in files), session, files))
        yield
    too_much = sum(size for _, size, _, _ in sizes) - most_bytes
    for _, size, session, files in sorted(sizes, key=lambda one: one[0]):
        if too_much <= 0:
            return
        with contextlib.suppress(OSError):
            if session not in newest and (session not in closed or _is_ours(files[0])):
                for path in reversed(files):  # while the first is there, a later pass knows the others
                    path.unlink()
                too_much -= size
        yield


def _newest(changed: Mapping[str, float], keep_newest: int) -> set[str]:
    return set(sorted(changed, key=lambda session: changed[session])[max(0, len(changed) - keep_newest) :])


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _sweep(
    trash: Path, home: Path, group_of: Callable[[str], str], keep_s: float, now: float
) -> Iterator[None]:
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
        yield


def _set_aside(files: Iterable[Path], trash: Path, now: float) -> None:
    for path in files:
        path.rename(private_dir(trash) / name_aside(f"{now:.0f}", path.name))


def _session_of(name: str) -> str:
    return name.partition(".")[0]


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


def _compress(path: Path) -> Iterator[None]:
    """Compress a journal. Leaves nothing behind when it is closed in between."""
    packed = path.with_name(path.name + ".gz")
    part = path.with_name(half_packed_name(path.name, socket.gethostname(), str(os.getpid())))
    try:
        part.unlink(missing_ok=True)
        with (
            os.fdopen(open_own(path, os.O_RDONLY), "rb") as source,
            os.fdopen(open_own(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as packing,
            gzip.open(packing, "wb", compresslevel=6) as target,
        ):
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                yield
            age = os.fstat(source.fileno())
        os.utime(part, ns=(age.st_atime_ns, age.st_mtime_ns))  # its session is as old as before
        part.replace(packed)
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
