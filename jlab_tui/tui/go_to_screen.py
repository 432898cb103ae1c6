"""A small menu: where to go from the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option


@dataclass(frozen=True, slots=True)
class WayOut:
    """One entry."""

    ident: str
    key: str
    text: str
    why_not: str = ""
    """why it is not offered"""


class GoToScreen(ModalScreen[str]):
    """Dismissed with the entry that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,O", "close", "Close", id="goto.close"),
        *(Binding(key, f"choose('{key}')", show=False, id=f"goto.{key}") for key in "jsep"),
    ]

    def __init__(self, ways: Sequence[WayOut]) -> None:
        super().__init__()
        self._ways = ways

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-calm -goto") as dialog:
            dialog.border_title = Content("Go to")
            dialog.border_subtitle = Content("enter goes · esc closes")
            yield OptionList(*(_option(way) for way in self._ways))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id or "")

    def action_choose(self, key: str) -> None:
        way = next(way for way in self._ways if way.key == key)
        if not way.why_not:
            self.dismiss(way.ident)

    def action_close(self) -> None:
        self.dismiss("")


def _option(way: WayOut) -> Option:
    note = Content.styled(f"  ({way.why_not})", "$foreground 60%") if way.why_not else Content("")
    text = Content.assemble(Content.styled(f"{way.key}  ", "bold $accent"), Content(way.text), note)
    return Option(text, id=way.ident, disabled=bool(way.why_not))
