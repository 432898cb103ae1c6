"""What a terminal would show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.printable import printable
from jlab_tui.core.display.terminal_text import (
    ROW_CHARS,
    TerminalLines,
    count_rows,
    cut_middle,
    plain_traceback,
    render_terminal,
    rows,
)

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
        ("one\ntwo\x1b[A\x1b[EX", "one\nXwo"),
        ("one\ntwo\x1b[FX", "Xne\ntwo"),
        ("one\ntwo\x1b[2FX", "Xne\ntwo"),
        ("one\ntwo\x1b[9A!\x1b[9B?", "one!\ntwo ?"),
        ("one\ntwo\x1b[123456AX", "oneX\ntwo"),
        ("one\ntwo\nsix\x1b[123456AX", "oneX\ntwo\nsix"),
        ("one\ntwo\nsix\x1b[" + "9" * 5000 + "AX", "oneX\ntwo\nsix"),
        ("a  \nb", "a  \nb"),
        ("abc\x1b[2GX", "aXc"),
        ("abc\x1b[GX", "Xbc"),
        ("ab\x1b[2CX", "ab  X"),
        ("ab\x1b[9DX", "Xb"),
        ("ab\b\b\bX", "Xb"),
        ("hello\x1b[2D\x1b[1K", "   lo"),
        ("hello\x1b[2D\x1b[2KX", "   X"),
        ("abc\ndef\nghi\x1b[2A\x1b[D\x1b[J", "ab"),
        ("abc\x1b[2D\x1b[1J", "abc"),
        ("abc\n\x1b[3Jd", "\nd"),
        ("abc\ndef\x1b[1;1HX", "Xbc\ndef"),
        ("abc\ndef\x1b[fX", "Xbc\ndef"),
        ("abc\ndef\x1b[2;2HX", "abc\ndefX"),
        ("a\nb\x1b7\x1b[A\x1b[J\x1b8X", "aX"),
        ("a\n\x1b7b\x1b8\x1b8X", "a\nX"),
        ("\x1b[5mX\x1b[Z", "X"),
        ("ab\ncd\x1b8X", "Xb\ncd"),
        ("⌀⌀\rX", "X⌀"),
        ("a\nb\x1b[A\nX", "a\nX"),
        ("a\0b\x07", "ab"),
        ("日本語\x1b[3D\x1b[K", "日"),
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


@pytest.mark.parametrize(
    "moved", ["\x1b[B!", "\x1b[2J!", "\x1b[2K!", "\x1b[2K\x1b[1K!", "\x1b[s\x1b[B\x1b[u\x1b[B!"]
)
def test_a_column_that_another_line_had_is_no_further_than_a_terminal(moved: str) -> None:
    lines = render_terminal("\n\x1b[A" + "x" * 9000 + moved).split("\n")
    (shown,) = [line for line in lines if "!" in line]
    assert shown.lstrip(" ") == "!" and len(shown) <= 501


def test_to_erase_leaves_what_has_scrolled_off() -> None:
    assert render_terminal("a\n" * 700 + "b\x1b[2Jc").count("a") == 201
    assert render_terminal("x" * 1200 + "\x1b[1Ky") == "x" * 700 + " " * 500 + "y"
    assert render_terminal("x" * 40 + "\x1b[1K!") == " " * 40 + "!"


def test_a_long_line_is_rewritten_in_place() -> None:
    # Minutes where each piece costs as much as its line is long.
    shown = render_terminal("x" * 3_000_000 + "a\b" * 100_000)
    assert shown == "x" * 3_000_000 + "a"


def test_lines_that_come_in_parts_are_not_all_held() -> None:
    lines = TerminalLines()
    given = [line for number in range(300) for line in lines.feed(f"{number} " + "x" * 100_000 + "\n")]
    assert len(given) > 250
    assert [line.partition(" ")[0] for line in given + lines.finish()[:-1]] == [str(n) for n in range(300)]


@pytest.mark.parametrize("move", ["", "\x1b[31m", "\x1b[2A\x1b[2B"])
def test_many_lines_that_come_in_parts_are_those_of_the_whole(move: str) -> None:
    pieces = [f"line {number}\n{move}" for number in range(3000)]
    lines = TerminalLines()
    given = [line for piece in pieces for line in lines.feed(piece)]
    assert 1900 < len(given) < 2600, "the last ones can still be changed"
    assert given + lines.finish() == render_terminal("".join(pieces)).split("\n")


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([], []),
        (["one\ntwo\x1b[A", "X"], ["oneX", "two"]),
        (["one\b", "X"], ["onX"]),
        (["ab  \rc", "\n"], ["cb", ""]),
    ],
)
def test_text_continues_where_the_cursor_was_left(pieces: list[str], shown: list[str]) -> None:
    lines = TerminalLines()
    assert [line for piece in pieces for line in lines.feed(piece)] + lines.finish() == shown


def test_blanks_at_the_end_of_a_line_stay_where_nothing_moved() -> None:
    lines = TerminalLines()
    assert lines.feed("a  \nb") + lines.finish() == ["a  ", "b"]


def test_a_line_beyond_all_bounds_is_read_as_several() -> None:
    lines = TerminalLines()
    given = lines.feed("x" * 1_000_000) + lines.feed("y" * 1_500_000 + "\nz") + lines.finish()
    assert given == ["x" * 1_000_000, "y" * 1_000_000, "y" * 500_000, "z"]
    lines = TerminalLines()
    assert lines.feed("x" * 1_000_000) + lines.finish() == ["x" * 1_000_000]


def test_a_thousand_lines_are_held_and_then_the_older_half_is_given() -> None:
    lines = TerminalLines()
    assert lines.feed("\n" * 999) == []
    assert lines.feed("\n") == [""] * 501
    assert lines.feed("\n" * 500) == [] and len(lines.feed("\n")) == 501


def test_four_million_characters_are_held_and_then_the_finished_lines_are_given() -> None:
    long, rest = "x" * ((1 << 19) - 1), "x" * ((1 << 19) - 2)
    lines = TerminalLines()
    assert lines.feed(f"{long}\n" * 8) == []
    assert lines.feed("y") == [long] * 8
    assert lines.feed(f"{rest}\n" + f"{long}\n" * 7) == []
    assert len(lines.feed("yy")) == 8


TEXTS = st.lists(st.integers(0, 12), min_size=2, max_size=30).map(
    lambda sizes: "\n".join("x" * n for n in sizes)
)


@given(TEXTS, st.integers(6, 80))
def test_a_cut_keeps_both_ends_at_line_ends_and_counts_what_is_missing(text: str, budget: int) -> None:
    cut = cut_middle(text, budget)
    if len(text) <= budget:
        assert (cut.head, cut.tail, cut.cut_chars, cut.cut_lines) == (text, "", 0, 0)
        return
    middle = text[len(cut.head) : len(text) - len(cut.tail)]
    assert cut.head + middle + cut.tail == text
    assert (cut.cut_chars, len(cut.head) <= budget // 3, len(cut.head) + len(cut.tail) <= budget) == (
        len(middle),
        True,
        True,
    )
    head, tail = text[: budget // 3], text[len(text) - (budget - budget // 3) :]
    if "\n" in head[len(head) // 2 + 1 :]:
        assert cut.head.endswith("\n") and "\n" not in head[len(cut.head) :]
    else:
        assert cut.head == head
    if "\n" in tail[: len(tail) // 2]:
        assert (
            text[len(text) - len(cut.tail) - 1] == "\n" and "\n" not in tail[: len(tail) - len(cut.tail) - 1]
        )
    else:
        assert cut.tail == tail


@pytest.mark.parametrize(
    ("text", "budget", "lines"), [("a" * 30, 9, 1), ("aa\n" * 10, 9, 8), ("aaa\nb" + "c" * 30, 12, 0)]
)
def test_a_cut_tells_how_many_lines_it_took(text: str, budget: int, lines: int) -> None:
    assert cut_middle(text, budget).cut_lines == lines


@given(st.lists(st.integers(0, 3 * ROW_CHARS + 1), min_size=1, max_size=4))
def test_a_row_is_found_by_counting_those_before_it(sizes: list[int]) -> None:
    lines = ["x" * size for size in sizes]
    assert all(
        "".join(rows(line)) == line and all(len(row) <= ROW_CHARS for row in rows(line)) for line in lines
    )
    assert all(len(rows(line)) == max(1, -(-len(line) // ROW_CHARS)) for line in lines)
    before = sum(len(rows(line)) for line in lines[:-1])
    assert count_rows("\n".join(lines)) == before + sizes[-1] // ROW_CHARS


@pytest.mark.parametrize(
    ("traceback", "value", "shown"),
    [
        (("\n\x1b[31mTraceback\x1b[0m", "E: v\n"), "v", "Traceback\nE: v"),
        ((), "v", "E: v"),
        ((), "", "E"),
    ],
)
def test_an_exception_is_shown_without_colours(traceback: tuple[str, ...], value: str, shown: str) -> None:
    assert plain_traceback(traceback, "E", value) == shown


def test_newlines_and_tabs_are_no_control_characters() -> None:
    assert printable("a\tb\n\x1b[1mc\x1b]0;t\x07\x07") == "a\tb\nc"
