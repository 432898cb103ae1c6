"""What this process's terminal can show."""

from __future__ import annotations

import os
import sys

from .core.cli.screen_choice import ScreenChoice, choose_screen


def this_screen(*, wants_lines: bool, wants_ascii: bool = False) -> ScreenChoice:
    """Choose the screen, and say why it is another one than asked for."""
    choice = choose_screen(
        wants_lines=wants_lines,
        wants_ascii=wants_ascii,
        is_terminal=sys.stdin.isatty() and sys.stderr.isatty(),
        term=os.environ.get("TERM", ""),
        encoding=sys.stderr.encoding or "",
    )
    if choice.why:
        print(f"jlab-mcp: {choice.why}", file=sys.stderr)
    return choice
