"""One line of input: text to search, sessions to show, the reason of an interrupt."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static


class PromptAnswered(Message):
    """The user entered text, or cancelled."""

    def __init__(self, kind: str, text: str, *, is_given_up: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.text = text
        self.is_given_up = is_given_up


class Prompt(Horizontal):
    """Hidden and empty until it asks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Close", show=False, id="prompt.close")
    ]
    kind = ""

    async def ask(self, kind: str, label: str, text: str = "") -> None:
        self.kind = kind
        if not self.children:
            await self.mount(Static(), Input(select_on_focus=True))
        self.query_one(Static).update(Content(label))
        entry = self.query_one(Input)
        entry.value = text
        self.add_class("-open")
        entry.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(event.value)

    def action_give_up(self) -> None:
        self._close(self.query_one(Input).value if self.kind == "filter" else "", is_given_up=True)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self.remove_class("-open")

    def _close(self, text: str, *, is_given_up: bool = False) -> None:
        self.remove_class("-open")
        self.post_message(PromptAnswered(self.kind, text, is_given_up=is_given_up))
