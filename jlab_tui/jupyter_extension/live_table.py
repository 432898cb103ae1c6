"""Reads HTML that is a table and nothing else, so that the page can draw its own: no tag, style or attribute of it is kept. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import FrozenSet, List, Optional, Tuple

CELLS_MAX = 5000
HTML_MAX = 1 << 20
TAG_MAX = 1000
TAGS_MAX = 4 * CELLS_MAX
_TAG = re.compile("/?[a-zA-Z]")
_NUMBER = re.compile(r"(?:[-+−]?[\d.,_]*(?:e[-+]?\d+)? ?%?|nan|inf|-inf|none|null|<na>|nat|\.\.\.|…)\Z", re.IGNORECASE)
_AROUND = frozenset(
    ("div", "table", "thead", "tbody", "tfoot", "tr", "p", "b", "i", "em", "strong", "br", "caption", "span")
)


@dataclass
class TableCell:
    text: str = ""
    is_head: bool = False
    columns: int = 1
    rows: int = 1


@dataclass
class Table:
    rows: List[List[TableCell]] = field(default_factory=list)
    around: str = ""
    """text beside it, such as its size"""

    @property
    def characters(self) -> int:
        return sum(len(cell.text) for row in self.rows for cell in row)

    @property
    def columns_of_words(self) -> FrozenSet[int]:
        """Which columns have other things than numbers below their heads; none where a cell spans others."""
        if any(cell.columns > 1 or cell.rows > 1 for row in self.rows for cell in row):
            return frozenset()
        return frozenset(
            number
            for row in self.rows
            for number, cell in enumerate(row)
            if not (row[-1].is_head or _NUMBER.match(cell.text.strip()))
        )


def table_of(markup: str) -> Optional[Table]:
    """Return the one table that some HTML is; None if it is anything else, or has styles that mean something."""
    if len(markup) > HTML_MAX or "<table" not in markup.lower() or not _is_tame(markup):
        return None
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    is_table = not reader.is_other and reader.tables == 1 and any(reader.table.rows)
    return reader.table if is_table and reader.cells <= CELLS_MAX else None


def _is_tame(markup: str) -> bool:
    """Return whether there are not too many tags, and each is one, short and closed: of others html.parser takes the square of
    their length, or fails.
    """
    tags = markup.split("<", TAGS_MAX + 1)[1:]
    return len(tags) <= TAGS_MAX and all(_TAG.match(tag) and tag.find(">", 0, TAG_MAX) > 0 for tag in tags)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.tables = 0
        self.cells = 0
        self.is_other = False
        self._cell: Optional[TableCell] = None
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        given = dict(attrs)
        if tag == "style" and "scoped" in given:  # pandas': how its tables look in a notebook
            self._is_style = True
        elif tag in ("td", "th"):
            self._cell = TableCell("", tag == "th", _span(given.get("colspan")), _span(given.get("rowspan")))
            self.cells += 1
            if self.table.rows:
                self.table.rows[-1].append(self._cell)
            else:
                self.is_other = True
        elif tag == "tr":
            self.table.rows.append([])
        elif tag not in _AROUND:
            self.is_other = True
        self.tables += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._is_style = False
        elif tag in ("td", "th", "tr", "table"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._is_style:
            return
        if self._cell is not None:
            self._cell.text += data
        else:
            self.table.around += data


def _span(value: Optional[str]) -> int:
    return min(int(value), 100) if value and value.isdecimal() and 0 < len(value) < 4 and int(value) else 1
