"""Text for a reader without a terminal: control sequences resolved, long text cut in the middle."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from .printable import printable

_TOKEN = re.compile(
    r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?|[\r\n\x08]|[^\x1b\r\n\x08]+"
)
_INVISIBLE = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]")
_OPEN_END = re.compile(r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*)?)\Z")
_MAYBE_WIDE: Final = (
    "[\u1100-\u115f\u231a-\u23f3\u25fd-\u27bf\u2b1b-\u2b55\u2e80-\uffe6\U0001f000-\U0003fffd]"
)
_MAYBE_WIDE_CELL = re.compile(_MAYBE_WIDE)
_CELLS = re.compile(rf"({_MAYBE_WIDE})(\0?)|\0")
_SECOND_CELL: Final = "\0"
"""follows a character that takes two columns"""
ROW_CHARS: Final = 2000
"""`read_output` splits longer lines into several rows"""
_KEPT_ROWS: Final = 500
_KEPT_CHARS: Final = 4 << 20
_LINE_MAX: Final = 1_000_000
_COLUMNS: Final = 500
_DIGITS: Final = 5
"""read of the number of a move, which ends at the edge of the screen anyway"""
_MOVES: Final = ("\r", "\x08", "\x1b")


def render_terminal(text: str) -> str:
    """Return what a terminal shows after printing `text`, with carriage returns, backspaces, cursor moves and erasing applied.

    Colours are dropped. Lines have no width limit and nothing scrolls off, but to erase takes back 500 lines, or to the left 500
    columns, at most. Progress bars (tqdm, rich) end as one line.
    """
    if not any(mark in text for mark in _MOVES):
        return _INVISIBLE.sub("", text)
    screen = _Screen()
    screen.feed(text)
    return screen.text()


class TerminalLines:
    """Does the work of `render_terminal` on text that arrives in parts and is too long to keep; yields lines once they are final.

    A cursor that moves up more than 500 lines, or over megabytes, stops there; a line of more than 1,000,000 characters
    counts as several.
    """

    def __init__(self) -> None:
        self._screen = _Screen()
        self._held = ""
        self._moved = False
        self._kept_chars = 0
        """characters since lines were last yielded"""

    def feed(self, text: str) -> list[str]:
        """Yield the lines that nothing can change any more."""
        text = self._held + text
        open_at = _OPEN_END.search(text, max(0, len(text) - 256))
        cut = open_at.start() if open_at else len(text)
        text, self._held = text[:cut], text[cut:]
        return self._take(text)

    def finish(self) -> list[str]:
        """Yield the remaining lines."""
        last = self._take(self._held)
        self._held = ""
        lines = [self._tidy(line) for line in self._screen.texts()]
        return last + (lines if lines != [""] else [])

    def _take(self, text: str) -> list[str]:
        screen = self._screen
        if any(mark in text.replace("\r\n", "\n") for mark in _MOVES):
            self._moved = True
            screen.feed(text)
        else:
            screen.append(_in_cells(_INVISIBLE.sub("", text.replace("\r\n", "\n"))))
        self._kept_chars += len(text)
        is_large = self._kept_chars > _KEPT_CHARS
        if len(screen.lines) <= 2 * _KEPT_ROWS and not is_large:
            return []
        gone = screen.row if is_large else min(len(screen.lines) - _KEPT_ROWS, screen.row)
        self._kept_chars = 0
        lines = [self._tidy(line) for line in screen.texts(gone)]
        del screen.lines[:gone]
        screen.row -= gone
        return lines

    def _tidy(self, line: str) -> str:
        return line.rstrip(" ") if self._moved else line


def _in_cells(text: str) -> str:
    """Return text in which every character fills one column."""
    return (
        text
        if text.isascii()
        else _MAYBE_WIDE_CELL.sub(lambda at: at[0] + _SECOND_CELL * _is_wide(at[0]), text)
    )


def _of_cells(line: str) -> str:
    """Turn columns back into text; a wide character that lost one of its columns becomes a blank."""
    if line.isascii() and _SECOND_CELL not in line:
        return line
    return _CELLS.sub(lambda at: at[1] if at[1] and (at[2] or not _is_wide(at[1])) else " ", line)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _joined(line: str | list[str]) -> str:
    return line if isinstance(line, str) else "".join(line)


class _Screen:
    """Lines of unlimited number and width, and a cursor."""

    def __init__(self) -> None:
        self.lines: list[str | list[str]] = [""]
        """a line written piece by piece is a list of its characters, so that each piece costs only its own length"""
        self.row = 0
        self.column = 0
        self._kept = (0, 0)

    def feed(self, text: str) -> None:
        for match in _TOKEN.finditer(text.replace("\r\n", "\n")):
            token = match.group()
            if token == "\n":
                self.newline()
            elif token == "\r":
                self.column = 0
            elif token == "\x08":
                self.column = max(0, self.column - 1)
            elif token[0] == "\x1b":
                if token in ("\x1b7", "\x1b[s"):
                    self._kept = (self.row, self.column)
                elif token in ("\x1b8", "\x1b[u"):
                    self.row, self.column = min(self._kept[0], len(self.lines) - 1), self._kept[1]
                else:
                    self.control(match[1] or "", match[2])
            else:
                self.write(_in_cells(_INVISIBLE.sub("", token)))

    def append(self, text: str) -> None:
        """Do the work of `feed` for text that does not move the cursor."""
        if self.row != len(self.lines) - 1 or self.column != len(self.lines[-1]):
            self.feed(text)
            return
        first, *rest = text.split("\n")
        line = _joined(self.lines[-1]) + first
        while len(line) > _LINE_MAX:
            self.lines[-1:] = [line[:_LINE_MAX], ""]
            line = line[_LINE_MAX:]
        self.lines[-1] = line
        self.lines += rest
        self.row = len(self.lines) - 1
        self.column = len(self.lines[-1])

    def write(self, text: str) -> None:
        self._stay()
        line = self.lines[self.row]
        if isinstance(line, str) and len(line) == self.column < _COLUMNS:
            self.lines[self.row] = line + text
        else:
            line = self._opened()
            line.extend(" " * (self.column - len(line)))
            line[self.column : self.column + len(text)] = text
        self.column += len(text)

    def newline(self) -> None:
        self.row += 1
        self.column = 0
        if self.row == len(self.lines):
            self.lines.append("")

    def control(self, parameters: str, final: str) -> None:
        numbers = [int(p[:_DIGITS]) if p.isdecimal() else 0 for p in parameters.split(";")]
        count = max(1, numbers[0])
        self._stay()
        match final:
            case "A":
                self.row = max(0, self.row - count)
            case "B":
                self._down(count)
            case "C":
                self.column = max(self.column, min(self.column + count, self._width()))
            case "D":
                self.column = max(0, self.column - count)
            case "E":
                self._down(count)
                self.column = 0
            case "F":
                self.row, self.column = max(0, self.row - count), 0
            case "G":
                self.column = min(count - 1, self._width())
            case "K":
                self._erase_line(numbers[0])
            case "J":
                self._erase_screen(numbers[0])
            case "H" | "f" if parameters in ("", "1;1"):
                self.row = self.column = 0
            case _:
                pass

    def text(self) -> str:
        return "\n".join(line.rstrip(" ") for line in self.texts())

    def texts(self, count: int | None = None) -> list[str]:
        """Remove and return the first lines, or all."""
        return [_of_cells(_joined(line)) for line in self.lines[:count]]

    def _opened(self) -> list[str]:
        """Return the line under the cursor, to change in place."""
        line = self.lines[self.row]
        if isinstance(line, str):
            line = self.lines[self.row] = list(line)
        return line

    def _width(self) -> int:
        """Return a terminal's width, or more where text is further right: a jump must not cost memory that no text accounts for."""
        return max(_COLUMNS, len(self.lines[self.row]))

    def _stay(self) -> None:
        """Come back from columns that another line had, or this one before it was erased: blanks up to there would cost as much."""
        self.column = min(self.column, self._width())

    def _down(self, count: int) -> None:
        self.row = min(self.row + count, len(self.lines) - 1)

    def _erase_line(self, mode: int) -> None:
        line = self._opened()
        if mode == 0:
            del line[self.column :]
        elif mode == 1:
            first = max(0, self.column - _COLUMNS)
            line[first : self.column] = " " * (self.column - first)
        else:
            line.clear()

    def _erase_screen(self, mode: int) -> None:
        if mode == 0:
            self._erase_line(0)
            del self.lines[self.row + 1 :]
        elif mode in (2, 3):
            first = max(0, self.row + 1 - _KEPT_ROWS)
            self.lines[first:] = [""] * (self.row + 1 - first)


@dataclass(frozen=True, slots=True)
class Cut:
    """A text cut to a budget, and how much of its middle is missing."""

    head: str
    tail: str
    """empty when nothing is cut"""
    cut_chars: int = 0
    cut_lines: int = 0


def cut_middle(text: str, budget: int) -> Cut:
    """Cut `text` to about `budget` characters at line ends: a third from the beginning, the rest from the end."""
    if len(text) <= budget:
        return Cut(text, "")
    first = budget // 3
    head = text[:first]
    at = head.rfind("\n")
    if at > first // 2:
        head = head[: at + 1]
    tail = text[len(text) - (budget - first) :]
    at = tail.find("\n")
    if 0 <= at < len(tail) // 2:
        tail = tail[at + 1 :]
    middle = text[len(head) : len(text) - len(tail)]
    return Cut(head, tail, len(middle), middle.count("\n") + (not head.endswith("\n")))


def rows(line: str) -> list[str]:
    """Split a line into the rows that `read_output` shows."""
    return [line[at : at + ROW_CHARS] for at in range(0, max(1, len(line)), ROW_CHARS)]


def count_rows(text: str) -> int:
    """Count the rows before the one in which `text` ends."""
    *lines, last = text.split("\n")
    return sum(max(1, -(-len(line) // ROW_CHARS)) for line in lines) + len(last) // ROW_CHARS


def plain_traceback(traceback: tuple[str, ...], ename: str, evalue: str) -> str:
    """Return a Python traceback without colours, or name and value if the kernel sent no traceback."""
    text = printable("\n".join(traceback)).strip("\n")
    return text or (f"{ename}: {evalue}" if evalue else ename)
