"""Printed text looks like in a terminal, however it was split."""

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
    text.write("ab\b" * 500_000)  # with a copy of the line at each backspace this takes minutes
    assert text.raw(0) == b"a" * 500_000 + b"b"


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["", "a"], ["a"]),
        (["abc\x1b[1Gx\n"], ["xbc"]),
        (["abc\x1b[0Gx\n"], ["xbc"]),
        (["one\ntwo\n\x1b[A\x1b[2K!\n"], ["one", "!"]),
        (["one\ntwo\n\x1b[2A\x1b[Bx\n"], ["one", "xwo"]),
        (["one\ntwo\n\x1b[2A\x1b[9Bx\n"], ["one", "two", "x"]),
        (["abcdef\b\b\b\x1b[K\n"], ["abc"]),
        (["ab\b\b\b\bX\n"], ["Xb"]),
        (["ab\r\x1b[31mX\x1b[0m\n"], ["\x1b[31mX\x1b[0m"]),
        (["\x1b[31mred\x1b[0m\rX\n"], ["X"]),
        (["one\n\x1b[A\n\nx"], ["one", "", "x"]),
        (["\x1b[K\x1b[2K"], []),
        (["ab\bX\x1b[KZ\n"], ["aXZ"]),
        (["\x1b[2Ax\n"], ["x"]),
        (["abc\r", "\x1b[31mabcdef", "ghi"], ["\x1b[31mabcdefghi"]),
        (["abc\r", "X", "Y"], ["XYc"]),
        (["one\ntwo\n\x1b[2Axy\x1b[2Bz"], ["xye", "two", "  z"]),
        (["ab\x1b[9AX"], ["abX"]),
        (["abc\r\x1b[31mX\rY\n"], ["Y"]),
        (["one\n\x1b[Ax\x1b[2Ky\n"], [" y"]),
        (["\x1b[99999999B\x1b[0KX\n"], ["X"]),
        (["one\ntwo\n\x1b[2A\x1b[Kabcdef\nX\n"], ["abcdef", "Xwo"]),
    ],
)
def test_a_cursor_moves_as_on_a_terminal(pieces: list[str], lines: list[str]) -> None:
    assert shown(*pieces) == lines


def test_the_lengths_of_lines_are_those_of_their_bytes() -> None:
    text = Scrollback()
    text.write("a\né漢\n\nopen")
    lengths = [text.length(line) for line in range(len(text))]
    assert lengths == [2, 6, 1, 4] and sum(lengths) == len(text.buffer)
    for first in range(5):
        for last in range(first, 5):
            assert text.lengths(first, last) == lengths[first:last]


@pytest.mark.parametrize(
    ("written", "has_tabs", "is_plain"),
    [("ab", False, True), ("a\tb", True, True), ("é", False, False), ("\x1b[1m", False, False), ("a\0", False, False)],
)  # fmt: skip
def test_text_whose_bytes_are_columns_is_known(written: str, has_tabs: bool, is_plain: bool) -> None:
    text = Scrollback()
    text.write(written)
    assert (text.has_tabs, text.is_plain) == (has_tabs, is_plain)
    text.write("\rmore")
    assert (text.has_tabs, text.is_plain) == (has_tabs, is_plain), "it stays so"


@pytest.mark.parametrize(
    ("writes", "lines"),
    [
        ([("out", False), ("bad", True), ("out", False)], [("out", False), ("bad", True), ("out", False)]),
        ([("bad\n", True), ("out\n", False)], [("bad", True), ("out", False)]),
        ([("bar", False), ("\r", False), ("bad\n", True)], [("bar", False), ("bad", True)]),
        ([("a\n", False), ("", True), ("b\n", False)], [("a", False), ("b", False)]),
        ([("a\n", False), ("\x1b[K", True), ("b\n", False)], [("a", False), ("b", False)]),
    ],
)
def test_each_line_is_of_one_stream(writes: list[tuple[str, bool]], lines: list[tuple[str, bool]]) -> None:
    text = Scrollback()
    for written, stderr in writes:
        text.write(written, stderr=stderr)
    assert [(text.raw(line).decode(), text.is_stderr(line)) for line in range(len(text))] == lines


def test_streams_are_distinguished_after_the_middle_was_dropped() -> None:
    text = Scrollback(keep_bytes=10_000)
    for number in range(3000):
        text.write(f"out {number}\n")
        text.write(f"err {number}\n", stderr=True)
    assert text.dropped > 4000
    assert all(
        text.is_stderr(line) == text.raw(line).startswith(b"err") for line in range(text.gap + 1, len(text))
    )


def test_text_is_dropped_at_once_when_less_is_to_be_kept() -> None:
    text = Scrollback()
    for number in range(2000):
        text.write(f"line {number}\n")
    whole = len(text.buffer)
    text.keep(whole)
    assert text.dropped == 0
    text.keep(whole // 2)
    assert text.dropped and len(text.buffer) <= whole // 2
    text.keep(10)
    assert text.raw(0) == b"line 0" and text.raw(len(text) - 1) == b"line 1999"


def test_one_line_that_fills_the_memory_is_kept() -> None:
    text = Scrollback(keep_bytes=100)
    text.write("x" * 1000)
    assert (len(text), text.dropped, len(text.buffer)) == (1, 0, 1000)


def test_a_quarter_more_than_is_kept_may_stand_before_the_middle_goes() -> None:
    text = Scrollback(keep_bytes=400)
    text.write("x\n" * 250)
    assert (len(text), text.dropped) == (250, 0)
    text.write("x\n")
    assert text.dropped > 0 and len(text) + text.dropped == 251
    whole = Scrollback()
    whole.write("x\n" * 250)
    whole.keep(400)
    assert whole.dropped == 0
    whole.keep(398)
    assert whole.dropped > 0


def test_of_few_lines_a_quarter_stays_at_the_beginning_and_of_many_sixty_four() -> None:
    for lines, first in ((100, 25), (1000, 64)):
        text = Scrollback()
        text.write("".join(f"line {number}\n" for number in range(lines)))
        text.keep(len(text.buffer) // 2)
        assert (text.gap, text.raw(first - 1)) == (first, f"line {first - 1}".encode())
        assert text.raw(first) == f"line {first + text.dropped}".encode()


def test_a_long_line_behind_others_is_cut_to_the_same_length() -> None:
    text = Scrollback()
    text.write("x" * 600_000 + "\n")
    text.write("y" * 600_000)
    assert text.cut_bytes == 0 and text.length(1) == 600_000
    text.write("y" * 600_000)
    assert (text.cut_bytes, text.length(1)) == (1_200_000 - scrollback.LINE_MAX, scrollback.LINE_MAX)


def test_a_long_line_that_is_written_over_is_cut_and_counted() -> None:
    text = Scrollback()
    text.write("bar\r" + "y" * (scrollback.LINE_MAX + 5))
    assert (text.cut_bytes, text.length(0)) == (5, scrollback.LINE_MAX)
