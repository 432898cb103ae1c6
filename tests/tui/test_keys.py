"""The table of keys and the dashboard's actions."""

from __future__ import annotations

from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.keys import KEYS
from jlab_tui.tui.main_screen import MainScreen


def test_every_key_does_something() -> None:
    actions = {key.action.partition("(")[0] for key in KEYS}
    assert [
        name for name in actions if not any(hasattr(o, f"action_{name}") for o in (Dashboard, MainScreen))
    ] == []
