"""Turns text that anybody may have printed into HTML that is only text: everything is escaped, and what acts on a screen is resolved or dropped. Pure."""

from __future__ import annotations

import html
import keyword
import re
from typing import List, Tuple

LINE_MAX = 2000
"""characters of one line that are shown"""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""controls, marks that reorder text, halves of characters"""
_TOKEN = re.compile(
    r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?|[\r\n\x08]|[^\x1b\r\n\x08]+"
)
_COLOUR = re.compile(r"\x1b\[([0-9;:]*)m")
_CODE = re.compile(
    r"(?P<comment>#[^\n]*)"
    r"|(?P<string>[rbfuRBFU]{0,2}(?:'''[\s\S]*?(?:'''|\Z)|\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'(?:\\.|[^'\\\n])*'?|\"(?:\\.|[^\"\\\n])*\"?))"
    r"|(?P<number>\b\d[\w.]*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<magic>^[%!]+\S*)",
    re.MULTILINE,
)
_MOVES_MAX = 10_000


def escaped(text: str) -> str:
    """Return text for an element or a quoted attribute; a character that would act or hide is a replacement character."""
    return html.escape(_UNSEEN.sub("\ufffd", text))


def settled(text: str) -> List[str]:
    """Return the lines that a terminal shows after `text`: bars that write over themselves are one line. Colours are kept."""
    rows, row, is_over = [""], 0, False
    for token in _TOKEN.finditer(text):
        piece, final = token[0], token[2]
        if piece == "\n":
            row, is_over = row + 1, False
            if row == len(rows):
                rows.append("")
        elif piece == "\r":
            is_over = True
        elif piece == "\x08":
            rows[row] = rows[row][:-1]
        elif final == "A":
            row = max(0, row - _count(token[1]))
        elif final == "m" or not piece.startswith("\x1b"):
            rows[row] = piece if is_over else rows[row] + piece
            is_over = False
    return rows


def _count(digits: str) -> int:
    return min(int(digits), _MOVES_MAX) if digits.isdecimal() and len(digits) < 6 else 1


def lines_html(rows: List[str]) -> str:
    """Return lines with their ANSI colours as spans; a long line is cut, which it says."""
    shown, style = [], (False, "")
    for row in rows:
        gone = len(row) - LINE_MAX
        line, style = _coloured(row[:LINE_MAX], style)
        shown.append(line + (" <i>… %s more characters</i>" % format(gone, ",") if gone > 0 else ""))
    return "\n".join(shown)


def _coloured(row: str, style: Tuple[bool, str]) -> Tuple[str, Tuple[bool, str]]:
    parts, last = [], 0
    for found in _COLOUR.finditer(row):
        parts.append(_span(row[last : found.start()], style))
        style, last = _styled(found[1], style), found.end()
    parts.append(_span(row[last:], style))
    return "".join(parts), style


def _span(text: str, style: Tuple[bool, str]) -> str:
    is_bold, colour = style
    names = " ".join(name for name in ("bold" if is_bold else "", colour) if name)
    return '<span class="%s">%s</span>' % (names, escaped(text)) if text and names else escaped(text)


def _styled(parameters: str, style: Tuple[bool, str]) -> Tuple[bool, str]:
    """Apply the numbers of one colour sequence: the eight colours, and the nearest of them for others."""
    numbers = [int(one) if one.isdecimal() and len(one) < 4 else 0 for one in re.split("[;:]", parameters)]
    is_bold, colour = style
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            is_bold, colour = False, ""
        elif number == 1:
            is_bold = True
        elif number == 22:
            is_bold = False
        elif number == 39:
            colour = ""
        elif 30 <= number <= 37 or 90 <= number <= 97:
            colour = "ansi%d" % (number % 10)
        elif number in (38, 48):
            found, numbers = _extended(numbers)
            colour = found if number == 38 else colour
    return is_bold, colour


def _extended(numbers: List[int]) -> Tuple[str, List[int]]:
    """Return the class for `38;5;n` or `38;2;r;g;b` after the 38, and the numbers after it."""
    if numbers[:1] == [5] and len(numbers) > 1:
        number = numbers[1]
        if number < 16:
            return "ansi%d" % (number % 8), numbers[2:]
        cube = max(0, min(number, 231) - 16)
        levels = [cube // 36, cube // 6 % 6, cube % 6] if number < 232 else [0, 0, 0]
        return _nearest(levels), numbers[2:]
    if numbers[:1] == [2] and len(numbers) > 3:
        return _nearest(numbers[1:4]), numbers[4:]
    return "", []


def _nearest(levels: List[int]) -> str:
    """Name the colour with the same strong parts; one without any is left to the page."""
    most = max(levels)
    red, green, blue = (most > 0 and 2 * level > most for level in levels)
    number = red + 2 * green + 4 * blue
    return "ansi%d" % number if 0 < number < 7 else ""


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
