"""The last line: at most seven keys, each whole, and the command palette. A click on a key acts like the key."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from ..wrapping import Row
from .strips import StripWidget

MOST = 7
DROPPED_FIRST = ("restart", "screen.expand", "screen.search", "kill", "interrupt")
"""actions whose keys to drop first on a narrow screen; help and quit stay"""


class KeyClicked(Message):
    """The user clicked a key of the footer."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action


class KeyLine(StripWidget):
    """Keys with their labels."""

    keys: tuple[tuple[str, str, str], ...] = ()
    """key as shown, label, action"""
    _spans: tuple[tuple[int, int, str], ...] = ()

    def show(self, keys: Sequence[tuple[str, str, str]]) -> None:
        if tuple(keys) != self.keys:
            self.keys = tuple(keys)
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        key_style, text = self.palette.style("accent", bold=True), self.palette.style()
        palette_label = " palette " if width >= 64 else " "
        right = len(palette_label) + 2
        keys = list(self.keys[:MOST])
        for worth_least in DROPPED_FIRST:
            if sum(_size(key) for key in keys) + right <= width:
                break
            keys = [key for key in keys if key[2] != worth_least]
        parts: Row = []
        spans = []
        used = 0
        for key in keys:
            if used + _size(key) + right > width:
                break
            parts += [Segment(f" {key[0]}", key_style), Segment(f" {key[1]} ", text)]
            spans.append((used, used + _size(key), key[2]))
            used += _size(key)
        parts += [
            Segment(" " * max(0, width - used - right)),
            Segment("^p", key_style),
            Segment(palette_label, text),
        ]
        spans.append((width - right, width, "command_palette"))
        self._spans = tuple(spans)
        return [Strip(parts)]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for start, end, action in self._spans:
            if offset is not None and start <= offset.x < end:
                self.post_message(KeyClicked(action))


def _size(key: tuple[str, str, str]) -> int:
    return len(key[0]) + len(key[1]) + 3
