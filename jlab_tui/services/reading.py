"""Reading back: the full output of a run from its record, a notebook with the state of its cells."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ..core.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    Event,
    OutputCleared,
    OutputDropped,
    TextPrinted,
)
from ..core.notebook import Cell, Notebook
from ..core.text import describe_data, plain_traceback
from .cells import CellRow, cell_map
from .ports import Journals, Notebooks
from .runs import Run
from .session import Session

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Reader:
    """Reads journals and notebooks. `text` and `pictures` block; call them in a thread."""

    def __init__(self, journals: Journals, notebooks: Notebooks) -> None:
        self._journals = journals
        self._notebooks = notebooks

    def text(self, run: Run) -> tuple[str, int]:
        """Everything that a run printed, raw, and how many characters were too many to be recorded."""
        parts: list[str] = []
        dropped = 0
        for event in self._events(run):
            match event:
                case TextPrinted():
                    parts.append(event.text)
                case DataShown() if not any(m in event.data for m in _PICTURES):
                    parts.append(_line(parts) + describe_data(event.data) + "\n")
                case ErrorRaised():
                    parts.append(
                        _line(parts) + plain_traceback(event.traceback, event.ename, event.evalue) + "\n"
                    )
                case OutputCleared() if not event.wait:
                    parts.append("\n")
                case OutputDropped():
                    dropped += event.count
                    parts.append(f"\n... {event.count:,} {event.unit} not recorded: {event.why} ...\n")
                case _:
                    pass
        return "".join(parts), dropped

    def pictures(self, run: Run, wanted: set[int]) -> dict[int, tuple[str, str]]:
        """MIME type and base64 of a run's pictures by their numbers, as the kernel sent them (latest update)."""
        found: dict[int, tuple[str, str]] = {}
        by_display: dict[str, int] = {}
        number = 0
        for event in self._events(run):
            if isinstance(event, DataShown):
                bitmap = _bitmap(event)
                if bitmap is None and "image/svg+xml" not in event.data:
                    continue
                number += 1
                if event.display_id:
                    by_display[event.display_id] = number
                if bitmap and number in wanted:
                    found[number] = bitmap
            elif (
                isinstance(event, DataUpdated)
                and by_display.get(event.display_id) in wanted
                and (b := _bitmap(event))
            ):
                found[by_display[event.display_id]] = b
        return found

    async def notebook(self, session: Session | None, path: str) -> tuple[Notebook, str]:
        """A session's notebook, or one by path, and what to call it."""
        if session is not None:
            if session.saver is not None:
                await session.saver.refresh()
            session.sync_cells()
            return session.notebook, session.info.notebook
        resolved = await asyncio.to_thread(self._notebooks.resolve, path)
        return await asyncio.to_thread(self._notebooks.file(resolved).load), str(resolved)

    @staticmethod
    def rows(session: Session | None, cells: list[Cell]) -> list[CellRow]:
        """The notebook's map with each cell's state in the session's kernel."""
        if session is None:
            return cell_map(cells, "", None)
        running = session.current.cell if session.current is not None else ""
        ran = {
            run.cell: run.status
            for run in session.runs.values()
            if run.cell and run.incarnation == session.incarnation
        }
        return cell_map(cells, running, ran)

    def _events(self, run: Run) -> Iterator[Event]:
        for entry in self._journals.read_from(run.journal, run.offset):
            if getattr(entry.event, "run", None) == run.id:
                yield entry.event


def _line(parts: list[str]) -> str:
    return "\n" if parts and not parts[-1].endswith("\n") else ""


def _bitmap(event: DataShown | DataUpdated) -> tuple[str, str] | None:
    for mime in _PICTURES:
        value = event.data.get(mime)
        if isinstance(value, str) and value:
            return mime, value
    return None
