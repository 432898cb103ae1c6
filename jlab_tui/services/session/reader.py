"""Reads the full output of a run from its record, and a notebook with the state of its cells."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from ...core.display.image_numbers import ImageCount
from ...core.display.mime import bitmaps, describe_data
from ...core.display.terminal_text import plain_traceback
from ...core.display.widgets import Widgets, stored_widgets, view_of
from ...core.journal.events import (
    UNREADABLE,
    DataShown,
    DataUpdated,
    ErrorRaised,
    Event,
    OutputCleared,
    OutputDropped,
    RunFinished,
    TextPrinted,
    Unknown,
    WidgetsChanged,
)
from ...core.journal.run_use import use_words
from ...core.notebook.file_text import outputs_of
from ...core.notebook.notebook import Notebook, NotebookCell
from ...core.reply.pages import CellRow, LastRun, cell_map
from ...core.session.replay import entries_of
from ...core.session.run import Run
from ..ports import Journals, Notebooks
from .session import Session


class Reader:
    """Reads journals and notebooks. `texts` and `images` block; call them in a thread."""

    def __init__(self, journals: Journals, notebooks: Notebooks) -> None:
        self._journals = journals
        self._notebooks = notebooks

    def texts(self, run: Run) -> Iterator[tuple[str, int]]:
        """All text that a run printed or showed, raw, as it came, in parts, and at the end the latest text of its widgets;
        with each part, how many characters were too many to be recorded."""
        at_line_end, before = True, ("", "")
        bars: dict[str, str] = {}
        for event in _counted_together(self._events(run)):
            dropped, stream = 0, ("", "")
            match event:
                case TextPrinted():
                    text, stream = event.text, (event.stream, event.into)
                case DataShown() if model_id := view_of(event.data):
                    bars.setdefault(model_id, describe_data(event.data) if event.view is None else event.view)
                    continue
                case WidgetsChanged():
                    bars |= event.views
                    continue
                case DataShown() | DataUpdated():
                    words = describe_data(event.data)
                    text = f"{words}\n" if words else ""
                case ErrorRaised():
                    text = plain_traceback(event.traceback, event.ename, event.evalue) + "\n"
                case OutputCleared() if not event.wait:
                    text = ""
                case Unknown():
                    text = "\n... a line of the record cannot be read ...\n"
                case OutputDropped():
                    dropped = event.count if event.unit == "characters" else 0
                    text = f"... {event.count:,} {event.unit} not recorded: {event.why} ...\n"
                case _:
                    continue
            if not at_line_end and stream != before:
                text = "\n" + text
            if text:
                at_line_end, before = text.endswith("\n"), stream
                yield text, dropped
        for words in filter(None, bars.values()):
            yield "\n" * (not at_line_end) + words, 0
            at_line_end = False

    def images(self, run: Run, wanted: set[int]) -> dict[int, tuple[str, str]]:
        """Return MIME type and base64 of a run's images by number, as the kernel sent them (latest update)."""
        found: dict[int, tuple[str, str]] = {}
        count = ImageCount()
        for event in self._events(run):
            match event:
                case DataShown() | DataUpdated():
                    images = bitmaps(event.data)
                    for place in count.feed(event):
                        shown = zip(place.numbers, images, strict=False)
                        found.update((number, image) for number, image in shown if number in wanted)
                case TextPrinted() | OutputCleared() | ErrorRaised():
                    count.feed(event)
                case _:
                    pass
        return found

    async def seen_map(self, session: Session | None, path: str) -> tuple[list[NotebookCell], str]:
        """Return a notebook's cells and name for a map, from which the model then knows the indices."""
        notebook, where = await self.notebook(session, path)
        notebook.is_shifted = False
        return notebook.cells, where

    async def seen_cells(
        self, session: Session | None, path: str, cells: Sequence[str | int]
    ) -> list[tuple[int, NotebookCell]]:
        """Return copies of some cells with their indices; the model then knows their text."""
        notebook, _ = await self.notebook(session, path)
        chosen = [(index, notebook.cells[index]) for index in map(notebook.find, cells)]
        for _, cell in chosen:
            cell.is_edited = False
        widgets = stored_widgets(notebook.metadata)
        outputs = await asyncio.to_thread(lambda: [outputs_of(cell) for _, cell in chosen])
        return [
            (index, replace(cell, outputs=[_with_widgets(output, widgets) for output in known]))
            for (index, cell), known in zip(chosen, outputs, strict=True)
        ]

    async def notebook(self, session: Session | None, path: str) -> tuple[Notebook, str]:
        """Return a session's notebook, or one by path, and its name."""
        if session is not None:
            return await session.cells.read(), session.identity.notebook
        resolved = await asyncio.to_thread(self._notebooks.resolve, path)
        return await asyncio.to_thread(self._notebooks.file(resolved).load), str(resolved)

    @staticmethod
    def rows(session: Session | None, cells: list[NotebookCell]) -> list[CellRow]:
        """Return the notebook's map with each cell's state in the session's kernel."""
        if session is None:
            return cell_map(cells, "", {}, lambda source: True)
        running = session.current.cell if session.current is not None else ""
        ran = {
            run.cell: LastRun(run.source, run.status, use_words(run.use, run.seconds))
            for run in session.runs.values()
            if run.cell and run.generation == session.state.kernel.generation
        }
        return cell_map(cells, running, ran, session.state.ran_elsewhere)

    def _events(self, run: Run) -> Iterator[Event]:
        """Yield the entries of one run, and the unreadable ones between its beginning and its end."""
        is_going = False
        for event in (entry.event for entry in entries_of([run], self._journals.read_runs)):
            if getattr(event, "run", None) == run.id:
                is_going = not isinstance(event, RunFinished)
                yield event
            elif is_going and isinstance(event, Unknown) and event.kind == UNREADABLE:
                yield event


def _with_widgets(output: dict[str, Any], widgets: Widgets) -> dict[str, Any]:
    """Return an output with the text of the widget that it shows."""
    data = output.get("data") or {}
    if not (model_id := view_of(data)) or (words := widgets.text(model_id)) is None:
        return output
    return {**output, "data": {**data, "text/plain": words}}


def _counted_together(events: Iterator[Event]) -> Iterator[Event]:
    """Combine what was dropped at one place for one reason into one event."""
    for place, group in groupby(
        events, lambda event: (event.unit, event.why) if isinstance(event, OutputDropped) else None
    ):
        if place is None:
            yield from group
        else:
            dropped = [event for event in group if isinstance(event, OutputDropped)]
            yield replace(dropped[0], count=sum(event.count for event in dropped))
