"""Writes files for the user, and never overwrites an existing one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ..core.errors import JlabError

_MOST = 1000
"""most files of one name"""


class NewFiles:
    """Writes into one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def write(self, name: str, data: bytes) -> Path:
        """Write `name`, or `name` with the next free number. Raises JlabError on failure."""
        return await asyncio.to_thread(self._write, self._directory / name, data)

    def _write(self, path: Path, data: bytes) -> Path:
        for number in range(1, _MOST):
            candidate = path if number == 1 else path.with_stem(f"{path.stem}_{number}")
            try:
                with candidate.open("xb") as file:
                    file.write(data)
                return candidate
            except FileExistsError:
                continue
            except OSError as error:
                raise JlabError(
                    f"{candidate} cannot be written: {error.strerror or error}.",
                    "Make room, or start the dashboard in a directory where you may write.",
                ) from None
        raise JlabError(f"There are too many files like {path}.", "Remove some of them.")
