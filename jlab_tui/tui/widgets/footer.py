"""The last line: at most seven keys, each whole, and the command palette; what a key does is one click away."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from ..layout import Row
from .strips import StripWidget

MOST = 7


class KeyClicked(Message):
    """Somebody clicked a key of the footer."""

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
        palette = [Segment("^p", key_style), Segment(" palette ", text)]
        room = width - (11 if width >= 40 else 0)
        parts: Row = []
        spans = []
        used = 0
        for key, label, action in self.keys[:MOST]:
            size = len(key) + len(label) + 3
            if used + size > room:
                break
            parts += [Segment(f" {key}", key_style), Segment(f" {label} ", text)]
            spans.append((used, used + size, action))
            used += size
        if width >= 40:
            parts += [Segment(" " * (width - used - 11)), *palette]
            spans.append((width - 11, width, "command_palette"))
        self._spans = tuple(spans)
        return [Strip(parts)]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for start, end, action in self._spans:
            if offset is not None and start <= offset.x < end:
                self.post_message(KeyClicked(action))
