"""The last line: as many keys as have room, each whole, and the command palette. A click on a key acts like the key."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from ..keys import Key
from ..wrapping import Row
from .strips import StripWidget


class KeyClicked(Message):
    """The user clicked a key of the footer."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action


class KeyLine(StripWidget):
    """Keys with their labels."""

    keys: tuple[Key, ...] = ()
    _spans: tuple[tuple[int, int, str], ...] = ()

    def show(self, keys: Sequence[Key]) -> None:
        if tuple(keys) != self.keys:
            self.keys = tuple(keys)
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        key_style, text = self.palette.style("accent", bold=True), self.palette.style()
        palette_label = " palette " if width >= 64 else " "
        right = len(palette_label) + 2
        parts: Row = []
        spans = []
        used = 0
        for key in fitting(self.keys, width - right):
            parts += [Segment(f" {key.shown}", key_style), Segment(f" {key.label} ", text)]
            spans.append((used, used + _size(key), key.action))
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


def fitting(keys: Sequence[Key], width: int) -> list[Key]:
    """Return the keys that have room, those first that are worth most."""
    kept: set[Key] = set()
    for key in sorted(keys, key=lambda key: key.footer):
        if _size(key) <= width:
            kept.add(key)
            width -= _size(key)
    return [key for key in keys if key in kept]


def _size(key: Key) -> int:
    return len(key.shown) + len(key.label) + 3
