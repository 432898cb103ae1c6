"""Answers the reading tools: a run's record in lines or images, a notebook as a map or in full."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.progress.series_page import SERIES_MAX, series_page
from ..core.reply.compose import Part, ReplyImage
from ..core.reply.pages import RecordLines, Selection, around, notebook_map, record_page, rows_of, whole_cell
from .context import App

if TYPE_CHECKING:
    from ..core.session.run import Run
    from ..services.session.session import Session


async def read_record_text(
    app: App, run: Run, asked: Selection, images: list[int] | None, series: list[str] | None
) -> list[Part]:
    """Return lines, images or numbers of a run's record. Raises UsageError for a pattern that is invalid or takes too long."""
    if images:
        return await asyncio.to_thread(_images, app, run, images)
    if series is not None:
        return [
            await asyncio.to_thread(
                series_page, run.id, RecordLines(app.reader.texts(run)), series[:SERIES_MAX]
            )
        ]
    try:
        return [await asyncio.to_thread(_page, app, run, asked)]
    except re.error as error:
        raise UsageError(
            f"grep={asked.pattern!r} is not a regular expression: {error}.", "Escape special characters."
        ) from None
    except TimeoutError:
        raise UsageError(
            f"Searching this output for grep={asked.pattern!r} takes too long.",
            "Use a simpler pattern: a repetition inside a repetition, such as (a+)+, can take for ever.",
        ) from None


def _page(app: App, run: Run, asked: Selection) -> str:
    lines = RecordLines(app.reader.texts(run))
    found = rows_of(lines) if asked.pattern is None else around(app.grep(asked.pattern, lines))
    return record_page(run.id, run.status, lines, found, asked, app.settings.output_chars)


def _images(app: App, run: Run, images: list[int]) -> list[Part]:
    parts: list[Part] = []
    found = app.reader.images(run, set(images))
    for number in images:
        if number in found:
            mime, data = found[number]
            parts += [f"[image {number}]", ReplyImage(number, mime, data)]
        else:
            parts.append(f"[run {run.id} has no image {number}]")
    return parts


async def read_cells(
    app: App, session: Session | None, path: str, cells: list[str | int] | None
) -> list[Part]:
    """Return a notebook's map, or chosen cells in full."""
    if cells:
        seen = await app.reader.seen_cells(session, path, cells)
        return await asyncio.to_thread(
            lambda: [part for index, cell in seen for part in whole_cell(cell, index)]
        )
    known, where = await app.reader.seen_map(session, path)
    rows = app.reader.rows(session, known)
    text = notebook_map(where, rows, _batch_note(session), app.settings.output_chars)
    warnings = session.warnings() if session is not None else []
    return [text, *(["\n".join(f"Warning: {warning}" for warning in warnings)] if warnings else [])]


def _batch_note(session: Session | None) -> str:
    if session is None or (batch := session.state.batch) is None:
        return ""
    return batch.stopped if batch.is_over else "its cells are running again"
