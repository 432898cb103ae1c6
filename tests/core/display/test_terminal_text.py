"""What a terminal would show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.terminal_text import TerminalLines, render_terminal

PIECES = st.sampled_from(
    ("a", "bc", "日", "👍", "é", " ", "\n", "\r", "\r\n", "\b", "\x1b[2K", "\x1b[K", "\x1b[A", "\x1b[2B", "\x1b[1D",
     "\x1b[3C", "\x1b[31m", "\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b[2J", "\x1b[H", "\x1b", "\x1b[", "\0", "\x07")
)  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("step 1\rstep 2\rend", "endp 2"),
        ("abcd\b\b\bXY", "aXYd"),
        ("12345\b \b\b \bZ", "123Z"),
        ("one\ntwo\nthree\n\x1b[2A\x1b[2KNEW\x1b[1B\rnew", "one\nNEW\nnewee\n"),
        ("hello world\x1b[5D\x1b[K!", "hello !"),
        ("a\nb\n\x1b[2J\x1b[Hfresh", "fresh\n\n"),
        ("foo\x1b7bar\x1b8BAZ", "fooBAZ"),
        ("top\n\x1b[s12\x1b[A\rTOP\x1b[u3", "TOP\n32"),
        ("\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b[1;31mred\x1b[0m", "link red"),
        ("日本語日本語\rXX", "XX本語日本語"),
        ("日本\rX", "X 本"),
        ("日本\b\b\bX", " X本"),
        ("👍👍👍\b\bYY", "👍👍YY"),
        ("検証検証: 10%\rtraining:  20%", "training:  20%"),
    ],
)
def test_text_is_shown_as_a_terminal_would(printed: str, shown: str) -> None:
    assert render_terminal(printed) == shown


@given(st.lists(PIECES, max_size=30), st.data())
def test_text_that_comes_in_parts_is_shown_as_in_one(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    at = data.draw(st.integers(0, len(text)))
    lines = TerminalLines()
    parts = lines.feed(text[:at]) + lines.feed(text[at:]) + lines.finish()
    whole = render_terminal(text)
    assert [line.rstrip(" ") for line in parts or [""]] == [line.rstrip(" ") for line in whole.split("\n")]


def test_a_jump_to_the_right_is_no_wider_than_a_terminal() -> None:
    assert len(render_terminal("\x1b[9999Cx\n" * 1000)) < 600_000
    assert render_terminal("ab\x1b[3Gc\x1b[1D\x1b[2Cd") == "abc d"


def test_a_long_line_is_rewritten_in_place() -> None:
    # A quarter of an hour where each piece costs as much as its line is long.
    shown = render_terminal("x" * 3_000_000 + "a\b" * 300_000)
    assert shown == "x" * 3_000_000 + "a"


def test_lines_that_come_in_parts_are_not_all_held() -> None:
    lines = TerminalLines()
    given = [line for number in range(300) for line in lines.feed(f"{number} " + "x" * 100_000 + "\n")]
    assert len(given) > 250
    assert [line.partition(" ")[0] for line in given + lines.finish()[:-1]] == [str(n) for n in range(300)]
