"""What changed in a cell's code since it ran last, over the main screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..core.feed.code_changes import changed_lines
from ..core.feed.items import FeedCell
from .held_screen import shown
from .themes import Palette


class DifferenceScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,d,enter", "close", "Close", id="diff.close")]

    def __init__(self, cell: FeedCell, palette: Palette) -> None:
        super().__init__()
        self._cell = cell
        self._palette = palette

    def compose(self) -> ComposeResult:
        added, removed = changed_lines(self._cell.before, self._cell.source)
        with Vertical(id="dialog", classes="-calm -held") as dialog:
            dialog.border_title = Content(f"Since it ran last: +{added} -{removed}")
            dialog.border_subtitle = Content("d or esc closes")
            with VerticalScroll() as scroll:
                scroll.can_focus = True
                yield Static(shown(self._cell, self._palette))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_close(self) -> None:
        self.dismiss(None)
