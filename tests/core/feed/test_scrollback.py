"""Printed text stands as a terminal would show it, whatever the pieces it came in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.feed import scrollback
from jlab_tui.core.feed.scrollback import Scrollback


def shown(*pieces: str) -> list[str]:
    text = Scrollback()
    for piece in pieces:
        text.write(piece)
    return [text.raw(line).decode() for line in range(len(text))]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["a\nb\n"], ["a", "b"]),
        (["a", "b\n", "c"], ["ab", "c"]),
        (["a\r\nb\r\n"], ["a", "b"]),
        ([" 10%\r 50%\r100%\n"], ["100%"]),
        ([" 10%\r", " 50%\r", "100%", "\n", "done\n"], ["100%", "done"]),
        (["loading...\rok\n"], ["okading..."]),
        (["loading...\r\x1b[Kok\n"], ["ok"]),
        (["abc\b\bX\n"], ["aXc"]),
        (["a\n\nb"], ["a", "", "b"]),
        (["one\ntwo\n\x1b[2Auno\n"], ["uno", "two"]),
        (
            ["bar 1\nbar 2\n", "\x1b[A\x1b[Abar 1 done\n", "bar 2 done\n", "after\n"],
            ["bar 1 done", "bar 2 done", "after"],
        ),
        (["\x1b[999999999999999A\n"], [""]),
        (["\ud800 lone\n"], ["? lone"]),
    ],
)
def test_text_stands_as_a_terminal_shows_it(pieces: list[str], lines: list[str]) -> None:
    assert shown(*pieces) == lines


PIECES = st.text(alphabet="ab\n\r\t é漢", max_size=60)


@given(PIECES, st.lists(st.integers(0, 60), max_size=4))
def test_every_split_of_a_text_gives_the_same_lines(whole: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[a:b] for a, b in pairwise(places)]
    # A carriage return at the very end of a piece waits for what follows, as on a terminal.
    assert shown(*pieces, "\n") == shown(whole, "\n")


@given(
    st.lists(
        st.sampled_from(["a", "\n", "\r", "\b", "\x1b[A", "\x1b[B", "\x1b[K", "\x1b[2K", "漢", "\x1b[31m"]),
        max_size=60,
    )
)
def test_line_starts_always_fit_the_bytes(tokens: list[str]) -> None:
    text = Scrollback()
    for token in tokens:
        text.write(token)
        starts = list(text.starts)
        assert starts == sorted(set(starts))
        assert all(text.buffer[start - 1 : start] == b"\n" for start in starts[1:])
        assert text.buffer.count(b"\n") == len(starts) - (1 if text.is_open else 0)


def test_stdout_and_stderr_take_turns_by_lines() -> None:
    text = Scrollback()
    text.write("out\n")
    text.write("bad", stderr=True)
    text.write("out again\n")
    assert [text.is_stderr(line) for line in range(len(text))] == [False, True, False]
    assert text.text() == "out\nbad\nout again\n"


def test_a_huge_output_keeps_its_head_and_its_end_and_counts_the_rest() -> None:
    text = Scrollback(keep_bytes=10_000)
    for number in range(5000):
        text.write(f"line {number}\n")
    assert len(text.buffer) <= 12_600
    assert text.raw(0) == b"line 0"
    assert text.raw(len(text) - 1) == b"line 4999"
    assert text.dropped + len(text) == 5000
    assert text.raw(text.gap) == f"line {text.gap + text.dropped}".encode()


def test_a_line_without_end_is_cut_and_counted() -> None:
    text = Scrollback()
    for _ in range(40):
        text.write("x" * 100_000)
    assert len(text.buffer) == scrollback.LINE_MAX
    assert text.cut_bytes == 4_000_000 - scrollback.LINE_MAX


def test_a_long_line_with_a_backspace_at_every_character_costs_as_much_as_it_is_long() -> None:
    text = Scrollback()
    text.write("ab\b" * 1_000_000)  # with a copy of the line at each backspace this takes minutes
    assert text.raw(0) == b"a" * 1_000_000 + b"b"
