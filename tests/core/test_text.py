"""Text as a terminal shows it."""

from __future__ import annotations

from jlab_tui.core.text import render_terminal


def test_a_jump_to_the_right_is_no_wider_than_a_terminal() -> None:
    assert len(render_terminal("\x1b[9999Cx\n" * 1000)) < 600_000
    assert render_terminal("ab\x1b[3Gc\x1b[1D\x1b[2Cd") == "abc d"
