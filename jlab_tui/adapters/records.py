"""The journals and actions files of one project, found on disk."""

from __future__ import annotations

from pathlib import Path

from .journal import JournalReader, journals


class DirectoryRecords:
    """Session journals in one directory, dashboards' actions files in another."""

    def __init__(self, sessions_dir: Path, actions_dir: Path) -> None:
        self._sessions_dir = sessions_dir
        self._actions_dir = actions_dir

    def journals(self) -> dict[str, list[Path]]:
        return journals(self._sessions_dir)

    def actions(self) -> list[Path]:
        try:
            return sorted(path for path in self._actions_dir.iterdir() if path.suffix == ".jsonl")
        except OSError:
            return []

    def follow(self, path: Path) -> JournalReader:
        return JournalReader(path)
