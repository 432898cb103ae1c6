"""The table of keys and the dashboard's actions."""

from __future__ import annotations

from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.keys import KEYS
from jlab_tui.tui.main_screen import MainScreen


def test_every_key_does_something() -> None:
    for key in KEYS:
        name = key.action.partition("(")[0]
        owner = MainScreen if name.startswith("screen.") else Dashboard
        assert hasattr(owner, f"action_{name.removeprefix('screen.')}"), key
