"""A small terminal: the characters that a stream of our sequences leaves on the screen."""

from __future__ import annotations

import codecs
import re

from rich.cells import cell_len

_SEQUENCE = re.compile(
    r"\x1b\[(?P<marks>[<=>?]?)(?P<numbers>[\d;]*)[ -/$]*(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b_G(?P<graphics>[^\x1b]*)\x1b\\|\x1b[=>]"
)
_BEGUN = re.compile(r"\x1b(?:\[[<=>?]?[\d;]*[ -/$]*|[]_][^\x07\x1b]*\x1b?)?\Z")


class Emulator:
    """Feed it bytes; `text` is what a person sees. Knows cursor positions, erasing all, and characters of one and two columns."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.colors = [[""] * columns for _ in range(rows)]
        """foreground of each cell, as it was set"""
        self.graphics: list[str] = []
        """sequences of kitty's graphics protocol, without their ends"""
        self._color = ""
        self.x = self.y = 0
        self.names = 0
        """times that the terminal was asked what it is"""
        self.questions = 0
        """times that the terminal was asked for its cursor"""
        self._rest = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.cells)

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decode(data)
        begun = _BEGUN.search(text)
        self._rest = begun.group() if begun else ""
        text = text[: len(text) - len(self._rest)]
        place = 0
        for match in _SEQUENCE.finditer(text):
            self._print(text[place : match.start()])
            if match["graphics"] is not None:
                self.graphics.append(match["graphics"])
            self._obey(match["marks"], match["numbers"], match["final"])
            place = match.end()
        self._print(text[place:])

    def _obey(self, marks: str | None, numbers: str | None, final: str | None) -> None:
        if marks == "" and final == "H":
            row, _, column = (numbers or "").partition(";")
            self.y, self.x = int(row or 1) - 1, int(column or 1) - 1
        elif (
            marks == ""
            and final == "m"
            and (color := re.search(r"(?:^|;)(38;2;\d+;\d+;\d+|39)(?:;|$)", numbers or ""))
        ):
            self._color = color[1]
        elif marks == "" and final == "n" and numbers == "6":
            self.questions += 1
        elif marks == ">" and final == "q":
            self.names += 1
        elif final == "h" and numbers == "1049":
            self.cells = [[" "] * self.columns for _ in self.cells]

    def _print(self, text: str) -> None:
        for char in text:
            if char == "\n":
                self.y += 1
            elif char == "\r":
                self.x = 0
            elif (width := cell_len(char)) == 0:
                self.cells[self.y][min(max(0, self.x - 1), self.columns - 1)] += char
            elif self.x < self.columns and self.y < len(self.cells):
                self.cells[self.y][self.x] = char
                self.colors[self.y][self.x] = self._color
                if width == 2 and self.x + 1 < self.columns:
                    self.cells[self.y][self.x + 1] = ""
                self.x += width
