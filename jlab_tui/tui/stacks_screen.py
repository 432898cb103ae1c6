"""What a kernel's code does and waits for, full screen: one look, and another on request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from ..core.errors import JlabError
from .ansi import one_line, plain
from .format import Glyphs

Look = Callable[[], Awaitable[str]]


def report_content(report: str) -> Content:
    """Return a report with its first sentence and its heads marked."""
    lines = []
    for number, line in enumerate(report.splitlines()):
        style = (
            "bold $warning" if number == 0 else "$foreground" if line.startswith("  ") else "bold $primary"
        )
        lines.append(Content.styled(plain(line), "$foreground 60%" if line.startswith("(") else style))
    return Content("\n").join(lines)


class StacksScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="stacks.close"),
        Binding("S,enter,f5", "look", "Look again", id="stacks.look"),
    ]

    def __init__(self, name: str, look: Look, glyphs: Glyphs) -> None:
        super().__init__()
        self._name_shown = one_line(name)
        self._look = look
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        dot = f" {self._glyphs.separator} "
        with VerticalScroll(id="stacks", classes="full") as panel:
            panel.border_title = Content(f"Stuck?{dot}{self._name_shown}")
            panel.border_subtitle = Content(f"the run goes on{dot}S looks again{dot}esc closes")
            yield Static("Looking ...", id="table", markup=False)

    def on_mount(self) -> None:
        self.query_one("#stacks").focus()
        self.action_look()

    def action_look(self) -> None:
        self.run_worker(self._ask(), group="stacks", exclusive=True)

    async def _ask(self) -> None:
        try:
            shown = report_content(await self._look())
        except JlabError as error:
            shown = Content.styled(str(error), "$warning")
        self.query_one("#table", Static).update(shown)

    def action_close(self) -> None:
        self.dismiss(None)
