"""Highlights code and Markdown: pygments tokens become styled segments, without widgets or markup."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from rich.segment import Segment

from .ansi import plain
from .themes import Palette

if TYPE_CHECKING:
    from pygments.lexer import Lexer

Lines = list[list[Segment]]
CODE_MAX = 200_000
"""longest highlighted code in characters; longer code stays plain"""


@cache
def _lexer() -> Lexer:
    from pygments.lexers.python import PythonLexer  # not at the start, which it would delay

    return PythonLexer(stripnl=False, ensurenl=False)


def warm_up() -> None:
    """Load what the first highlighted cell needs. Call it in a thread, so that keys still work."""
    _lexer()


def code_lines(source: str, palette: Palette) -> Lines:
    """Return Python source as one list of segments a line."""
    source = plain(source.expandtabs(4))
    count = source.count("\n") + 1
    if len(source) > CODE_MAX:
        return [[Segment(line, palette.style())] for line in source.split("\n")]
    lines: Lines = [[]]
    for token, text in _lexer().get_tokens(source):
        style = palette.token(token)
        first, *rest = text.split("\n")
        if first:
            lines[-1].append(Segment(first, style))
        for part in rest:
            lines.append([Segment(part, style)] if part else [])
    return (lines + [[] for _ in range(count)])[:count]


_HEADING = re.compile(r"#{1,6} ")
_BULLET = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")
_INLINE = re.compile(r"(\*\*.+?\*\*|`[^`]+`|\*[^*\s][^*]*\*)")


def markdown_lines(source: str, palette: Palette) -> Lines:
    """Return Markdown source with its structure highlighted."""
    lines: Lines = []
    fenced = False
    for line in plain(source.expandtabs(4)).split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            lines.append([Segment(line, palette.style("faint"))])
        elif fenced:
            lines.append([Segment(line, palette.style("success"))])
        elif match := _HEADING.match(line):
            lines.append([Segment(line[match.end() :], palette.style("primary", bold=True))])
        elif match := _BULLET.match(line):
            bullet = "•" if match[2] in "-*+" else match[2]
            head = Segment(f"{match[1]}{bullet}{match[3]}", palette.style("accent"))
            lines.append([head, *_inline(line[match.end() :], palette)])
        elif line.startswith(">"):
            lines.append([Segment(line, palette.style("muted", italic=True))])
        else:
            lines.append(_inline(line, palette))
    return lines


def _inline(text: str, palette: Palette) -> list[Segment]:
    found = []
    for part in _INLINE.split(text):
        if part.startswith("**") and len(part) > 4:
            found.append(Segment(part[2:-2], palette.style(bold=True)))
        elif part.startswith("`") and len(part) > 2:
            found.append(Segment(part[1:-1], palette.style("success")))
        elif part.startswith("*") and len(part) > 2:
            found.append(Segment(part[1:-1], palette.style(italic=True)))
        elif part:
            found.append(Segment(part, palette.style()))
    return found
