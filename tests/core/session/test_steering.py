"""What a session's replies begin with: what users ask, once, in order, whoever serves the call."""

from __future__ import annotations

import pytest

from jlab_tui.core.journal.acts import COMMENT, COMMENT_MAX
from jlab_tui.core.journal.events import HumanActed
from jlab_tui.core.session.steering import HEAD_MAX, Steering, due, head, told, took


def comment(text: str, ident: str = "h-1:a", session: str = "s") -> HumanActed:
    return HumanActed(COMMENT, session, reason=text, by="ben@h", id=ident)


def after(*acts: HumanActed) -> Steering:
    state = Steering("s")
    for act in acts:
        state = took(state, act)
    return state


def answered(state: Steering, call: str) -> tuple[Steering, str]:
    """The reply to a call, and the state after it."""
    for headed in due(state, call):
        state = told(state, headed)
    return state, head(state, call)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Lower the rate.", "Comment from the user: Lower the rate."),
        (" one\r\ntwo\rthree\n", "Comment from the user:\none\ntwo\nthree"),
        ("\x1b[31mred\x1b]0;title\x07\x00 \u202eend", "Comment from the user: red end"),
        ("x" * (1 << 20), "Comment from the user: " + "x" * COMMENT_MAX),
        (" \n\t", ""),
        ("\x1b[31m\x07", ""),
    ],
)
def test_a_comment_begins_the_next_reply_as_text_of_a_bounded_length(text: str, said: str) -> None:
    assert answered(after(comment(text)), "call 1")[1] == said


def test_comments_are_told_once_in_their_order() -> None:
    state, first = answered(after(comment("a", "1"), comment("b", "2")), "call 1")
    assert first == "Comment from the user: a\n\nComment from the user: b"
    assert answered(state, "call 2")[1] == ""


def test_a_comment_that_arrives_twice_is_told_once() -> None:
    state, _ = answered(after(comment("a"), comment("a")), "call 1")
    assert answered(took(state, comment("a")), "call 2")[1] == ""


@pytest.mark.parametrize(
    "act",
    [comment("a", session="other"), comment("a", ""), HumanActed("interrupt", "s", id="1")],
)
def test_what_is_not_for_this_session_or_no_comment_is_not_told(act: HumanActed) -> None:
    assert answered(after(act), "call 1")[1] == ""


def test_a_call_that_is_sent_again_is_told_the_same_and_nothing_more() -> None:
    state, said = answered(after(comment("a", "1")), "call 1")
    state = took(state, comment("b", "2"))
    state, again = answered(state, "call 1")
    assert again == f"{said}\n\n(1 more from the user: with the next reply)"
    assert answered(state, "call 2")[1] == "Comment from the user: b"


def test_a_process_that_continues_the_session_tells_nothing_again() -> None:
    acts = [comment("a", "1"), comment("b", "2")]
    done = due(after(*acts[:1]), "call 1")
    successor = Steering("s")
    for headed in done:
        successor = told(successor, headed)
    for act in acts:
        successor = took(successor, act)
    assert head(successor, "call 1").startswith("Comment from the user: a")
    assert answered(successor, "call 2")[1] == "Comment from the user: b"


def test_what_has_no_room_in_a_reply_waits_for_the_next() -> None:
    long = "x" * COMMENT_MAX
    state, first = answered(after(*(comment(long, str(n)) for n in range(3))), "call 1")
    assert HEAD_MAX // 2 < len(first) < HEAD_MAX and first.endswith(
        "(2 more from the user: with the next reply)"
    )
    state, second = answered(state, "call 2")
    state, third = answered(state, "call 3")
    assert second and third.endswith("x") and not state.waiting
