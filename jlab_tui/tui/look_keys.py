"""Keys that look into a kernel: each opens a screen over the main one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.screen import Screen

from ..services.dashboard.actions import Target
from ..services.dashboard.looks import Looks
from ..services.dashboard.overview import SessionRow
from .format import Glyphs
from .stacks_screen import StacksScreen
from .variables_screen import VariablesScreen


class LookKeys:
    def __init__(self, looks: Looks, push: Callable[[Screen[None]], object]) -> None:
        self._looks = looks
        self._push = push
        self._variables: VariablesScreen | None = None

    def variables(self, target: Target, row: SessionRow | None, glyphs: Glyphs) -> None:
        screen = VariablesScreen(target.name, target.kernel_id, lambda: self._looks.variables(target), glyphs)
        screen.note(row)
        self._variables = screen
        self._push(screen)

    def stacks(self, target: Target, glyphs: Glyphs) -> None:
        self._push(StacksScreen(target.name, lambda: self._looks.stacks(target), glyphs))

    def rows_changed(self, rows: Iterable[SessionRow]) -> None:
        """Tell the open screen how its session is."""
        screen = self._variables
        if screen is not None and screen.is_running:
            screen.note(next((row for row in rows if row.kernel_id == screen.kernel_id), None))
