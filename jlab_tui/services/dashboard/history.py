"""The closed sessions of a project: only counted until somebody wants to see them, then read in steps, newest first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ...core.journal.window import ClosedSession
from .records import Records

STEP = 20
"""sessions that are read at a time"""


@dataclass(frozen=True, slots=True)
class PastSession:
    """A closed session in the list."""

    session: str
    name: str
    notebook: str
    changed_at: float


class History:
    """Counts the closed sessions, lists them on demand, and reads the names of those that are shown."""

    def __init__(self, records: Records) -> None:
        self.is_open = False
        """the user wants to see them"""
        self.shown: tuple[PastSession, ...] = ()
        """those that were read, newest first"""
        self.over: dict[str, ClosedSession] = {}
        """closed sessions whose journals still lie among those of open ones, and open ones that nobody used for long"""
        self._records = records
        self._moved = 0
        self._wanted = STEP
        self._listed: list[ClosedSession] | None = None

    @property
    def count(self) -> int:
        return self._moved + len(self.over)

    @property
    def left(self) -> int:
        """How many more there are than those shown."""
        return max(0, self.count - len(self.shown))

    def counted(self, moved: int) -> None:
        """Take in how many closed sessions lie with the closed ones."""
        if moved != self._moved:
            self._moved = moved
            self._listed = None

    def toggle(self) -> None:
        self.is_open = not self.is_open

    def want_more(self) -> None:
        self._wanted = len(self.shown) + STEP

    async def everything(self) -> list[ClosedSession]:
        """List all closed sessions, newest first; the list is made again when their number has changed."""
        if self._listed is None:
            moved = await asyncio.to_thread(self._records.closed)
            self._listed = sorted([*moved, *self.over.values()], key=lambda one: one.changed_at, reverse=True)
        return self._listed

    async def read(self) -> bool:
        """Read what the list should show and does not. Returns whether it shows something else now."""
        if not self.is_open or (
            self._listed is not None and len(self.shown) >= min(self._wanted, self.count)
        ):
            return False
        wanted = (await self.everything())[: self._wanted]
        owners = await asyncio.to_thread(self._records.owners, wanted)
        before = self.shown
        self.shown = tuple(
            PastSession(
                one.session,
                owner.name if owner and owner.name else one.session,
                owner.notebook if owner else "",
                one.changed_at,
            )
            for one, owner in zip(wanted, owners, strict=True)
        )
        return self.shown != before
