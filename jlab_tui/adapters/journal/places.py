"""Where journals lie: `<sessions>/<id>.<epoch>.jsonl`, and once their session is closed `<sessions>/closed/`, where old ones are compressed.

A session has one file for each owner, numbered by epochs. A session with a file in `<sessions>` is not closed, whatever
lies in `closed`: files move there in the order of their epochs, the newest last, and a closed session that comes back
writes its next epoch in `<sessions>`. So a list of names tells which sessions are closed, at any moment of a move.
"""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Container, Iterable
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from ..files import private_dir
from ..made_names import DIGITS, any_of, pattern_of

CLOSED: Final = "closed"
_SESSION: Final = "[A-Za-z0-9_-]+"


def journal_name(session: str, epoch: str) -> str:
    return f"{session}.{epoch}.jsonl"


def packed_name(session: str, epoch: str) -> str:
    return f"{journal_name(session, epoch)}.gz"


JOURNALS: Final = any_of(
    pattern_of(journal_name, _SESSION, DIGITS),
    pattern_of(packed_name, _SESSION, DIGITS),
)


def journal_path(sessions: Path, session: str, epoch: int) -> Path:
    return sessions / journal_name(session, str(epoch))


def epoch_of(path: Path) -> int:
    return int(path.name.split(".")[1])


def open_journals(sessions: Path) -> dict[str, list[Path]]:
    """The files, in the order of their epochs, of each session that is not closed. One that came back has older ones in `closed`."""
    return _by_session(_listed(sessions))


def open_entries(sessions: Path, only: Container[str] | None = None) -> dict[str, list[os.DirEntry[str]]]:
    """The same as the directory lists them, which costs a third; of some sessions, where `only` names them."""
    found: dict[str, dict[int, os.DirEntry[str]]] = {}
    with contextlib.suppress(OSError), os.scandir(sessions) as entries:
        for entry in entries:
            if only is not None and _session_of_name(entry.name) not in only:
                continue
            if JOURNALS.fullmatch(entry.name):
                session, epoch, *_ = entry.name.split(".")
                epochs = found.setdefault(session, {})
                if entry.name.endswith(".gz") or int(epoch) not in epochs:
                    epochs[int(epoch)] = entry
    return {session: [epochs[epoch] for epoch in sorted(epochs)] for session, epochs in found.items()}


def closed_journals(sessions: Path) -> dict[str, list[Path]]:
    """The same of closed sessions."""
    open_ones = {_session_of(path) for path in _listed(sessions)}
    return _by_session(path for path in _listed(sessions / CLOSED) if _session_of(path) not in open_ones)


def all_journals(sessions: Path) -> dict[str, list[Path]]:
    """The same of all sessions."""
    # In this order: what moves meanwhile is in both lists.
    return _by_session([*_listed(sessions), *_listed(sessions / CLOSED)])


def journals_of(sessions: Path, session: str) -> list[Path]:
    """All files of one session, in the order of their epochs."""
    prefix = f"{session}."
    found = [*_listed(sessions, prefix), *_listed(sessions / CLOSED, prefix)]
    return _by_session(found).get(session, [])


def _listed(directory: Path, prefix: str = "") -> list[Path]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return [directory / name for name in names if name.startswith(prefix) and JOURNALS.fullmatch(name)]


def _session_of(path: Path) -> str:
    return _session_of_name(path.name)


def _session_of_name(name: str) -> str:
    return name.partition(".")[0]


def _by_session(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, dict[int, Path]] = {}
    for path in paths:
        session, epoch, *_ = path.name.split(".")
        epochs = found.setdefault(session, {})
        other = epochs.setdefault(int(epoch), path)
        if other is not path:
            epochs[int(epoch)] = max(path, other, key=lambda one: _places(one).index(one))
    return {session: [epochs[epoch] for epoch in sorted(epochs)] for session, epochs in sorted(found.items())}


def _places(path: Path) -> list[Path]:
    """The places through which a journal goes, in this order; only the second was never made by this version."""
    sessions = path.parent.parent if path.parent.name == CLOSED else path.parent
    plain = path.name.removesuffix(".gz")
    return [directory / f"{plain}{end}" for directory in (sessions, sessions / CLOSED) for end in ("", ".gz")]


def open_journal(path: Path) -> BinaryIO:
    """Open a journal to read its text, wherever it has gone since it was listed. Raises OSError."""
    places = _places(path) if JOURNALS.fullmatch(path.name) else [path]
    *earlier, last = places[places.index(path) :]
    for place in earlier:
        with contextlib.suppress(FileNotFoundError):
            return _opened(place)
    return _opened(last)


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def is_packed(file: IO[bytes]) -> bool:
    """Whether an open journal is a compressed one, whose end is far to seek."""
    return isinstance(file, gzip.GzipFile)


def has_moved(path: Path) -> bool:
    """Whether a journal of an open session now lies with those of closed ones."""
    return any(place.exists() for place in _places(path)[2:])


def move_closed(files: Iterable[Path]) -> None:
    """Put the files of a closed session, in the order of their epochs, where closed ones lie. Others may do so at the same time."""
    for path in files:
        if path.parent.name == CLOSED:
            continue
        there = private_dir(path.parent / CLOSED) / path.name
        if there.exists() and path.exists():
            return  # nothing on record is replaced; what follows stays, so that the session counts as it did
        with contextlib.suppress(FileNotFoundError):
            path.rename(there)
