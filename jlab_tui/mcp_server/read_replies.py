"""Composes the replies of the reading tools: a run's record in lines, a notebook as a map or in full."""

from __future__ import annotations

import asyncio
import bisect
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from ..core.display.mime import bitmaps, describe_data
from ..core.display.terminal_text import ROW_CHARS, TerminalLines, plain_traceback, render_terminal, rows
from ..core.errors import UsageError
from ..core.reply.compose import Part, ReplyImage, cut_to
from .context import App

if TYPE_CHECKING:
    from ..core.notebook.notebook import NotebookCell
    from ..core.session.run import Run
    from ..services.session.session import Session

_CELL_CHARS = 8000


async def read_record_text(
    app: App,
    run: Run,
    offset: int,
    limit: int,
    tail: int | None,
    grep: str | None,
    images: list[int] | None,
) -> list[Part]:
    """Return lines or images of a run's record. Raises UsageError for a pattern that is invalid or takes too long."""
    if images:
        return await asyncio.to_thread(_images, app, run, images)
    try:
        return [await asyncio.to_thread(_page, app, run, offset, limit, tail, grep)]
    except re.error as error:
        raise UsageError(
            f"grep={grep!r} is not a regular expression: {error}.", "Escape special characters."
        ) from None
    except TimeoutError:
        raise UsageError(
            f"Searching this output for grep={grep!r} takes too long.",
            "Use a simpler pattern: a repetition inside a repetition, such as (a+)+, can take for ever.",
        ) from None


@dataclass(slots=True)
class _Lines:
    """Iterates over the rendered lines of a record, numbered by their first row. A record may not fit in memory."""

    texts: Iterator[tuple[str, int]]
    total: int = 0
    """rows so far"""
    dropped: int = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        terminal = TerminalLines()
        for text, dropped in self.texts:
            self.dropped += dropped
            yield from self._numbered(terminal.feed(text))
        last = terminal.finish()
        while last and not last[-1]:
            last.pop()
        yield from self._numbered(last)

    def _numbered(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        for line in lines:
            yield self.total, line
            self.total += len(rows(line))


def _page(app: App, run: Run, offset: int, limit: int, tail: int | None, pattern: str | None) -> str:
    lines = _Lines(app.reader.texts(run))
    chosen: deque[tuple[int, int, str]] = deque(maxlen=tail or limit)
    matching = 0
    for number, text in _rows(lines) if pattern is None else _found(app.grep(pattern, lines)):
        if tail or offset <= matching < offset + limit:
            chosen.append((matching, number, text))
        matching += 1
    shown: list[str] = []
    size = 0
    too_long = sum(len(text) + 8 for _, _, text in chosen) - app.settings.output_chars
    while tail and too_long > 0 and len(chosen) > 1:
        too_long -= len(chosen.popleft()[2]) + 8
    for place, number, text in chosen:
        size += len(text) + 8
        if size > app.settings.output_chars and shown:
            shown.append(f"... the reply is full; continue with offset={place}")
            break
        shown.append(f"{number}: {text}" if pattern else text)
    what = f"{matching:,} of {lines.total:,} lines match" if pattern else f"{lines.total:,} lines"
    state = "so far" if not run.status.is_final else "in all"
    head = f"[run {run.id}, {run.status}: {what} {state}"
    if chosen and not pattern:
        last = min(len(chosen), len(shown) - shown[-1].startswith("... the reply is full"))
        head += f"; lines {chosen[0][1]} to {chosen[last - 1][1]}"
    if lines.dropped:
        head += f"; {lines.dropped:,} more characters were not recorded"
    return "\n".join([head + "]", *shown])


def _rows(lines: _Lines) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        yield from enumerate(rows(line), number)


def _found(matches: Iterator[tuple[int, str, int]]) -> Iterator[tuple[int, str]]:
    """Yield matching lines; only the surroundings of the match from a long one."""
    for number, line, at in matches:
        first = max(0, min(at - ROW_CHARS // 4, len(line) - ROW_CHARS))
        yield number + at // ROW_CHARS, line[first : first + ROW_CHARS]


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
    if not cells:
        known, where = await app.reader.seen_map(session, path)
        return [_map(app, session, where, known), *_warnings(session)]
    seen = await app.reader.seen_cells(session, path, cells)
    return await asyncio.to_thread(lambda: [part for index, cell in seen for part in _whole(cell, index)])


def _warnings(session: Session | None) -> list[Part]:
    found = session.warnings() if session is not None else []
    return ["\n".join(f"Warning: {warning}" for warning in found)] if found else []


def _map(app: App, session: Session | None, where: str, cells: list[NotebookCell]) -> str:
    rows = app.reader.rows(session, cells)
    lines = [
        f"{where}: {len(rows)} cell{'s' * (len(rows) != 1)}",
        "index id type count state outputs | first line",
    ]
    if session is not None and (batch := session.state.batch) is not None:
        note = batch.stopped if batch.is_over else "its cells are running again"
        lines[1:1] = [f"({note})"] if note else []
    listed = []
    for row in rows:
        count = f"[{row.execution_count}]" if row.execution_count is not None else "[ ]"
        more = f" (+{row.lines - 1} lines)" if row.lines > 1 else ""
        kinds = f"({row.outputs})" if row.outputs else "-"
        listed.append(
            f"{row.index} {row.id} {row.cell_type} {count} {row.state or '-'} {kinds} | {row.first_line}{more}"
        )
    return "\n".join([*lines, *_ends(listed, app.settings.output_chars)])


def _ends(rows: list[str], budget: int) -> list[str]:
    """Return the rows of a map, or as many from both ends as fit."""
    sizes = [len(row) + 1 for row in rows]
    if sum(sizes) <= budget:
        return rows
    head = bisect.bisect(list(accumulate(sizes)), budget // 2)
    tail = bisect.bisect(list(accumulate(reversed(sizes))), budget // 2)
    left_out = f"... cells {head} to {len(rows) - tail - 1} are left out; cells=[{head}, ...] shows them"
    return [*rows[:head], left_out, *rows[len(rows) - tail :]]


def _whole(cell: NotebookCell, index: int) -> list[Part]:
    parts: list[Part] = [
        f"--- cell {index} {cell.id} ({cell.cell_type}) ---\n{cut_to(cell.source, _CELL_CHARS)}"
    ]
    for output in cell.outputs:
        kind = output.get("output_type")
        if kind == "stream":
            parts.append(cut_to(render_terminal(str(output.get("text", ""))), _CELL_CHARS))
        elif kind == "error":
            lines = tuple(str(line) for line in output.get("traceback") or ())
            plain = plain_traceback(lines, str(output.get("ename")), str(output.get("evalue")))
            parts.append(cut_to(plain, _CELL_CHARS))
        else:
            data = output.get("data") or {}
            if words := describe_data(data):
                parts.append(cut_to(words, _CELL_CHARS))
            parts += [ReplyImage(0, *image) for image in bitmaps(data)]
    return parts
