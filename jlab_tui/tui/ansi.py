"""Turns text from kernels into safe styled segments: keeps colours, and removes everything else that could act on the
terminal (titles, clipboard, cursor moves, bells, text direction).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from .themes import Palette, Rgb

_SEQUENCE = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_](?:[^\x07\x1b\x9c]|\x1b(?!\\))*(?:\x07|\x1b\\|\x9c|\Z)"
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
)
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_ANSI = re.compile("[\x1b\x9b]")


def plain(text: str) -> str:
    """Return `text` as `segments` draws it: `printable` without characters of no width. Newlines and tabs stay."""
    if _ANSI.search(text):
        text = _SEQUENCE.sub("", text)
    return "\n".join(_UNSAFE.sub("", line) for line in text.split("\n"))


def coloured(text: str) -> str:
    """Return `text` with its colours and nothing else that could act on a terminal. Newlines and tabs stay."""
    kept = _SEQUENCE.sub(lambda match: match[0] if match["sgr"] is not None else "", text)
    return "\x1b".join(plain(part) for part in kept.split("\x1b"))


def one_line(text: str) -> str:
    """Return `text` for a title or a label."""
    return " ".join(plain(text).split())


def segments(line: str, base: Style, palette: Palette) -> list[Segment]:
    """Return one line as segments; tabs become spaces up to columns of 8."""
    if not _ANSI.search(line):
        return [Segment(_tidy(line), base)] if line else []
    found: list[Segment] = []
    state = _Sgr()
    style = base
    position = column = 0
    for match in _SEQUENCE.finditer(line):
        if part := _tidy(line[position : match.start()], column):
            found.append(Segment(part, style))
            column += len(part)
        position = match.end()
        codes = match["sgr"]
        if codes is not None:
            state = state.after(codes)
            style = base + state.style(palette)
    if part := _tidy(line[position:], column):
        found.append(Segment(part, style))
    return found


def _tidy(text: str, column: int = 0) -> str:
    if "\t" in text:
        text = (" " * (column % 8) + text).expandtabs(8)[column % 8 :]
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub("", text)


class _Sgr:
    """The colours and attributes at a place of a line."""

    __slots__ = ("back", "flags", "fore")

    def __init__(
        self,
        fore: int | Rgb | None = None,
        back: int | Rgb | None = None,
        flags: frozenset[str] = frozenset(),
    ):
        self.fore = fore
        self.back = back
        self.flags = flags

    def after(self, codes: str) -> _Sgr:
        numbers = [int(code[:4]) if code.isdecimal() else 0 for code in re.split("[;:]", codes)]
        state = _Sgr(self.fore, self.back, self.flags)
        while numbers:
            number = numbers.pop(0)
            match number:
                case 0:
                    state = _Sgr()
                case 1 | 2 | 3 | 4 | 7 | 9:
                    state.flags = state.flags | {_FLAGS[number]}
                case 22:
                    state.flags = state.flags - {"bold", "dim"}
                case 23 | 24 | 27 | 29:
                    state.flags = state.flags - {_FLAGS[number - 20]}
                case 38 | 48:
                    color = _extended(numbers)
                    if number == 38:
                        state.fore = color
                    else:
                        state.back = color
                case 39:
                    state.fore = None
                case 49:
                    state.back = None
                case _ if 30 <= number <= 37:
                    state.fore = number - 30
                case _ if 40 <= number <= 47:
                    state.back = number - 40
                case _ if 90 <= number <= 97:
                    state.fore = number - 82
                case _ if 100 <= number <= 107:
                    state.back = number - 92
                case _:
                    pass
        return state

    def style(self, palette: Palette) -> Style:
        def rgb(color: int | Rgb | None) -> Rgb | None:
            if isinstance(color, int):
                return palette.ansi(color) if color < 16 else _of_256(color)
            return color

        return _style(rgb(self.fore), rgb(self.back), self.flags)


_FLAGS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}


def _extended(numbers: list[int]) -> int | Rgb | None:
    kind = numbers.pop(0) if numbers else 0
    if kind == 5 and numbers:
        return min(255, numbers.pop(0))
    if kind == 2 and len(numbers) >= 3:
        red, green, blue = (min(255, numbers.pop(0)) for _ in range(3))
        return red, green, blue
    return None


@lru_cache(maxsize=256)
def _of_256(number: int) -> Rgb:
    color = Color.from_ansi(number).get_truecolor()
    return color.red, color.green, color.blue


@lru_cache(maxsize=1024)
def _style(fore: Rgb | None, back: Rgb | None, flags: frozenset[str]) -> Style:
    return Style(
        color=Color.from_rgb(*fore) if fore else None,
        bgcolor=Color.from_rgb(*back) if back else None,
        **dict.fromkeys(flags, True),  # type: ignore[arg-type]
    )
