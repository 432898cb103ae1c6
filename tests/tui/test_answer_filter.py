"""The terminal's answer to what it is presses no key, in whatever pieces it comes."""

from __future__ import annotations

import pytest

from jlab_tui.tui.answer_filter import AnswerFilter

ANSWER = "\x1bP>|foot(1.20.2)\x1b\\"


@pytest.mark.parametrize("around", [("", ""), ("q", "\x1b[A"), ("\x1b[1;1R", "\x1b")])
def test_the_answer_is_taken_out_and_all_else_handed_on(around: tuple[str, str]) -> None:
    before, after = around
    sent = before + ANSWER + after
    for place in range(len(sent) + 1):
        answers = AnswerFilter()
        read = answers.cleaned(sent[:place]) + answers.cleaned(sent[place:])
        if place != len(before) + 1:  # an escape alone is a key, at once
            assert (read, answers.name) == (before + after, "foot(1.20.2)")
    assert answers.cleaned(ANSWER) == ANSWER, "it answers once"


@pytest.mark.parametrize("keys", ["\x1b", "\x1b[A", "\x1bPx", "\x1bP>x", "?", "\x1bP>|" + "x" * 200])
def test_keys_are_handed_on(keys: str) -> None:
    answers = AnswerFilter()
    assert answers.cleaned(keys) == keys and answers.name is None
    assert answers.cleaned("\x1bP") == "" and answers.cleaned("q") == "\x1bPq", "alt and P"
