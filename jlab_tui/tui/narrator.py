"""Lets a story that is played beside the dashboard tell what happens, in one or two lines above the keys."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.content import Content
from textual.events import Key as KeyPressed
from textual.widgets import Static


class CaptionBar(Static):
    """What happens, and below it what a person may do."""


class Narrator:
    """What a story may do with the dashboard."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app

    async def say(self, text: str, keys: str = "") -> None:
        """Show a caption until the next one."""
        main = self._app.screen_stack[0]
        shown = Content.assemble(("▌ ", "$accent"), text) + Content.styled(
            f"\n  {keys}" if keys else "", "$foreground 60%"
        )
        if bars := main.query(CaptionBar):
            bars.first(CaptionBar).update(shown)
        else:
            main.add_class("-told")
            await main.mount(CaptionBar(shown), before="#keys")

    def press(self, keys: tuple[str, ...]) -> None:
        """Press keys in a person's place."""
        for key in keys:
            self._app.post_message(KeyPressed(key, key if len(key) == 1 else None))

    def leave(self) -> None:
        self._app.exit(0)
