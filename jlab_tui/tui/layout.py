"""One item of the feed as rows: how many there are at a width, and what stands in each. Pure, no widgets.

A layout is made of blocks (header, code, text, traceback, picture, ...). Only rows that are looked at are decoded,
highlighted and wrapped.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..core.feed import Cell, DroppedOutput, ErrorOutput, Item, Note, PictureOutput, TextOutput
from ..core.scrollback import Scrollback
from . import highlight
from .ansi import one_line, plain, segments
from .pixels import fit
from .themes import Palette
from .wording import Glyphs, LocalTime, at, counted, run_mark, seconds, shortened

Row = list[Segment]
GUTTER = 2
"""columns left of code and output; they never get into a selection"""
TEXT_HEAD, TEXT_TAIL = 3, 6
CODE_HEAD, CODE_TAIL = 16, 4
TRACE_HEAD, TRACE_TAIL = 1, 14
OUTPUTS_HEAD, OUTPUTS_TAIL = 2, 4
LINE_CHARS = 2_000
"""characters shown of one line while its output is folded"""
LINE_CHARS_EXPANDED = 40_000

DrawPicture = Callable[[PictureOutput, int, int], Sequence[Strip] | None]
"""strips of a picture on columns x rows; None while it is being decoded"""


@dataclass(slots=True)
class Frame:
    """Everything that decides how items look, apart from the items."""

    width: int
    """columns of the feed without its scrollbar"""
    picture_rows: int
    palette: Palette
    glyphs: Glyphs
    local: LocalTime
    draw_picture: DrawPicture
    now: float = 0.0
    """epoch seconds, for the elapsed time of running cells"""
    names: dict[str, str] = field(default_factory=dict)
    """session id -> name where several sessions are shown together; else empty"""
    indexes: dict[int, WrapIndex] = field(default_factory=dict)
    """wrapped heights of expanded texts, by the id of their scrollback"""

    @property
    def body(self) -> int:
        return max(4, self.width - GUTTER - 1)


class Block(Protocol):
    height: int

    def row(self, index: int) -> Row: ...


class Layout:
    """Blocks of one item, one below the other."""

    __slots__ = ("_starts", "blocks", "folds", "height")

    def __init__(self, blocks: Sequence[Block], *, folds: bool = False) -> None:
        self.blocks = blocks
        self.folds = folds
        """something is hidden that can be expanded"""
        self._starts: list[int] = []
        height = 0
        for block in blocks:
            self._starts.append(height)
            height += block.height
        self.height = height

    def row(self, index: int) -> Row:
        number = bisect_right(self._starts, index) - 1
        while self.blocks[number].height == 0:
            number -= 1
        return self.blocks[number].row(index - self._starts[number])

    def start_of(self, wanted: object) -> int:
        """First row of the block that shows `wanted` (an output); 0 when there is none."""
        for block, start in zip(self.blocks, self._starts, strict=True):
            if getattr(block, "shows", None) is wanted:
                return start
        return 0


def lay_out(item: Item, frame: Frame, *, expanded: bool) -> Layout:
    """The layout of an item at the frame's width."""
    match item:
        case Cell():
            return _lay_out_cell(item, frame, expanded)
        case Note():
            return Layout([_note(item, frame), Blank()])
        case _:
            assert_never(item)


def _lay_out_cell(cell: Cell, frame: Frame, expanded: bool) -> Layout:
    glyph_hue = run_mark(cell.status, frame.glyphs)[1] if not cell.is_markdown else "primary"
    blocks: list[Block] = [Header(cell, frame)]
    folds = False
    if cell.source.strip():
        code = CodeBlock(cell, frame, glyph_hue, expanded)
        folds |= code.folds
        blocks.append(code)
    outputs = cell.outputs
    shown: list[tuple[int, int]] = [(0, len(outputs))]
    if not expanded and len(outputs) > OUTPUTS_HEAD + OUTPUTS_TAIL + 1:
        shown = [(0, OUTPUTS_HEAD), (len(outputs) - OUTPUTS_TAIL, len(outputs))]
    for part, (first, last) in enumerate(shown):
        if part:
            hidden = first - shown[0][1]
            blocks.append(Hidden(f"{counted(hidden, 'output')} hidden", frame, glyph_hue))
            folds = True
        for output in outputs[first:last]:
            block: Block
            match output:
                case TextOutput():
                    block = TextBlock(output, frame, glyph_hue, expanded)
                    folds |= block.folds
                case PictureOutput():
                    block = PictureBlock(output, frame, glyph_hue)
                case ErrorOutput():
                    block = ErrorBlock(output, frame, glyph_hue, expanded)
                    folds |= block.folds
                case DroppedOutput():
                    block = Sentence(output.text, frame, glyph_hue, "accent")
                case _:
                    assert_never(output)
            blocks.append(block)
    if cell.cause:
        hue = "error" if cell.has_failed else "accent"
        blocks.append(Sentence(cell.cause, frame, glyph_hue, hue))
    blocks.append(Blank())
    return Layout(blocks, folds=folds)


class Blank:
    height = 1

    def row(self, index: int) -> Row:
        return []


class Header:
    """` ✓ [13]  execute_code                02:13:51  310ms`"""

    height = 1

    def __init__(self, cell: Cell, frame: Frame) -> None:
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
                Segment(" ¶ " if glyphs.bar != "|" else " # ", palette.style("primary")),
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
        return _spread(left, right, frame.width - 1)


def _status_word(cell: Cell) -> str:
    if cell.status is None:
        return "not run"
    return {
        "interrupted": "interrupted",
        "died": "kernel died",
        "aborted": "not started",
        "job_ended": "job ended",
        "lost": "lost",
    }.get(cell.status.value, "")


class CodeBlock:
    """Highlighted source on a ground of its own; long code is folded."""

    def __init__(self, cell: Cell, frame: Frame, hue: str, expanded: bool) -> None:
        self.cell = cell
        self.frame = frame
        self._bar = Segment(frame.glyphs.bar, frame.palette.style(hue))
        self._ground = Style(bgcolor=frame.palette.style(back="panel").bgcolor)
        source = cell.source.rstrip("\n")
        lines = source.split("\n")
        room = frame.body - 1
        heights = [
            1 if len(line) * 2 <= room else len(wrap([Segment(line.expandtabs(4))], room)) for line in lines
        ]
        self._shown, self.folds = _fold(len(lines), expanded, CODE_HEAD, CODE_TAIL)
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
                self._lines = draw(self.cell.source.rstrip("\n"), self.frame.palette)
            pieces = wrap(self._lines[line], self.frame.body - 1) if line < len(self._lines) else [[]]
            body = pieces[min(part, len(pieces) - 1)]
        filled = Strip(body).adjust_cell_length(self.frame.body)
        if self.cell.is_markdown:
            return [self._bar, Segment(" "), *filled]
        return [self._bar, *Strip([Segment(" "), *filled]).apply_style(self._ground)]


class TextBlock:
    """Printed text: folded to its first and last lines, wrapped, colours decoded row by row."""

    def __init__(self, output: TextOutput, frame: Frame, hue: str, expanded: bool) -> None:
        self.shows = output
        self.frame = frame
        self._text = output.scrollback
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._limit = LINE_CHARS_EXPANDED if expanded else LINE_CHARS
        self._cached: tuple[int, list[Row]] | None = None
        count = len(self._text)
        shown, self.folds = _fold(count, expanded, TEXT_HEAD, TEXT_TAIL)
        self._index: WrapIndex | None = None
        if expanded:
            index = frame.indexes.get(id(self._text))
            if index is None or index.text is not self._text or index.width != frame.body:
                index = frame.indexes[id(self._text)] = WrapIndex(self._text, frame.body, self._limit)
            index.update()
            self._index = index
            self.height = index.total + (1 if self._text.dropped else 0)
            return
        heights = {line: self._height(line) for first, last in shown for line in range(first, last)}
        self._rows: list[tuple[int, int]] = []
        for number, (first, last) in enumerate(shown):
            if number:
                self._rows.append((-1, first - shown[0][1] + self._text.dropped))
            for line in range(first, last):
                self._rows += [(line, part) for part in range(heights[line])]
        self.height = len(self._rows)

    def row(self, index: int) -> Row:
        line, part = self._at(index)
        frame = self.frame
        if line < 0:
            dots, separator = frame.glyphs.dots, frame.glyphs.separator
            how = f"o expands {dots}" if self._index is None else f"in the record only {dots}"
            text = f"{dots} {counted(part, 'line')} hidden {separator} {how}"
            return [self._bar, Segment(text, frame.palette.style("faint"))]
        pieces = self._pieces(line)
        return [self._bar, *pieces[min(part, len(pieces) - 1)]]

    def row_of(self, line: int) -> int:
        """First row of a line; only told while the text is expanded."""
        if self._index is None:
            return 0
        return self._index.row_of(line) + (1 if self._text.dropped and line >= self._text.gap else 0)

    def _at(self, index: int) -> tuple[int, int]:
        if self._index is None:
            return self._rows[index]
        if self._text.dropped:
            gap_row = self._index.row_of(self._text.gap)
            if index == gap_row:
                return -1, self._text.dropped
            if index > gap_row:
                index -= 1
        return self._index.find(index)

    def _height(self, line: int) -> int:
        return measure(self._text, line, self.frame.body, self._limit)

    def _pieces(self, line: int) -> list[Row]:
        if self._cached is None or self._cached[0] != line:
            palette = self.frame.palette
            base = palette.style("accent" if self._text.is_stderr(line) else "text")
            row = segments(shown_text(self._text, line, self._limit), base, palette)
            self._cached = (line, wrap(row, self.frame.body))
        return self._cached[1]


class WrapIndex:
    """Rows before each line of an expanded text, kept up to date as it grows."""

    __slots__ = ("_before", "_dropped", "_limit", "text", "total", "width")

    def __init__(self, text: Scrollback, width: int, limit: int) -> None:
        self.text = text
        self.width = width
        self.total = 0
        self._limit = limit
        self._before = array("I")
        self._dropped = text.dropped

    def update(self) -> None:
        count = len(self.text)
        if self.text.dropped != self._dropped or count < len(self._before):
            self._before = array("I")
            self._dropped = self.text.dropped
            self.total = 0
        # The last lines may have been rewritten since.
        first = max(0, len(self._before) - 32)
        total = self._before[first] if first < len(self._before) else 0
        del self._before[first:]
        for line in range(first, count):
            self._before.append(total)
            total += measure(self.text, line, self.width, self._limit)
        self.total = total

    def find(self, row: int) -> tuple[int, int]:
        line = bisect_right(self._before, row) - 1
        return line, row - self._before[line]

    def row_of(self, line: int) -> int:
        return self._before[line] if line < len(self._before) else self.total


class ErrorBlock:
    """A traceback: dimmed, the failing line and the last line stand out."""

    def __init__(self, output: ErrorOutput, frame: Frame, hue: str, expanded: bool) -> None:
        self.shows = output
        self.frame = frame
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        lines = [plain(line.expandtabs(8))[:LINE_CHARS] for line in output.lines]
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            lines = [shortened(f"{output.ename}: {output.evalue}", LINE_CHARS).replace("\n", " ")]
        self._pieces = [
            wrap([Segment(line, self._style(i, lines))], frame.body) for i, line in enumerate(lines)
        ]
        shown, self.folds = _fold(len(lines), expanded, TRACE_HEAD, TRACE_TAIL)
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
        if set(line.strip()) == {"-"}:
            return palette.style("faint")
        return palette.style("muted")


class PictureBlock:
    """A picture with a line above it that says what it is."""

    def __init__(self, output: PictureOutput, frame: Frame, hue: str) -> None:
        self.shows = output
        self.frame = frame
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self.columns, self.rows = fit(output.width, output.height, frame.body, frame.picture_rows)
        self.height = 1 + (self.rows if output.data else 0)

    def row(self, index: int) -> Row:
        output, frame = self.shows, self.frame
        faint = frame.palette.style("faint")
        if index == 0:
            size = f" {output.width}×{output.height}" if output.width else ""
            if frame.glyphs.bar == "|":
                size = size.replace("×", "x")
            what = f"{frame.glyphs.separator} v views, s saves"
            if not output.data:
                what = f"{frame.glyphs.separator} no longer in memory, see the notebook"
            return [self._bar, Segment(f"{one_line(output.mime)}{size} {what}", faint)]
        drawn = frame.draw_picture(output, self.columns, self.rows)
        if drawn is None:
            text = "drawing the picture" if index == 1 else ""
            return [self._bar, Segment(text, faint)]
        return [self._bar, *drawn[index - 1]] if index - 1 < len(drawn) else [self._bar]


class Sentence:
    """One of our own sentences below a cell's output."""

    def __init__(self, text: str, frame: Frame, hue: str, text_hue: str) -> None:
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._pieces = wrap([Segment(one_line(text), frame.palette.style(text_hue))], frame.body)
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


class _Notes:
    """A note: its time, its sign, its sentence."""

    def __init__(self, pieces: list[Row]) -> None:
        self._pieces = pieces
        self.height = len(pieces)

    def row(self, index: int) -> Row:
        return self._pieces[index]


def _note(note: Note, frame: Frame) -> _Notes:
    hue = {"warning": "warning", "error": "error", "human": "secondary", "faint": "faint"}.get(
        note.level, "muted"
    )
    style = frame.palette.style(hue)
    name = f"{frame.names.get(note.session, note.session)}: " if frame.names else ""
    text = one_line(name + note.text)[:LINE_CHARS]
    when = at(note.at, frame.local)
    room = frame.width - 4 - (len(when) + 2 if when else 0)
    pieces = wrap([Segment(text, style)], max(8, room))
    rows: list[Row] = []
    for number, piece in enumerate(pieces):
        mark = f" {frame.glyphs.note} " if number == 0 else "   "
        right = [Segment(when, frame.palette.style("faint"))] if number == 0 else []
        rows.append(_spread([Segment(mark, style), *piece], right, frame.width - 1))
    return _Notes(rows)


def _fold(count: int, expanded: bool, head: int, tail: int) -> tuple[list[tuple[int, int]], bool]:
    """Ranges of lines that are shown, and whether some are hidden; a fold hides at least three lines."""
    if expanded or count <= head + tail + 2:
        return [(0, count)], False
    return [(0, head), (count - tail, count)], True


def _row_index(shown: list[tuple[int, int]], heights: Sequence[int]) -> list[tuple[int, int]]:
    """(line, part) of each row; (-1, hidden lines) where some are left out."""
    rows: list[tuple[int, int]] = []
    for number, (first, last) in enumerate(shown):
        if number:
            rows.append((-1, first - shown[number - 1][1]))
        for line in range(first, last):
            rows += [(line, part) for part in range(heights[line])]
    return rows


def shown_text(text: Scrollback, line: int, limit: int) -> str:
    """A line as it is shown: at most `limit` characters, and how many more there are."""
    raw = text.raw(line)
    if len(raw) <= limit:
        return raw.decode("utf-8", "replace")
    return f"{raw[:limit].decode('utf-8', 'ignore')} … {len(raw) - limit + text.cut_bytes:,} more bytes"


def measure(text: Scrollback, line: int, width: int, limit: int) -> int:
    """Rows that a line takes when it is wrapped at `width`."""
    length = text.length(line)
    if length * 8 <= width or (length <= width and not text.has_tabs):
        return 1
    raw = text.raw(line)
    if len(raw) <= width and not text.has_tabs:
        return 1
    if len(raw) <= limit and raw.isascii() and b"\x1b" not in raw and b"\t" not in raw and b"\x00" not in raw:
        return -(-len(raw) // width)
    shown = plain(shown_text(text, line, limit))
    return len(wrap([Segment(shown.expandtabs(8))], width))


def wrap(row: Row, width: int) -> list[Row]:
    """A row cut into rows of at most `width` columns; a wide character is never split."""
    width = max(2, width)  # one wide character at least, or it would never end
    if sum(len(segment.text) for segment in row) * 2 <= width:
        return [row]
    rows: list[Row] = [[]]
    room = width
    for segment in row:
        text, style = segment.text, segment.style
        if text.isascii():
            while len(text) > room:
                if room:
                    rows[-1].append(Segment(text[:room], style))
                text = text[room:]
                rows.append([])
                room = width
            if text:
                rows[-1].append(Segment(text, style))
                room -= len(text)
            continue
        start = 0
        for index, char in enumerate(text):
            size = cell_len(char)
            if size > room:
                rows[-1].append(Segment(text[start:index], style))
                rows.append([])
                start, room = index, width
            room -= size
        rows[-1].append(Segment(text[start:], style))
    return rows


def _spread(left: Row, right: Row, width: int) -> Row:
    """`left` and `right` at both ends of a row of `width` columns; `right` gives way."""
    taken = sum(cell_len(s.text) for s in left)
    wanted = sum(cell_len(s.text) for s in right)
    if taken + wanted + 2 > width:
        return list(Strip(left).crop(0, width))
    return [*left, Segment(" " * (width - taken - wanted)), *right]
