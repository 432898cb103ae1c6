"""The question about held code: shown whole, as a difference where it changes a cell."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import ClassVar, Final

from rich.segment import Segment
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..core.feed.items import FeedCell
from .ansi import one_line, plain
from .format import counted
from .highlight import code_lines
from .themes import Palette

DEAF_S: Final = 0.5
"""keys that were meant for what was on the screen before must not decide"""
_KEYS: Final = "enter runs · e edits · d declines · esc looks at the feed"


class HeldScreen(ModalScreen[str]):
    """Dismissed with what the user wants: run, edit, decline, or later; with an empty text when somebody else has decided."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer('run')", "Run", id="held.run"),
        Binding("e", "answer('edit')", "Edit", id="held.edit"),
        Binding("d", "answer('decline')", "Decline", id="held.decline"),
        Binding("escape", "answer('later')", "Later", id="held.later"),
    ]

    def __init__(self, cell: FeedCell, name: str, palette: Palette) -> None:
        super().__init__()
        self.cell = cell
        self.is_deaf = True
        self._name_shown = one_line(name)
        self._palette = palette

    def compose(self) -> ComposeResult:
        cell = self.cell
        lines = cell.source.count("\n") + 1
        with Vertical(id="dialog", classes="-calm -held") as dialog:
            dialog.border_title = Content(
                f"{self._name_shown}: {one_line(cell.tool)} waits, {counted(lines, 'line')}"
            )
            with VerticalScroll() as scroll:
                scroll.can_focus = True
                yield Static(shown(cell, self._palette))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.set_timer(DEAF_S, self._hear)

    def _hear(self) -> None:
        self.is_deaf = False
        self.query_one("#dialog").border_subtitle = Content(_KEYS)

    def action_answer(self, answer: str) -> None:
        if not self.is_deaf:
            self.dismiss(answer)


def shown(cell: FeedCell, palette: Palette) -> Text:
    """Return the code, with what it replaces."""
    if not cell.before:
        return _text([[Segment(""), *line] for line in code_lines(cell.source, palette)])
    before, after = (plain(text.expandtabs(4)).split("\n") for text in (cell.before, cell.source))
    style: dict[str, Callable[[str], Segment]] = {
        "+": lambda line: Segment(line, palette.style("success")),
        "-": lambda line: Segment(line, palette.style("error")),
        " ": lambda line: Segment(line, palette.style()),
    }
    whole = max(len(before), len(after))
    lines = list(difflib.unified_diff(before, after, n=whole, lineterm=""))[3:]
    return _text([[style[line[:1] or " "](line)] for line in lines])


def _text(lines: list[list[Segment]]) -> Text:
    text = Text(no_wrap=False)
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        for segment in line:
            text.append(segment.text, segment.style)
    return text
