"""What the reading tools show: lines of a run's record, a notebook as a map, a cell in full."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from ..display.mime import bitmaps, describe_data
from ..display.terminal_text import ROW_CHARS, TerminalLines, plain_traceback, render_terminal, rows
from ..journal.events import RunStatus
from ..notebook.file_text import outputs_of
from ..notebook.notebook import NotebookCell
from ..notebook.stored import summary_of
from .compose import Part, ReplyImage, cut_to

_CELL_CHARS: Final = 8000
_NUMBER_CHARS: Final = 8
"""what a line's number and its end cost, about"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lines of a record to show."""

    offset: int = 0
    limit: int = 200
    tail: int | None = None
    """so many of the last lines instead"""
    pattern: str | None = None
    """only lines that match this regular expression"""


@dataclass(slots=True)
class RecordLines:
    """Iterates over the rendered lines of a record, numbered by their first row. A record may not fit in memory."""

    texts: Iterator[tuple[str, int]]
    """pieces of output, each with the number of characters that were dropped behind it"""
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


def rows_of(lines: RecordLines) -> Iterator[tuple[int, str]]:
    """Yield the rows of a record with their numbers."""
    for number, line in lines:
        yield from enumerate(rows(line), number)


def around(matches: Iterable[tuple[int, str, int]]) -> Iterator[tuple[int, str]]:
    """Yield matching lines, `(number, line, position of the match)`; only the surroundings of the match from a long one."""
    for number, line, at in matches:
        first = max(0, min(at - ROW_CHARS // 4, len(line) - ROW_CHARS))
        yield number + at // ROW_CHARS, line[first : first + ROW_CHARS]


def record_page(
    run_id: str,
    status: RunStatus,
    lines: RecordLines,
    found: Iterable[tuple[int, str]],
    asked: Selection,
    budget: int,
) -> str:
    """Return the selected ones of `found`, which reads `lines` to their end, within about `budget` characters."""
    chosen: deque[tuple[int, int, str]] = deque(maxlen=asked.tail or asked.limit)
    count = 0
    for number, text in found:
        if asked.tail or asked.offset <= count < asked.offset + asked.limit:
            chosen.append((count, number, text))
        count += 1
    if asked.tail:
        _keep_end(chosen, budget)
    shown: list[str] = []
    size = 0
    rest = ""
    for place, number, text in chosen:
        size += len(text) + _NUMBER_CHARS
        if size > budget and shown:
            rest = f"... the reply is full; continue with offset={place}"
            break
        shown.append(f"{number}: {text}" if asked.pattern else text)
    what = f"{count:,} of {lines.total:,} lines match" if asked.pattern else f"{lines.total:,} lines"
    head = f"run {run_id}, {status}: {what} {'in all' if status.is_final else 'so far'}"
    if chosen and not asked.pattern:
        head += f"; lines {chosen[0][1]} to {chosen[len(shown) - 1][1]}"
    if lines.dropped:
        head += f"; {lines.dropped:,} more characters were not recorded"
    return "\n".join([f"[{head}]", *shown, *([rest] if rest else [])])


def _keep_end(chosen: deque[tuple[int, int, str]], budget: int) -> None:
    too_long = sum(len(text) + _NUMBER_CHARS for _, _, text in chosen) - budget
    while too_long > 0 and len(chosen) > 1:
        too_long -= len(chosen.popleft()[2]) + _NUMBER_CHARS


@dataclass(frozen=True, slots=True)
class CellRow:
    """One line of a notebook's map."""

    index: int
    id: str
    cell_type: str
    first_line: str
    lines: int
    execution_count: int | None
    state: str
    """ok, error, never run, running, stale (outputs of an earlier kernel or text), or empty for text"""
    outputs: str
    """kinds of outputs, such as `stream, image/png`"""
    used: str = ""
    """what its last run used, if that is worth saying"""


@dataclass(frozen=True, slots=True)
class LastRun:
    """Our last run of a cell in the session's present kernel."""

    source: str
    status: RunStatus
    used: str = ""


def cell_map(
    cells: Sequence[NotebookCell],
    running: str,
    ran: Mapping[str, LastRun],
    ran_elsewhere: Callable[[str], bool],
) -> list[CellRow]:
    """Make the rows of a notebook. `running` is the id of the cell in progress; `ran` our last run of each cell in this
    kernel; `ran_elsewhere` tells of other text whether its outputs may be of this kernel."""
    rows = []
    for index, cell in enumerate(cells):
        lines = cell.source.splitlines() or [""]
        first = next((line for line in lines if line.strip()), "")
        rows.append(
            CellRow(
                index,
                cell.id,
                cell.cell_type,
                first[:100],
                len(lines),
                cell.execution_count,
                "running" if cell.id == running else _state(cell, ran.get(cell.id), ran_elsewhere),
                ", ".join(summary_of(cell.outputs).kinds),
                run.used if (run := ran.get(cell.id)) is not None and run.source == cell.source else "",
            )
        )
    return rows


def _state(cell: NotebookCell, run: LastRun | None, ran_elsewhere: Callable[[str], bool]) -> str:
    if cell.cell_type != "code":
        return ""
    if run is not None and run.source == cell.source:
        return str(run.status)
    if cell.execution_count is None and not cell.outputs:
        return "never run"
    if not ran_elsewhere(cell.source):
        return "stale"
    return "error" if summary_of(cell.outputs).has_error else "ok"


def notebook_map(where: str, cells: Sequence[CellRow], note: str, budget: int) -> str:
    """Return one line for each cell, or for as many from both ends as fit in `budget` characters."""
    head = [f"{where}: {len(cells)} cell{'s' * (len(cells) != 1)}", *([f"({note})"] if note else [])]
    listed = _both_ends([_map_line(cell) for cell in cells], budget)
    return "\n".join([*head, "index id type count state outputs | first line", *listed])


def _map_line(row: CellRow) -> str:
    count = f"[{row.execution_count}]" if row.execution_count is not None else "[ ]"
    more = f" (+{row.lines - 1} lines)" if row.lines > 1 else ""
    kinds = f"({row.outputs})" if row.outputs else "-"
    state = f"{row.state} ({row.used})" if row.used else row.state or "-"
    return f"{row.index} {row.id} {row.cell_type} {count} {state} {kinds} | {row.first_line}{more}"


def _both_ends(listed: list[str], budget: int) -> list[str]:
    sizes = [len(row) + 1 for row in listed]
    if sum(sizes) <= budget:
        return listed
    head = bisect.bisect(list(accumulate(sizes)), budget // 2)
    tail = bisect.bisect(list(accumulate(reversed(sizes))), budget // 2)
    left_out = f"... cells {head} to {len(listed) - tail - 1} are left out; cells=[{head}, ...] shows them"
    return [*listed[:head], left_out, *listed[len(listed) - tail :]]


def whole_cell(cell: NotebookCell, index: int) -> list[Part]:
    """Return a cell's text and outputs. Blocks where these are in a file."""
    parts: list[Part] = [
        f"--- cell {index} {cell.id} ({cell.cell_type}) ---\n{cut_to(cell.source, _CELL_CHARS)}"
    ]
    for output in outputs_of(cell):
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
