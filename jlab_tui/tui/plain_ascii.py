"""Converts every line with `--ascii`: all borders, bars, quotes and signs become ASCII. Letters stay."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_SIGNS = {
    "─━┄┅┈┉═╌╍╴╶╸╺╼╾–—‐‑‒": "-",
    "│┃┆┇┊┋║╎╏╵╷╹╻▌▐▏▎▍▊▋▉▕": "|",
    "┌┐└┘├┤┬┴┼╭╮╰╯╒╓╔╕╖╗╘╙╚╛╜╝╞╟╠╡╢╣╤╥╦╧╨╩╪╫╬┏┓┗┛┣┫┳┻╋╱╲": "+",
    "▀▔": '"',
    "▁▂▃▄▅": "_",
    "█▆▇▓": "#",
    "░▒": ":",
    "“”„": '"',
    "‘’‚": "'",
    "…·•●◆": "*",
    "×✗✘✖": "x",
    "▶›»": ">",
    "◀‹«": "<",
    "▼✓✔": "v",
    "▲△": "^",
    "○◌◐◯°": "o",
    "\u2800\u00a0": " ",
}
_TABLE = {ord(sign): plain for signs, plain in _SIGNS.items() for sign in signs}
_TABLE[ord("…")] = "."
_TABLE[ord("·")] = "-"


class AsciiFilter(LineFilter):
    """Replaces drawing characters and typographic signs by ASCII of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(segment.text.translate(_TABLE), segment.style)
            for segment in segments
        ]
