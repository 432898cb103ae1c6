"""What a session's replies begin with: what users ask, once, in order, whoever serves the call."""

from __future__ import annotations

import pytest

from jlab_tui.core.journal.acts import (
    CELL,
    COMMENT,
    COMMENT_MAX,
    DECLINE,
    FREE,
    HERE,
    HOLD,
    LAPSE_S,
    OWN_CELL_MAX,
    RUN,
)
from jlab_tui.core.journal.events import HumanActed
from jlab_tui.core.session.steering import (
    HEAD_MAX,
    Declined,
    Released,
    Steering,
    Words,
    due,
    head,
    released,
    saying,
    told,
    took,
    verdict,
    without_code,
    without_lapsed,
)


def comment(text: str, ident: str = "h-1:a", session: str = "s") -> HumanActed:
    return HumanActed(COMMENT, session, reason=text, by="ben@h", id=ident)


def after(*acts: HumanActed) -> Steering:
    state = Steering("s")
    for act in acts:
        state = took(state, act, 1.0)
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
    assert answered(took(state, comment("a"), 1.0), "call 2")[1] == ""


@pytest.mark.parametrize(
    "act",
    [comment("a", session="other"), comment("a", ""), HumanActed("interrupt", "s", id="1")],
)
def test_what_is_not_for_this_session_or_no_comment_is_not_told(act: HumanActed) -> None:
    assert answered(after(act), "call 1")[1] == ""


def test_a_call_that_is_sent_again_is_told_the_same_and_nothing_more() -> None:
    state, said = answered(after(comment("a", "1")), "call 1")
    state = took(state, comment("b", "2"), 1.0)
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
        successor = took(successor, act, 1.0)
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


def act(action: str, ident: str = "h-1:x", session: str = "s", run: str = "", reason: str = "") -> HumanActed:
    return HumanActed(action, session, run, reason, "ben@h", id=ident)


ONCE, ALL = act(HOLD, "h-1:once"), act(HOLD, "h-1:all", session="")


@pytest.mark.parametrize(
    ("acts", "hold"),
    [
        ((), ""),
        ((ONCE,), "h-1:once"),
        ((ALL,), "h-1:all"),
        ((ALL, ONCE), "h-1:once"),
        ((ALL, act(FREE, "f", "", reason="h-1:all")), ""),
        ((act(FREE, "f", "", reason="h-1:all"), ALL), ""),
        ((ONCE, act(HOLD, "h-1:other", "another")), "h-1:once"),
        ((act(HERE, "h-1:all", ""),), ""),
    ],
)
def test_what_holds_the_next_code(acts: tuple[HumanActed, ...], hold: str) -> None:
    found = after(*acts).hold
    assert (found.id if found else "") == hold


@pytest.mark.parametrize(
    ("ended", "now", "is_held"),
    [
        (None, LAPSE_S, True),  # heard of at 1.0
        (None, LAPSE_S + 1, False),
        (False, LAPSE_S + 9999, True),
        (True, 1.0, False),
    ],
)
def test_a_hold_lapses_with_its_dashboard(ended: bool | None, now: float, is_held: bool) -> None:
    asked: list[str] = []

    def has_ended(dashboard: str) -> bool | None:
        asked.append(dashboard)
        return ended

    assert bool(without_lapsed(after(ALL), now, has_ended).holds) is is_held
    assert asked == ["h-1"]


@pytest.mark.parametrize(("reason", "until"), [("", 100 + LAPSE_S), ("600", 700.0), ("soon", 100 + LAPSE_S)])
def test_a_dashboard_that_is_there_keeps_its_hold(reason: str, until: float) -> None:
    state = took(after(ALL, ONCE), act(HERE, "h-1:all", "", reason=reason), 100.0)
    assert [hold.until for hold in state.holds] == [until, 1 + LAPSE_S]


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ((ONCE,), None),
        ((), Released("x")),
        ((ONCE, act(RUN, "d", run="s-1")), Released("x")),
        ((ONCE, act(RUN, "d", run="s-1", reason="x")), Released("x")),
        ((ONCE, act(RUN, "d", run="s-2")), None),
        ((ONCE, act(RUN, "d", run="s-1", session="")), None),
        ((ONCE, act(DECLINE, "d", run="s-1"), act(RUN, "e", run="s-1")), Declined("The user declined it.")),
        ((ONCE, act(DECLINE, "d", run="s-1", reason="no\x07")), Declined('The user declined it: "no"')),
    ],
)
def test_who_decides_first_about_held_code_wins(
    acts: tuple[HumanActed, ...], found: Released | Declined | None
) -> None:
    assert verdict(after(*acts), "s-1", "h-1:once", "x") == found


def test_the_model_reads_how_the_user_changed_its_code_in_bounds() -> None:
    changed = released("a\nb\nc", "a\nB\nc")
    assert changed.source == "a\nB\nc" and changed.note.endswith("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c")
    assert len(released("x", "y\n" * 9999).note) < 4200


def test_a_users_own_code_is_queued_once_until_it_runs() -> None:
    first, second = act(CELL, "1", reason="a = 1"), act(CELL, "2", reason="x" * (OWN_CELL_MAX + 1))
    state = after(first, first, act(CELL, "3", reason=" \n"), act(CELL, "4", session="", reason="x"), second)
    assert [(code.id, len(code.text), code.by) for code in state.codes] == [
        ("1", 5, "ben@h"),
        ("2", OWN_CELL_MAX, "ben@h"),
    ]
    state = without_code(state, "1")
    assert [code.id for code in state.codes] == ["2"] and took(
        without_code(state, "2"), second, 1.0
    ).codes == ()


def test_what_a_user_ran_is_told_once() -> None:
    state = saying(Steering("s"), Words("s-1", "The user ran x."))
    state, said = answered(state, "call 1")
    assert said == "The user ran x." and saying(state, Words("s-1", "The user ran x.")) is state
