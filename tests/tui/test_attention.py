"""Which session comes first, what is unread, and where `.` leads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.events import Key

from jlab_tui.core.journal.events import Entry, ErrorRaised, RunFinished, RunHeld, RunStarted, RunStatus
from jlab_tui.services.dashboard.overview import SessionRow, SessionState
from jlab_tui.tui.attention import CALM_S, CHOOSING_S, Attention, Unread, next_in_need, ordered, rank
from jlab_tui.tui.layouts import UsKeys, key_name, locale_of
from jlab_tui.tui.selection import ALL

from . import stage
from .screen import dashboard, screen_text, settled


def row(name: str, state: SessionState = SessionState.IDLE, **more: object) -> SessionRow:
    return SessionRow(name, name, state, f"k-{name}", **more)  # type: ignore[arg-type]


HELD = row("held", SessionState.HELD, needs="code waits for you")
STUCK = row("stuck", SessionState.BUSY, needs="waits for input")
FAILED = row("failed", SessionState.FAILED)
DEAD = row("dead", SessionState.DEAD)
LEFT = row("left", SessionState.DEAD, is_orphan=True)
BUSY = row("busy", SessionState.BUSY)
IDLE = row("idle")
TAB = row("tab", SessionState.BUSY, is_foreign=True)
CLOSED = row("closed", SessionState.CLOSED)
PAST = row("past", SessionState.CLOSED, is_past=True)


def names(rows: tuple[SessionRow, ...]) -> list[str]:
    return [row.name for row in rows]


def test_who_needs_the_user_comes_first_then_failures_and_what_runs() -> None:
    rows = (IDLE, CLOSED, BUSY, LEFT, TAB, FAILED, STUCK, DEAD, HELD, PAST)
    first = ["stuck", "held", "failed", "dead", "busy", "idle", "tab", "closed", "left", "past"]
    assert names(ordered(rows, (), 100.0, is_choosing=False)) == first


def test_a_session_between_two_cells_keeps_its_place_for_a_moment() -> None:
    between = replace(IDLE, ended=3, last_seen=100.0)
    assert rank(between, 100.0 + CALM_S - 1) == rank(BUSY, 0.0)
    assert rank(between, 100.0 + CALM_S) == rank(IDLE, 0.0) > rank(BUSY, 0.0)


def test_the_list_does_not_move_under_a_user_who_chooses() -> None:
    attention = Attention()

    def seen(now: float, *rows: SessionRow) -> list[str]:
        return names(attention.arrange(rows, None, now, is_loaded=True)[0])

    assert seen(1.0, IDLE, BUSY) == ["busy", "idle"]
    attention.chooses(2.0)
    assert seen(3.0, FAILED, IDLE, BUSY) == ["busy", "idle", "failed"]
    assert seen(2.0 + CHOOSING_S, FAILED, IDLE, BUSY) == ["failed", "busy", "idle"]


def test_what_ended_since_a_session_was_looked_at_is_unread() -> None:
    unread = Unread()

    def look(shown: str | None, ended: int, *, is_loaded: bool = True) -> dict[str, int]:
        return unread.look((replace(IDLE, ended=ended), BUSY), shown, is_loaded=is_loaded)

    assert look(None, 1, is_loaded=False) == {} and look(None, 4, is_loaded=False) == {}
    assert look("busy", 4) == {} and look("busy", 6) == {"idle": 2}
    assert look("idle", 6) == {} and look("busy", 6) == {}
    assert look("busy", 7) == {"idle": 1} and look(ALL, 7) == {} and look("busy", 7) == {}


def test_the_next_session_that_needs_the_user_is_the_one_below_and_then_the_first() -> None:
    rows = (HELD, STUCK, FAILED, BUSY)
    assert next_in_need(rows, {}, "busy") == "held"
    assert next_in_need(rows, {}, "held") == "stuck"
    assert next_in_need(rows, {}, "stuck") == "held"
    assert next_in_need(rows, {"failed": 1}, "stuck") == "failed"
    assert next_in_need((HELD, FAILED, BUSY), {"busy": 2}, "held") is None
    assert next_in_need(rows, {}, ALL) == "held"


@pytest.mark.parametrize(
    ("locale", "typed", "meant"),
    [
        ("", "юшШщ", ".iIo"),
        ("C.UTF-8", "ђџљЊѓќѕ", "]xqW]'z"),
        ("sr_RS.UTF-8", "иИхзџјЉ.", "iIhyxjQ."),
        ("mk_MK.UTF-8", "ихзѕџќѓ", "ihzyx']"),
        ("el_GR.UTF-8", "ιΙςσΣφ", "iIwsSf"),
        ("ka_GE.UTF-8", "იჰხქღთშჟძჩჭ", "ihxqRTSJZCW"),
        ("ko_KR.UTF-8", "ㅑㅗㅃㅆㅒㅖ", "ihQTOP"),
    ],
)
def test_a_letter_of_another_layout_is_the_us_key_in_its_place(locale: str, typed: str, meant: str) -> None:
    keys = UsKeys(locale)
    assert "".join(map(keys.letter, typed)) == meant
    assert [keys.pressed(Key(letter, letter)).character for letter in typed] == [*meant]


def test_the_locale_of_characters_is_found_as_the_c_library_does() -> None:
    assert locale_of({"LANG": "de", "LC_CTYPE": "sr", "LC_ALL": ""}) == "sr"
    assert (locale_of({"LANG": "de"}), locale_of({})) == ("de", "")
    assert (key_name("."), key_name("i")) == ("full_stop", "i")


async def test_a_session_that_fails_unseen_is_marked_and_the_full_stop_goes_there() -> None:
    source = stage.working()
    async with dashboard(source) as (app, pilot):
        assert " . Needs you" not in screen_text(app)
        await pilot.press("2")
        source.play(
            [
                ("eda1", Entry(stage.NOW, RunStarted("e-9", "execute_code", "c9", "fit()"))),
                ("eda1", Entry(stage.NOW, ErrorRaised("e-9", "ValueError", "no data", ()))),
                ("eda1", Entry(stage.NOW, RunFinished("e-9", RunStatus.ERROR, 0.1))),
            ]
        )
        await settled(app, pilot)
        text = screen_text(app)
        assert "✗ eda                 1 new" in text and " . Needs you" in text
        await pilot.press("f", *"train", "enter", "ю")
        await settled(app, pilot)
        assert app.view.session == "eda1" and app.view.name_filter == ""
        assert "1 new" not in screen_text(app) and " . Needs you" not in screen_text(app)
        await pilot.press("full_stop")
        assert any(note.message == "No other session needs you." for note in app._notifications)


async def test_a_held_session_says_so_in_list_and_header() -> None:
    source = stage.working()
    async with dashboard(source, readonly=True) as (app, pilot):
        held = RunHeld("e-9", "execute_code", "c9", "drop()", hold="h-2:1")
        source.play([("eda1", Entry(stage.NOW, held))])
        await settled(app, pilot)
        text = screen_text(app)
        assert "code waits for you" in text and "1 needs you" in text
        await pilot.press("full_stop")
        await settled(app, pilot)
        assert app.view.session == "eda1" and app.view.listed[0].session == "eda1"
