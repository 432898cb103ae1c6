"""Which screen a terminal can have: the dashboard, the dashboard in ASCII, or lines."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScreenChoice:
    has_screen: bool
    """False: print lines"""
    ascii: bool = False
    why: str = ""
    """a sentence, if the user asked for something else"""


def choose_screen(
    *, wants_lines: bool, wants_ascii: bool, is_terminal: bool, term: str, encoding: str
) -> ScreenChoice:
    """Choose by what the user wants, and by the terminal's TERM and its output's encoding."""
    if wants_lines or not is_terminal:
        return ScreenChoice(has_screen=False)
    if term == "dumb":
        return ScreenChoice(
            has_screen=False,
            why="This terminal cannot place text (TERM=dumb), so what happens is printed as lines.",
        )
    if not wants_ascii and not _is_utf_8(encoding):
        return ScreenChoice(
            has_screen=True,
            ascii=True,
            why=f"The locale writes {encoding}, not UTF-8, so the dashboard drew with ASCII characters. "
            "Set LC_ALL=C.UTF-8 for its own.",
        )
    return ScreenChoice(has_screen=True, ascii=wants_ascii)


def _is_utf_8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False
