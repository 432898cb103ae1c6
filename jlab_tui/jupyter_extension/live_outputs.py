"""What the page shows of a cell's outputs: text with its middle left out, tables, images and HTML by their place in the journal. Pure."""

from __future__ import annotations

import binascii
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from .live_markdown import MARKDOWN_MAX, Block, blocks_of
from .live_table import Table, table_of

Place = Tuple[int, int]
HEAD_CHARS = 4_000
TAIL_CHARS = 24_000
"""characters of a text that are kept"""
IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
"""the types that are sent to a browser, as images and as nothing else"""
_BEGINNINGS = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8", "image/gif": b"GIF8", "image/webp": b"RIFF"}
PAGE = "text/html"
PLOTLY = "application/vnd.plotly.v1+json"
VEGA = ("application/vnd.vegalite.", "application/vnd.vega.")
SERIES_MAX = 12
ROWS_MAX = 100
"""that are counted of a page"""
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_ROW = re.compile(r"<(?:tr|br|p|li|h\d|div|pre)\b|\n", re.IGNORECASE)


@dataclass
class Part:
    """One output."""

    key: str = ""
    into: str = ""
    """the Output widget that captured it; empty for the cell's own output"""
    changed: Place = (0, 0)
    names: Tuple[str, ...] = ()
    """of the display or the widget that it shows: an update of one of them replaces it"""

    @property
    def weight(self) -> int:
        """Characters that it keeps in memory."""
        return 0


@dataclass
class TextPart(Part):
    head: str = ""
    tail: str = ""
    gone_lines: int = 0
    """left out between the two"""
    gone_chars: int = 0

    @property
    def weight(self) -> int:
        return len(self.head) + len(self.tail)

    def write(self, text: str) -> None:
        """Add text; keep the first and the last of much."""
        self.tail += text
        if len(self.tail) <= HEAD_CHARS + 2 * TAIL_CHARS:
            return
        if not self.head:
            self.head, self.tail = _cut(self.tail, HEAD_CHARS)
        gone, self.tail = _cut(self.tail, len(self.tail) - TAIL_CHARS)
        self.gone_lines += gone.count("\n")
        self.gone_chars += len(gone)


@dataclass
class PrintedPart(TextPart):
    """What a stream printed. More of it joins this, and neither a result nor a traceback."""

    is_error: bool = False
    """to stderr"""


def _cut(text: str, at: int) -> Tuple[str, str]:
    """Cut after the last line that ends before a position; within a line that is longer."""
    end = text.rfind("\n", 0, at) + 1 or at
    return text[:end], text[end:]


@dataclass
class TablePart(Part):
    table: Table = field(default_factory=Table)

    @property
    def weight(self) -> int:
        return self.table.characters


@dataclass
class ProsePart(Part):
    """Markdown."""

    blocks: List[Block] = field(default_factory=list)

    @property
    def weight(self) -> int:
        return sum(len(block) if isinstance(block, str) else block.characters for block in self.blocks)


@dataclass
class PicturePart(Part):
    """An image, or a page that stands in a frame: a browser asks for it by its place."""

    place: Place = (0, 0)
    mime: str = ""
    rows: int = 0
    """of text that a page seems to have"""
    has_script: bool = False


@dataclass
class ErrorPart(TextPart):
    """A traceback."""

    name: str = ""
    value: str = ""


@dataclass
class LossPart(Part):
    """Output that is not in the record."""

    count: int = 0
    unit: str = ""
    why: str = ""


def shown_data(data: Dict[str, Any], place: Place) -> Part:
    """Return the richest form of some data that can be shown without running any of it. `place`: of its line."""
    page = joined(data.get(PAGE))
    scripted = bool(_SCRIPT.search(page))
    if page and not scripted:
        table = table_of(page)
        return TablePart(table=table) if table is not None else _picture(PAGE, page, place)
    for mime in IMAGES:
        if _is_image(mime, joined(data.get(mime))):
            return PicturePart(place=place, mime=mime)
    chart = _chart(data)
    if page and not chart:
        return _picture(PAGE, page, place)
    markdown = joined(data.get("text/markdown"))
    if markdown and not chart and len(markdown) <= MARKDOWN_MAX:
        return ProsePart(blocks=blocks_of(markdown))
    part = TextPart()
    part.write(chart or _words(data))
    return part


def _is_image(mime: str, content: str) -> bool:
    """Tell whether a browser may draw it; SVG is text, the others base64."""
    if mime not in _BEGINNINGS:
        return bool(content)
    try:
        return binascii.a2b_base64(content).startswith(_BEGINNINGS[mime])
    except ValueError:
        return False


def _picture(mime: str, page: str, place: Place) -> PicturePart:
    return PicturePart(
        place=place,
        mime=mime,
        rows=sum(1 for _ in itertools.islice(_ROW.finditer(page), ROWS_MAX)),
        has_script=bool(_SCRIPT.search(page)),
    )


def _words(data: Dict[str, Any]) -> str:
    for mime in filter(data.get, IMAGES):
        return "[The image cannot be drawn: its data are no %s]\n%s" % (mime, joined(data.get("text/plain")))
    for mime in ("text/markdown", "text/latex", "text/plain"):
        if words := joined(data.get(mime)):
            return words
    if "application/json" in data:
        return _json(data["application/json"])
    return "[output of type %s]" % ", ".join(map(str, data)) if data else ""


def _json(value: Any) -> str:
    """Write JSON; of much only the beginning, for the rest is not shown and takes its time."""
    parts, left = [], TAIL_CHARS
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        parts.append(part[: left + 1])
        left -= len(part)
        if left < 0:
            return "".join(parts) + " …"
    return "".join(parts)


def _chart(data: Dict[str, Any]) -> str:
    """Return a line that stands for a chart which only a script could draw; empty if there is none. The dashboard's says more."""
    if PLOTLY in data:
        figure = _mapping(data[PLOTLY])
        traces = [str(_mapping(trace).get("type", "trace")) for trace in _items(figure.get("data"))]
        return _sentence("plotly figure", _mapping(figure.get("layout")).get("title"), traces or ["no traces"])
    for mime, value in data.items():
        if mime.startswith(VEGA):
            mark = _mapping(value).get("mark")
            kind = _mapping(mark).get("type") or mark
            return _sentence("Vega chart", _mapping(value).get("title"), [str(kind)] if kind else ["layers"])
    return ""


def _sentence(kind: str, title: Any, series: List[str]) -> str:
    title = _mapping(title).get("text") or title
    named = " '%s'" % title[:200] if isinstance(title, str) and title else ""
    shown = [one[:80] for one in series[:SERIES_MAX]]
    shown += ["%d more" % (len(series) - SERIES_MAX)] if len(series) > SERIES_MAX else []
    return "[%s%s: %s; open the notebook to see it]" % (kind, named, ", ".join(shown))


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def joined(value: Any) -> str:
    """Join text that is stored as one string or as lines."""
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list) else ""


def content_of(line: bytes, mime: str) -> Optional[str]:
    """Return what one line of a journal has of a type, images but SVG in base64; None if it has none."""
    try:
        event = json.loads(line)
        found = joined(event["data"].get(mime)) if event["k"] in ("data", "update") else ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found or None
