"""Layouts of the main screen to choose from: which of its parts are shown."""

from __future__ import annotations

from textual.screen import Screen

PRESETS = ("all", "list and feed", "feed only", "graphs")
"""names, in the order in which the key goes through them"""


def next_preset(preset: str) -> str:
    return PRESETS[(PRESETS.index(preset) + 1) % len(PRESETS)]


def lay_out_as(screen: Screen[None], preset: str) -> None:
    """Give the screen the class that its style sheet knows."""
    for name in PRESETS:
        screen.set_class(name == preset, f"-preset-{name.replace(' ', '-')}")
