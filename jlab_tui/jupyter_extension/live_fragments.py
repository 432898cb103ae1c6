"""Draws cells as HTML in which nothing from outside is markup: each cell as it is sent, and each part that changes later. Pure.

Each fragment is one element with an id. A patch names the element, what it goes into if it is new, and its HTML, so that the script of the
page only puts elements in their places.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Dict, List, Sequence
from urllib.parse import urlencode

from .live_cells import ENDED_BADLY, SOURCE_MAX, LiveFeed
from .live_items import LiveCell, LiveItem, LiveNote
from .live_markdown import Block, blocks_of
from .live_markup import code_html, escaped, lines_html
from .live_outputs import (
    PAGE,
    ErrorPart,
    LossPart,
    Part,
    PicturePart,
    Place,
    PrintedPart,
    ProsePart,
    TablePart,
    TextPart,
)
from .live_screen import Run, coloured, settled
from .live_table import Table

FIRST_LINES, LAST_LINES = 8, 40
FRAME_ROWS, ROW_PX = 20, 23
"""of a frame; more scrolls in it"""
_ERASES = re.compile(r"\x1b\[[0-3]?[JK]")
_HEADING = re.compile("#{1,6} ")
GLYPHS = {
    "": "·",
    "held": "⏸",
    "running": "▶",
    "ok": "✓",
    "interrupted": "■",
    "aborted": "■",
    "declined": "■",
}
WORDS = {"job_ended": "the job ended", "lost": "its end is unknown", "died": "the kernel died"}


@dataclass(frozen=True)
class Patch:
    """One element of the page as it is now."""

    id: str
    html: str
    into: str = "feed"
    """the element to which it is added if the page does not have it"""
    before: str = ""
    """the element before which it is put there; empty for the end"""

    def as_json(self) -> Dict[str, str]:
        return {"id": self.id, "in": self.into, "before": self.before, "html": self.html}


def feed_html(feed: LiveFeed, session: str) -> str:
    return "".join(_item(item, session) for item in feed.items)


def patches_since(feed: LiveFeed, session: str, since: Place, acts: int = 0) -> List[Patch]:
    """Return what has changed since a place of the record, and since so many acts, in the order of the page."""
    found: List[Patch] = []
    following = ""
    for item in reversed(feed.items):
        if isinstance(item, LiveNote):
            is_new = item.act > acts if item.act else item.made > since
            if is_new or item.outcome > acts or item.changed > since:
                found.append(Patch(item.key, _note(item), before=following))
        else:
            is_new = item.made > since
            found += reversed(_changes(item, session, since, following))
        following = following if is_new else item.key
    return found[::-1]


def _changes(cell: LiveCell, session: str, since: Place, following: str) -> List[Patch]:
    if max(cell.made, cell.reshaped) > since:
        return [Patch(cell.key, _cell(cell, session), before=following)]
    found = [Patch(cell.key + "-h", _head(cell))] if cell.head_changed > since else []
    changed = [part for part in cell.parts if part.changed > since]
    return found + [Patch(part.key, _part(part, session), cell.key + "-out") for part in changed]


def _item(item: LiveItem, session: str) -> str:
    return _note(item) if isinstance(item, LiveNote) else _cell(item, session)


def _note(note: LiveNote) -> str:
    return '<p class="note %s" id="%s">%s %s</p>' % (note.level, note.key, _time(note.at), escaped(note.text))


def _cell(cell: LiveCell, session: str) -> str:
    cut = "\n<i>… the notebook has the rest</i>" if len(cell.source) == SOURCE_MAX else ""
    if cell.is_markdown:
        source = '<div class="prose">%s%s</div>' % (_prose(blocks_of(cell.source)), cut)
    elif cell.source:
        source = '<pre class="code">%s%s</pre>' % (code_html(cell.source), cut)
    else:
        source = '<p class="gap">its code stands further up in the record</p>'
    hidden = (
        '<p class="gap">%s earlier outputs are not shown</p>' % format(cell.hidden, ",")
        if cell.hidden
        else ""
    )
    return '<article class="cell" id="%s">%s%s<div class="out" id="%s-out">%s%s</div></article>' % (
        cell.key,
        _head(cell),
        source,
        cell.key,
        hidden,
        "".join(_part(part, session) for part in cell.parts),
    )


def _head(cell: LiveCell) -> str:
    """The line above a cell. Its class tells the state of the whole cell."""
    state = "bad" if cell.status in ENDED_BADLY else cell.status if cell.status in GLYPHS else ""
    glyph = "✗" if state == "bad" else GLYPHS[state]
    number = "<b>[%d]</b> " % cell.count if cell.count is not None else ""
    if cell.status == "running":
        took = '<span class="took" data-since="%.3f"></span>' % cell.at
    else:
        took = '<span class="took">%s</span>' % (
            seconds(cell.seconds) if cell.status not in ("", "held") else ""
        )
    why = cell.cause or WORDS.get(
        cell.status, cell.status if cell.status not in ("ok", "running", "error") else ""
    )
    return (
        '<header class="head %s" id="%s-h"><span class="glyph">%s</span>%s<span class="tool">%s</span>'
        '<span class="why">%s</span>%s%s</header>'
    ) % (state, cell.key, glyph, number, escaped(cell.tool), escaped(why), _time(cell.at), took)


def _part(part: Part, session: str) -> str:
    if isinstance(part, ErrorPart):
        said = coloured("%s: %s" % (part.name, part.value) if part.value else part.name)
        value = escaped("\n".join("".join(text for text, _ in line) for line in said))
        return (
            '<div class="part" id="%s"><details open=""><summary class="error">%s</summary><pre>%s</pre></details></div>'
            % (
                part.key,
                value,
                _text(part),
            )
        )
    if isinstance(part, TextPart):
        kind = "stderr" if isinstance(part, PrintedPart) and part.is_error else "text"
        return '<div class="part" id="%s"><pre class="%s">%s</pre></div>' % (part.key, kind, _text(part))
    if isinstance(part, TablePart):
        return '<div class="part wide" id="%s">%s</div>' % (part.key, _table(part.table))
    if isinstance(part, ProsePart):
        return '<div class="part wide" id="%s"><div class="markdown">%s</div></div>' % (part.key, _prose(part.blocks))
    if isinstance(part, PicturePart):
        return '<div class="part" id="%s">%s</div>' % (part.key, _picture(part, session))
    assert isinstance(part, LossPart)
    why = " (%s)" % escaped(part.why) if part.why else ""
    text = "%s %s of output were not recorded%s" % (format(part.count, ","), escaped(part.unit), why)
    return '<div class="part" id="%s"><p class="gap">%s</p></div>' % (part.key, text)


def _text(part: TextPart) -> str:
    """Return the first and the last lines, and how many are between them."""
    lines = _printed if isinstance(part, PrintedPart) else coloured
    first, last, gone = _lines(lines(part.head)), _lines(lines(part.tail)), part.gone_lines
    if not first and len(last) > FIRST_LINES + LAST_LINES:
        first, last = last[:FIRST_LINES], last[FIRST_LINES:]
    if not first:
        return lines_html(last)
    gone += max(0, len(first) - FIRST_LINES) + max(0, len(last) - LAST_LINES)
    first, last = first[:FIRST_LINES], last[-LAST_LINES:]
    said = "%s lines" % format(gone, ",") if gone else "%s characters" % format(part.gone_chars, ",")
    gap = '<span class="gap">%s not shown here; the notebook has them</span>' % said
    return "\n".join([lines_html(first), gap, lines_html(last)])


def _lines(rows: List[List[Run]]) -> List[List[Run]]:
    return rows[:-1] if rows and not rows[-1] else rows


def _printed(text: str) -> List[List[Run]]:
    """Return the lines of a stream; what was erased leaves no blank rows at its ends."""
    rows = settled(text)
    if _ERASES.search(text) is None:
        return rows
    seen = [at for at, row in enumerate(rows) if row]
    return rows[seen[0] : seen[-1] + 1] if seen else []


def _table(table: Table) -> str:
    rows = []
    words = table.columns_of_words
    for row in table.rows:
        cells = []
        for number, cell in enumerate(row):
            tag = "th" if cell.is_head else "td"
            attributes = (
                (' class="words"' if number in words else "")
                + (' colspan="%d"' % cell.columns if cell.columns > 1 else "")
                + (' rowspan="%d"' % cell.rows if cell.rows > 1 else "")
            )
            cells.append("<%s%s>%s</%s>" % (tag, attributes, escaped(cell.text.strip()), tag))
        rows.append("<tr>%s</tr>" % "".join(cells))
    around = " ".join(table.around.split())
    below = '<p class="gap">%s</p>' % escaped(around) if around else ""
    return "<table>%s</table>%s" % ("".join(rows), below)


def _prose(blocks: Sequence[Block]) -> str:
    """Return Markdown as its own text, its headings bold, its tables drawn."""
    return "".join(
        "<p>%s</p>" % "\n".join(map(_prose_line, block.strip("\n").split("\n"))) if isinstance(block, str) else _table(block)
        for block in blocks
    )


def _prose_line(line: str) -> str:
    return "<b>%s</b>" % escaped(line) if _HEADING.match(line) else escaped(line)


def _picture(part: PicturePart, session: str) -> str:
    query = {"session": session, "at": "%d.%d" % part.place, "type": part.mime}
    address = escaped("live/output?" + urlencode(query))
    if part.mime != PAGE:
        return (
            '<a href="%s" target="_blank" rel="noreferrer"><img src="%s" alt="image" loading="lazy"/></a>'
            % (
                address,
                address,
            )
        )
    said = (
        '<p class="gap">Scripts of this output do not run here; open the notebook to see all of it.</p>'
        if part.has_script
        else ""
    )
    return '<iframe height="%d" sandbox="" src="%s" loading="lazy" title="HTML output"></iframe>%s' % (
        60 + ROW_PX * min(part.rows, FRAME_ROWS),
        address,
        said,
    )


def _time(at: float) -> str:
    return '<time data-at="%.3f"></time>' % (at if math.isfinite(at) else 0.0)


def seconds(value: float) -> str:
    """Return a duration in the fewest characters: 310 ms, 2.4 s, 2m13s, 3h05m."""
    if not math.isfinite(value) or value < 0:
        return ""
    if value < 1:
        return "%d ms" % (value * 1000)
    if value < 10:
        return "%.1f s" % value
    if value < 60:
        return "%d s" % value
    if value < 3600:
        return "%dm%02ds" % divmod(int(value), 60)
    return "%dh%02dm" % (value // 3600, value % 3600 // 60)
