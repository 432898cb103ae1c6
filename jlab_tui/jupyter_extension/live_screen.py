"""Works out what a terminal shows after some text: lines of runs of one colour each. Pure.

It does what `core/display/terminal_text.py`, which the extension cannot import, does for the dashboard, and keeps the colours.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Dict, List, Tuple

Run = Tuple[str, str]
"""some text, and the classes of its colour"""
_TOKEN = re.compile(
    r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?|[\r\n\x08]|[^\x1b\r\n\x08]+"
)
_ACTING = "\x1b\r\x08"
"""begin what moves or erases"""
_INVISIBLE = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]")
_MAYBE_WIDE = (
    "[\u1100-\u115f\u231a-\u23f3\u25fd-\u27bf\u2b1b-\u2b55\u2e80-\uffe6\U0001f000-\U0003fffd]"
)
_MAYBE_WIDE_CELL = re.compile(_MAYBE_WIDE)
_CELLS = re.compile("(%s)(\0?)|\0" % _MAYBE_WIDE)
_SAME = re.compile(rb"(.)\1*", re.DOTALL)
_SECOND_CELL = "\0"
"""follows a character that takes two columns"""
_COLUMNS = 500
"""of the screen; a line of text may be longer, a jump goes no further: it must not cost memory that no text accounts for"""
_ROWS = 500
"""of the screen: to erase it leaves what has scrolled off"""
_DIGITS = 5
"""read of the number of a move, which ends at the edge of the screen anyway"""
_COLOUR_MAX = 200
"""characters read of one colour sequence"""
_BOLD = 16
"""added to the number of a colour, which is 1 to 8, or 0 for the page's own"""


def settled(text: str) -> List[List[Run]]:
    """Return the lines that a terminal shows after `text`. Bars that write over themselves are one line; nothing scrolls off."""
    screen = _Screen()
    for token in _TOKEN.finditer(text.replace("\r\n", "\n")):
        screen.take(token[0], token[1] or "", token[2] or "")
    return [screen.rows[at].runs() if at in screen.rows else [] for at in range(screen.last + 1)]


def coloured(text: str) -> List[List[Run]]:
    """Return the lines of a text of which nothing but the colours acts: no message erases the traceback that it stands in."""
    return settled(_TOKEN.sub(lambda at: at[0] if at[2] == "m" or at[0][0] not in _ACTING else "", text.replace("\r\n", "\n")))


def _in_cells(text: str) -> str:
    """Return text in which every character fills one column."""
    if text.isascii():
        return text
    return _MAYBE_WIDE_CELL.sub(lambda at: at[0] + _SECOND_CELL * _is_wide(at[0]), text)


def _of_cells(text: str) -> str:
    """Turn columns back into text; a wide character that lost one of its columns becomes a blank."""
    if text.isascii() and _SECOND_CELL not in text:
        return text
    return _CELLS.sub(lambda at: at[1] if at[1] and (at[2] or not _is_wide(at[1])) else " ", text)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


class _Row:
    """The characters of a line, one for each column, and their colours."""

    def __init__(self) -> None:
        self.chars: List[str] = []
        self.colours = bytearray()

    def write(self, column: int, text: str, colour: int) -> None:
        gap = column - len(self.chars)
        if gap > 0:
            self.chars += " " * gap
            self.colours += bytes(gap)
        self.chars[column : column + len(text)] = text
        self.colours[column : column + len(text)] = bytes((colour,)) * len(text)

    def erase(self, column: int, mode: int) -> None:
        if mode == 1:
            self.write(max(0, column - _COLUMNS), " " * min(column, _COLUMNS), 0)
        else:
            del self.chars[0 if mode else column :], self.colours[0 if mode else column :]

    def runs(self) -> List[Run]:
        text = "".join(self.chars).rstrip(" ")
        return [
            (_of_cells(text[run.start() : run.end()]), _classes(run[0][0]))
            for run in _SAME.finditer(self.colours, 0, len(text))
        ]


def _classes(colour: int) -> str:
    number = colour & ~_BOLD
    names = ("bold" if colour & _BOLD else "", "ansi%d" % (number - 1) if number else "")
    return " ".join(filter(None, names))


class _Screen:
    """Lines of unlimited number and width, a cursor, and the colour in which it writes."""

    def __init__(self) -> None:
        self.rows: Dict[int, _Row] = {}
        """those that something was written on: to erase costs no more than what was written"""
        self.last = 0
        """the lowest row that there is"""
        self.row = 0
        self.column = 0
        self.colour = 0
        self._kept = (0, 0)

    def take(self, token: str, parameters: str, final: str) -> None:
        if token == "\n":
            self.row, self.column = self.row + 1, 0
            self.last = max(self.last, self.row)
        elif token == "\r":
            self.column = 0
        elif token == "\x08":
            self.column = max(0, self.column - 1)
        elif token in ("\x1b7", "\x1b[s"):
            self._kept = (self.row, self.column)
        elif token in ("\x1b8", "\x1b[u"):
            self.row, self.column = min(self._kept[0], self.last), self._kept[1]
        elif final == "m":
            self.colour = _coloured(parameters, self.colour)
        elif final:
            self._control(parameters, final)
        elif token[0] != "\x1b":
            text = _in_cells(_INVISIBLE.sub("", token))
            self._stay()
            self._written().write(self.column, text, self.colour)
            self.column += len(text)

    def _written(self) -> _Row:
        return self.rows.setdefault(self.row, _Row())

    def _stay(self) -> int:
        """Come back from columns that another line had, or this one before it was erased. Returns how far this one reaches."""
        width = max(_COLUMNS, len(self._written().chars))
        self.column = min(self.column, width)
        return width

    def _control(self, parameters: str, final: str) -> None:
        first = parameters.partition(";")[0]
        number = int(first[:_DIGITS]) if first.isdecimal() else 0
        count, width = max(1, number), self._stay()
        if final in "AF":
            self.row = max(0, self.row - count)
        elif final in "BE":
            self.row = min(self.row + count, self.last)
        elif final == "C":
            self.column = max(self.column, min(self.column + count, width))
        elif final == "D":
            self.column = max(0, self.column - count)
        elif final == "G":
            self.column = min(count - 1, width)
        elif final == "K":
            self._written().erase(self.column, number)
        elif final == "J" and number == 0:
            self._written().erase(self.column, 0)
            for below in range(self.row + 1, self.last + 1):
                self.rows.pop(below, None)
            self.last = self.row
        elif final == "J" and number in (2, 3):
            for row in range(max(0, self.row + 1 - _ROWS), self.last + 1):
                self.rows.pop(row, None)
            self.last = self.row
        elif final in "Hf" and parameters in ("", "1;1"):
            self.row = self.column = 0
        if final in "EF":
            self.column = 0


def _coloured(parameters: str, colour: int) -> int:
    """Apply the numbers of one colour sequence: the eight colours, and the nearest of them for others."""
    if parameters and not re.match(r"[0-9;:]+\Z", parameters):
        return colour
    numbers = [
        int(one) if one and len(one) < 4 else 0 for one in re.split("[;:]", parameters[:_COLOUR_MAX])
    ]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            colour = 0
        elif number == 1:
            colour |= _BOLD
        elif number == 22:
            colour &= ~_BOLD
        elif number == 39:
            colour &= _BOLD
        elif 30 <= number <= 37 or 90 <= number <= 97:
            colour = colour & _BOLD | number % 10 + 1
        elif number in (38, 48):
            found, numbers = _extended(numbers)
            colour = colour & _BOLD | found if number == 38 else colour
    return colour


def _extended(numbers: List[int]) -> Tuple[int, List[int]]:
    """Return the colour of `38;5;n` or `38;2;r;g;b` after the 38, and the numbers after it."""
    if numbers[:1] == [5] and len(numbers) > 1:
        number = numbers[1]
        if number < 16:
            return number % 8 + 1, numbers[2:]
        cube = max(0, min(number, 231) - 16)
        levels = [cube // 36, cube // 6 % 6, cube % 6] if number < 232 else [0, 0, 0]
        return _nearest(levels), numbers[2:]
    if numbers[:1] == [2] and len(numbers) > 3:
        return _nearest(numbers[1:4]), numbers[4:]
    return 0, []


def _nearest(levels: List[int]) -> int:
    """Return the colour with the same strong parts; one without any is left to the page."""
    most = max(levels)
    red, green, blue = (most > 0 and 2 * level > most for level in levels)
    number = red + 2 * green + 4 * blue
    return number + 1 if 0 < number < 7 else 0
