"""Screens that ask for several lines of text."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import TextArea

_HELP = "enter sends · ctrl+j new line · esc closes"


class TextLines(TextArea):
    """Takes several lines; enter sends them."""

    class Sent(Message):
        """The user has written it all."""

    class TooLong(Message):
        """The user pasted more than there is room for."""

        def __init__(self, size: int) -> None:
            super().__init__()
            self.size = size

    def __init__(self, text: str, most: int) -> None:
        super().__init__(text, tab_behavior="focus", show_line_numbers=False, compact=True)
        self._most = most
        self.move_cursor(self.document.end)

    async def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent())
        elif event.key in ("ctrl+j", "shift+enter", "alt+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")

    async def on_paste(self, event: events.Paste) -> None:
        if len(event.text) > self._most:
            event.stop()
            event.prevent_default()
            self.post_message(self.TooLong(len(event.text)))


class TextScreen(ModalScreen[tuple[str, bool]]):
    """Asks for lines of text. Dismissed with the text, and whether to send it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "Close", id="text.close")]

    def __init__(self, title: str, text: str, most: int, *, may_be_empty: bool = False) -> None:
        """`most`: characters that may be sent."""
        super().__init__()
        self._title = title
        self._text = text
        self._most = most
        self._may_be_empty = may_be_empty

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-calm -text") as dialog:
            dialog.border_title = Content(self._title)
            dialog.border_subtitle = Content(_HELP)
            yield TextLines(self._text, self._most)

    def on_mount(self) -> None:
        self.query_one(TextLines).focus()

    def on_text_lines_sent(self) -> None:
        text = self.query_one(TextLines).text
        if len(text) > self._most:
            self._refuse(len(text))
        elif text.strip() or self._may_be_empty:
            self.dismiss((text, True))
        else:
            self.action_give_up()

    def on_text_lines_too_long(self, message: TextLines.TooLong) -> None:
        self._refuse(message.size)

    def _refuse(self, size: int) -> None:
        self.query_one("#dialog").border_subtitle = Content(
            f"{size:,} characters are too many: at most {self._most:,}"
        )

    def action_give_up(self) -> None:
        self.dismiss((self.query_one(TextLines).text, False))
