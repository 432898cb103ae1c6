"""The parts of an item, one below the other: header, code, traceback, image, sentences.

A block knows its height at once, but decodes, highlights and wraps its rows only when they come into view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..core.feed.code_changes import changed_lines
from ..core.feed.items import ErrorOutput, FeedCell, ImageOutput, Note
from ..core.journal.run_use import use_words
from . import highlight
from .ansi import one_line, plain
from .figure_layer import drawing_of
from .format import Glyphs, LocalTime, at, counted, run_mark, seconds, shortened
from .pixels import fit
from .themes import Palette
from .wrapping import Row, WrapIndex, is_ruler, wrap, wrap_words

GUTTER = 2
"""columns left of code and output; a selection omits them"""
Ends = tuple[int, int]
"""lines at the start and at the end that a fold leaves"""
CODE_ENDS: Ends = 16, 4
LINE_ROWS = 8
"""rows of one line of code to show while folded"""
TRACE_HEAD, TRACE_TAIL = 1, 14
LABELS_DEEP = 8
"""rows that labels of ticks which go downwards may add to an image"""
LINE_CHARS = 2_000
"""characters of one line to show while folded"""

DrawImage = Callable[[ImageOutput, int, int], Sequence[Strip] | None]
"""strips of an image on columns x rows; None during decoding"""


@dataclass(slots=True)
class Frame:
    """Everything but the items that decides how they look."""

    width: int
    """columns of the feed without its scrollbar"""
    image_rows: int
    palette: Palette
    glyphs: Glyphs
    local: LocalTime
    draw_image: DrawImage
    room: int = 0
    """rows of the view: the last cell may fill them"""
    now: float = 0.0
    """epoch seconds, for the elapsed time of running cells"""
    job_ends: float = 0.0
    """epoch seconds; 0 if it has no end"""
    names: dict[str, str] = field(default_factory=dict)
    """session id -> name if the feed shows several sessions, else empty"""
    indexes: dict[int, WrapIndex] = field(default_factory=dict)
    """wrapped heights of expanded texts, by the id of their scrollback"""

    @property
    def body(self) -> int:
        return max(4, self.width - GUTTER - 1)


class Block(Protocol):
    height: int

    def row(self, index: int) -> Row: ...


class Blank:
    height = 1

    def row(self, index: int) -> Row:
        return []


class CellHeader:
    """` ✓ [13]  execute_code                02:13:51  310ms`"""

    height = 1

    def __init__(self, cell: FeedCell, frame: Frame) -> None:
        self.cell = cell
        self.frame = frame

    def row(self, index: int) -> Row:
        cell, frame = self.cell, self.frame
        palette, glyphs = frame.palette, frame.glyphs
        muted, faint = palette.style("muted"), palette.style("faint")
        mark, hue = run_mark(cell.status, glyphs)
        left: Row = []
        if cell.is_markdown:
            left += [
                Segment(" ¶ " if not glyphs.is_ascii else " # ", palette.style("primary")),
                Segment("note", muted),
            ]
        else:
            count = (
                str(cell.execution_count)
                if cell.execution_count is not None
                else ("*" if cell.is_running else " ")
            )
            left += [
                Segment(f" {mark} ", palette.style(hue, bold=True)),
                Segment(f"[{count}]", palette.style(bold=True)),
                Segment(f"  {one_line(cell.tool) or 'run'}", muted),
            ]
            if cell.before and cell.before != cell.source:
                added, removed = changed_lines(cell.before, cell.source)
                left.append(Segment(f"  +{added}", palette.style("success")))
                left.append(Segment(f" -{removed}", palette.style("error")))
            word = _status_word(cell)
            if word:
                left.append(Segment(f"  {word}", palette.style(hue, bold=cell.has_failed)))
        if frame.names:
            name = one_line(frame.names.get(cell.session, cell.session))
            left.append(Segment(f"  {shortened(name, 24)}", palette.style("primary")))
        took = ""
        if cell.is_running:
            took = seconds(frame.now - cell.at) if frame.now >= cell.at > 0 else ""
        elif cell.status is not None:
            took = seconds(cell.seconds)
        when = at(cell.at, frame.local)
        right: Row = [Segment(when, faint), Segment(f"  {took}" if took else "", muted)]
        used = use_words(cell.use, cell.seconds)
        whole: Row = [Segment(f"{used}  ", muted), *right] if used else right
        room = frame.width - 1 - _width(left) - 2
        return spread(left, whole if _width(whole) <= room else right, frame.width - 1)


def _status_word(cell: FeedCell) -> str:
    if cell.status is None:
        return "not run"
    return {
        "interrupted": "interrupted",
        "died": "kernel died",
        "aborted": "not started",
        "held": "held: it waits for you",
        "declined": "declined",
        "job_ended": "job ended",
        "lost": "lost",
    }.get(cell.status.value, "")


class CodeBlock:
    """Highlighted source on its own background; folds long code."""

    def __init__(
        self, cell: FeedCell, frame: Frame, hue: str, expanded: bool, source: str = "", ends: Ends = CODE_ENDS
    ) -> None:
        """`source`: only a part of the cell's."""
        self.cell = cell
        self.frame = frame
        self._source = (source or cell.source).rstrip("\n")
        self._bar = Segment(frame.glyphs.bar, frame.palette.style(hue))
        self._ground = Style(bgcolor=frame.palette.style(back="panel").bgcolor)
        lines = self._source.split("\n")
        room = frame.body - 1
        heights = [
            1 if len(line) * 2 <= room else len(wrap([Segment(line.expandtabs(4))], room)) for line in lines
        ]
        self._shown, self.folds = fold(len(lines), expanded, *ends)
        if not expanded and max(heights) > LINE_ROWS:
            heights, self.folds = [min(height, LINE_ROWS) for height in heights], True
        self._cuts = not expanded
        self._rows = _row_index(self._shown, heights)
        self.height = len(self._rows)
        self._lines: highlight.Lines | None = None

    def row(self, index: int) -> Row:
        line, part = self._rows[index]
        if line < 0:
            text = f"{self.frame.glyphs.dots} {counted(part, 'line')} hidden {self.frame.glyphs.dots}"
            body = [Segment(text, self.frame.palette.style("faint"))]
        else:
            if self._lines is None:
                draw = highlight.markdown_lines if self.cell.is_markdown else highlight.code_lines
                self._lines = draw(self._source, self.frame.palette)
            pieces = wrap(self._lines[line], self.frame.body - 1) if line < len(self._lines) else [[]]
            body = pieces[min(part, len(pieces) - 1)]
            if self._cuts and part == LINE_ROWS - 1 < len(pieces) - 1:
                ellipsis = Segment(self.frame.glyphs.ellipsis, self.frame.palette.style("faint"))
                body = [*Strip(body).crop(0, self.frame.body - 1 - cell_len(ellipsis.text)), ellipsis]
        filled = Strip(body).adjust_cell_length(self.frame.body)
        if self.cell.is_markdown:
            return [self._bar, Segment(" "), *filled]
        return [self._bar, *Strip([Segment(" "), *filled]).apply_style(self._ground)]


class ErrorBlock:
    """A dimmed traceback in which the failing line and the last line stand out."""

    def __init__(self, output: ErrorOutput, frame: Frame, hue: str, expanded: bool) -> None:
        self.shows = output
        self.frame = frame
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        lines = [plain(line.expandtabs(8))[:LINE_CHARS] for line in output.lines]
        lines = [line[: frame.body] if is_ruler(line) else line for line in lines]
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            lines = [one_line(shortened(f"{output.ename}: {output.evalue}", LINE_CHARS))]
        self._pieces = [
            wrap([Segment(line, self._style(i, lines))], frame.body) for i, line in enumerate(lines[:-1])
        ]
        self._pieces.append(wrap_words(lines[-1], self._style(len(lines) - 1, lines), frame.body))
        shown, self.folds = fold(len(lines), expanded, TRACE_HEAD, TRACE_TAIL)
        self._rows = _row_index(shown, [len(pieces) for pieces in self._pieces])
        self.height = len(self._rows)

    def row(self, index: int) -> Row:
        line, part = self._rows[index]
        if line < 0:
            dots, separator = self.frame.glyphs.dots, self.frame.glyphs.separator
            text = f"{dots} {counted(part, 'line')} hidden {separator} o expands {dots}"
            return [self._bar, Segment(text, self.frame.palette.style("faint"))]
        return [self._bar, *self._pieces[line][part]]

    def _style(self, number: int, lines: list[str]) -> Style:
        line = lines[number]
        palette = self.frame.palette
        if number == len(lines) - 1:
            return palette.style("error", bold=True)
        if line.lstrip().startswith("-->") or line.startswith("----> "):
            return palette.style("warning")
        if is_ruler(line):
            return palette.style("faint")
        return palette.style("muted")


class ImageBlock:
    """An image, below a line with its type and size."""

    def __init__(self, output: ImageOutput, frame: Frame, hue: str) -> None:
        self.shows = output
        self.frame = frame
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        shape = fit(output.width, output.height, frame.body, frame.image_rows)
        self.drawing = drawing_of(
            output, shape, frame.body, frame.image_rows + LABELS_DEEP, ascii_only=frame.glyphs.is_ascii
        )
        self.height = 1 + (self.drawing.whole_rows if output.data else 0)

    def row(self, index: int) -> Row:
        output, frame = self.shows, self.frame
        faint = frame.palette.style("faint")
        if index == 0:
            size = f" {output.width}×{output.height}" if output.width else ""
            if frame.glyphs.is_ascii:
                size = size.replace("×", "x")
            what = f"{frame.glyphs.separator} v views, s saves"
            if not output.data:
                what = f"{frame.glyphs.separator} no longer in memory, see the notebook"
            return [self._bar, Segment(f"{one_line(output.mime)}{size} {what}", faint)]
        drawn = frame.draw_image(output, self.drawing.columns, self.drawing.rows)
        if drawn is None:
            text = "drawing the image" if index == 1 else ""
            return [self._bar, Segment(text, faint)]
        return [self._bar, *drawn[index - 1]] if index - 1 < len(drawn) else [self._bar]


class Sentence:
    """A sentence of the dashboard below a cell's output."""

    def __init__(self, text: str, frame: Frame, hue: str, text_hue: str) -> None:
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._pieces = wrap_words(one_line(text), frame.palette.style(text_hue), frame.body)
        self.height = len(self._pieces)

    def row(self, index: int) -> Row:
        return [self._bar, *self._pieces[index]]


class Hidden:
    height = 1

    def __init__(self, text: str, frame: Frame, hue: str) -> None:
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        dots, separator = frame.glyphs.dots, frame.glyphs.separator
        self._text = Segment(f"{dots} {text} {separator} o expands {dots}", frame.palette.style("faint"))

    def row(self, index: int) -> Row:
        return [self._bar, self._text]


class NoteBlock:
    """A note: its time, its sign, its sentence."""

    def __init__(self, pieces: list[Row]) -> None:
        self._pieces = pieces
        self.height = len(pieces)

    def row(self, index: int) -> Row:
        return self._pieces[index]


def note_block(note: Note, frame: Frame) -> NoteBlock:
    hue = {"warning": "warning", "error": "error", "human": "secondary", "faint": "faint"}.get(
        note.level, "muted"
    )
    style = frame.palette.style(hue)
    name = f"{frame.names.get(note.session, note.session)}: " if frame.names and note.session else ""
    text = one_line(name + note.text)[:LINE_CHARS]
    when = at(note.at, frame.local)
    room = frame.width - 4 - (len(when) + 2 if when else 0)
    pieces = wrap_words(text, style, max(8, room))
    rows: list[Row] = []
    for number, piece in enumerate(pieces):
        mark = f" {frame.glyphs.note} " if number == 0 else "   "
        right = [Segment(when, frame.palette.style("faint"))] if number == 0 else []
        rows.append(spread([Segment(mark, style), *piece], right, frame.width - 1))
    return NoteBlock(rows)


def fold(count: int, expanded: bool, head: int, tail: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the ranges of lines to show, and whether it hides some; a fold hides at least three lines."""
    if expanded or count <= head + tail + 2:
        return [(0, count)], False
    return [(0, head), (count - tail, count)], True


def _row_index(shown: list[tuple[int, int]], heights: Sequence[int]) -> list[tuple[int, int]]:
    """Return (line, part) of each row; (-1, hidden lines) for a fold."""
    rows: list[tuple[int, int]] = []
    for number, (first, last) in enumerate(shown):
        if number:
            rows.append((-1, first - shown[number - 1][1]))
        for line in range(first, last):
            rows += [(line, part) for part in range(heights[line])]
    return rows


def spread(left: Row, right: Row, width: int) -> Row:
    """Place `left` and `right` at the ends of a row of `width` columns; cut `right` first."""
    taken, wanted = _width(left), _width(right)
    if taken + wanted + 2 > width:
        return list(Strip(left).crop(0, width))
    return [*left, Segment(" " * (width - taken - wanted)), *right]


def _width(row: Row) -> int:
    return sum(cell_len(segment.text) for segment in row)
