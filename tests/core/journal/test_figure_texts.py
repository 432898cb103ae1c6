"""The texts of a figure as a kernel sends them: bounded, and only what is one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.figure_texts import CHARS_MAX, TEXTS_MAX, FigureText, figure_texts, texts_json

TITLE = [0, 4000, 300, 2000, 400, 0, "c", "Loss", "#000000", ""]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=10),
)


def test_texts_are_written_as_they_are_read() -> None:
    texts = figure_texts([TITLE])
    assert texts == (FigureText(0, 4000, 300, 2000, 400, 0, "c", "Loss", "#000000"),)
    assert texts_json(texts) == [TITLE]


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "text", {}, [None], [[]], [TITLE[:-1]], [[*TITLE, ""]], [["0", *TITLE[1:]]], [[True, *TITLE[1:]]],
        [[0, 1e300, *TITLE[2:]]], [[0, 10**9, *TITLE[2:]]], [[*TITLE[:7], 3, "", ""]],
    ],
)  # fmt: skip
def test_what_is_no_text_is_left_out(value: Any) -> None:
    assert figure_texts(value) == ()


def test_texts_are_bounded_and_have_known_colours_and_alignments() -> None:
    long = [*TITLE[:6], "justify", "x" * 10_000, "red", "#12345"]
    (first, *others) = figure_texts([long] * (TEXTS_MAX + 5))
    assert len(others) == TEXTS_MAX - 1
    assert (first.align, first.color, first.sign) == ("c", "", "") and first.text == "x" * CHARS_MAX


@given(ANYTHING)
def test_anything_may_come(value: Any) -> None:
    assert all(isinstance(each, FigureText) for each in figure_texts(value))
