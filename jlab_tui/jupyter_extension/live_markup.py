"""Turns text that anybody may have printed into HTML that is only text: everything is escaped, and what acts on a screen is resolved or dropped. Pure."""

from __future__ import annotations

import html
import keyword
import re
from typing import Sequence

from .live_screen import Run

LINE_MAX = 2000
"""characters of one line that are shown"""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""controls, marks that reorder text, halves of characters"""
_CODE = re.compile(
    r"(?P<comment>#[^\n]*)"
    r"|(?P<string>[rbfuRBFU]{0,2}(?:'''[\s\S]*?(?:'''|\Z)|\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'(?:\\.|[^'\\\n])*'?|\"(?:\\.|[^\"\\\n])*\"?))"
    r"|(?P<number>\b\d[\w.]*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<magic>^[%!]+\S*)",
    re.MULTILINE,
)


def escaped(text: str) -> str:
    """Return text for an element or a quoted attribute; a character that would act or hide is a replacement character."""
    return html.escape(_UNSEEN.sub("\ufffd", text))


def lines_html(lines: Sequence[Sequence[Run]]) -> str:
    """Return the lines of a screen, coloured runs as spans; a long line is cut, which it says."""
    return "\n".join(map(_line, lines))


def _line(runs: Sequence[Run]) -> str:
    parts, left, gone = [], LINE_MAX, 0
    for text, names in runs:
        shown = escaped(text[:left])
        parts.append('<span class="%s">%s</span>' % (names, shown) if shown and names else shown)
        gone += max(0, len(text) - left)
        left -= min(left, len(text))
    if gone:
        parts.append(" <i>… %s more characters</i>" % format(gone, ","))
    return "".join(parts)


def code_html(source: str) -> str:
    """Return Python code with its comments, strings, numbers and keywords as spans."""
    parts, last = [], 0
    for found in _CODE.finditer(source):
        kind = str(found.lastgroup)
        if kind == "word":
            if not keyword.iskeyword(found[0]):
                continue
            kind = "keyword"
        parts.append(escaped(source[last : found.start()]))
        parts.append('<span class="%s">%s</span>' % (kind, escaped(found[0])))
        last = found.end()
    return "".join([*parts, escaped(source[last:])])
