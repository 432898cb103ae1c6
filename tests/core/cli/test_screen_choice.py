"""Which screen a terminal gets."""

from __future__ import annotations

import pytest

from jlab_tui.core.cli.screen_choice import choose_screen


@pytest.mark.parametrize(
    ("lines", "ascii_too", "terminal", "term", "encoding", "screen", "in_ascii", "word"),
    [
        (False, False, True, "xterm-256color", "utf-8", True, False, ""),
        (False, False, True, "xterm", "UTF8", True, False, ""),
        (False, True, True, "xterm", "utf-8", True, True, ""),
        (False, True, True, "xterm", "iso-8859-1", True, True, ""),
        (False, False, True, "xterm", "iso-8859-1", True, True, "LC_ALL=C.UTF-8"),
        (False, False, True, "xterm", "no such", True, True, "LC_ALL=C.UTF-8"),
        (False, False, True, "dumb", "utf-8", False, False, "TERM=dumb"),
        (True, False, True, "dumb", "utf-8", False, False, ""),
        (False, False, False, "dumb", "utf-8", False, False, ""),
    ],
)
def test_a_terminal_gets_the_screen_that_it_can_show(
    lines: bool,
    ascii_too: bool,
    terminal: bool,
    term: str,
    encoding: str,
    screen: bool,
    in_ascii: bool,
    word: str,
) -> None:
    choice = choose_screen(
        wants_lines=lines, wants_ascii=ascii_too, is_terminal=terminal, term=term, encoding=encoding
    )
    assert (choice.has_screen, choice.ascii) == (screen, in_ascii)
    assert word in choice.why
    assert bool(word) == bool(choice.why)
