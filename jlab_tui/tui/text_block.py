"""Printed text as a block: folded to its ends, or whole with an index of its wrapped rows."""

from __future__ import annotations

from rich.segment import Segment

from ..core.feed.items import TextOutput
from .ansi import segments
from .blocks import LINE_CHARS, Frame, fold
from .format import counted
from .wrapping import Row, WrapIndex, line_rows, shown_text, wrap

TEXT_HEAD, TEXT_TAIL = 3, 6
LINE_CHARS_EXPANDED = 40_000


class TextBlock:
    """Printed text: folded to its first and last lines, wrapped, colours decoded row by row."""

    def __init__(
        self, output: TextOutput, frame: Frame, hue: str, expanded: bool, *, tail: int = TEXT_TAIL
    ) -> None:
        self.shows = output
        self.frame = frame
        self._text = output.scrollback
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._limit = LINE_CHARS_EXPANDED if expanded else LINE_CHARS
        self._cached: tuple[int, list[Row]] | None = None
        count = len(self._text)
        shown, self.folds = fold(count, expanded, TEXT_HEAD, tail)
        self._index: WrapIndex | None = None
        if expanded:
            index = frame.indexes.get(id(self._text))
            if index is None or index.text is not self._text or index.width != frame.body:
                index = frame.indexes[id(self._text)] = WrapIndex(self._text, frame.body, self._limit)
            index.update()
            self._index = index
            self.height = index.total + (1 if self._text.dropped else 0)
            return
        self._rows: list[tuple[int, int]] = []
        for number, (first, last) in enumerate(shown):
            if number:
                self._rows.append((-1, first - shown[0][1] + self._text.dropped))
            heights = line_rows(self._text, first, last, frame.body, self._limit)
            self._rows += [(line, part) for line, rows in enumerate(heights, first) for part in range(rows)]
        self.height = len(self._rows)

    def row(self, index: int) -> Row:
        line, part = self._at(index)
        frame = self.frame
        if line < 0:
            dots, separator = frame.glyphs.dots, frame.glyphs.separator
            how = f"o expands {dots}" if self._index is None else f"from the record {dots}"
            text = f"{dots} {counted(part, 'line')} hidden {separator} {how}"
            return [self._bar, Segment(text, frame.palette.style("faint"))]
        pieces = self._pieces(line)
        return [self._bar, *pieces[min(part, len(pieces) - 1)]]

    def row_of(self, line: int) -> int:
        """Return the first row of a line of the expanded text."""
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

    def _pieces(self, line: int) -> list[Row]:
        if self._cached is None or self._cached[0] != line:
            palette = self.frame.palette
            base = palette.style("accent" if self._text.is_stderr(line) else "text")
            row = segments(shown_text(self._text, line, self._limit), base, palette)
            self._cached = (line, wrap(row, self.frame.body))
        return self._cached[1]
