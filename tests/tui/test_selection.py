"""Which session is shown and acted on, and what the dashboard says about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.feed.items import FeedCell
from jlab_tui.core.server.record import ServerState
from jlab_tui.services.dashboard.overview import SessionRow, SessionState
from jlab_tui.tui.format import UNICODE
from jlab_tui.tui.screen_texts import (
    feed_notes,
    footer_keys,
    header_flag,
    session_now,
    stop_question,
    summary,
)
from jlab_tui.tui.selection import ALL, named_like, pick_session, session_to_follow, target_of
from jlab_tui.tui.view_state import ViewState

from . import stage

IDLE = SessionRow("a", "Alpha", SessionState.IDLE, "k-a", last_seen=3.0)
BUSY = SessionRow(
    "b", "beta", SessionState.BUSY, "k-b", run="b-1", run_since=10.0, run_label="cell [2]", last_seen=1.0
)
CLOSED = SessionRow("c", "gamma", SessionState.CLOSED, "k-c", last_seen=2.0)
FOREIGN = SessionRow("kernel:f", "tab", SessionState.BUSY, "k-f", is_foreign=True, last_seen=9.0)
ROWS = (IDLE, BUSY, CLOSED, FOREIGN)


@pytest.mark.parametrize(
    ("rows", "picked"),
    [((), None), (ROWS, "b"), ((IDLE, CLOSED), "a"), ((CLOSED,), "c"), ((FOREIGN,), "kernel:f")],
)
def test_a_busy_session_comes_first_then_an_open_one_and_foreign_kernels_last(
    rows: tuple[SessionRow, ...], picked: str | None
) -> None:
    assert pick_session(rows) == picked


def test_a_closed_session_stays_in_view_until_another_has_news() -> None:
    assert session_to_follow((replace(IDLE, last_seen=1.0), CLOSED), "c") == "c"
    assert session_to_follow((IDLE, CLOSED), "c") == "a"
    assert session_to_follow(ROWS, "a") == "a"
    assert session_to_follow(ROWS, "gone") == "b"


def test_an_idle_session_gives_way_to_a_busy_one_after_a_moment() -> None:
    shown = replace(IDLE, last_seen=10.0)
    rows = (shown, *ROWS[1:])
    busy = next(row for row in rows if row.state is SessionState.BUSY)
    assert session_to_follow(rows, shown.session, now=11.0) == shown.session
    assert session_to_follow(rows, shown.session, now=12.0) == busy.session
    assert session_to_follow((shown,), shown.session, now=99.0) == shown.session


def test_keys_act_on_live_kernels_only_and_where_all_are_shown_on_the_cells_one() -> None:
    cell = FeedCell("b", 0.0, "x")
    target = target_of(ROWS, "a", cell)
    assert target is not None and (target.session, target.kernel_id, target.run) == ("a", "k-a", "")
    target = target_of(ROWS, ALL, cell)
    assert target is not None and (target.session, target.run) == ("b", "b-1")
    foreign = target_of(ROWS, "kernel:f", None)
    assert foreign is not None and (foreign.session, foreign.kernel_id) == ("", "k-f")
    assert target_of(ROWS, ALL, None) is None
    assert target_of(ROWS, "c", None) is None


def test_the_filter_ignores_capitals() -> None:
    assert named_like(ROWS, "ALPH") == (IDLE,)
    assert named_like(ROWS, "") == ROWS


def test_the_feed_says_how_it_is_filtered_searched_and_scrolled() -> None:
    def notes(found: tuple[int, int] | None, below: int | None, *, is_empty: bool = False) -> list[str]:
        return feed_notes(errors_only=False, found=found, below=below, follow="v", is_empty=is_empty)

    assert notes(None, None) == ["following v"]
    assert notes((1, 1), 0) == ["1/1 match", "at the end, G follows"]
    assert notes((2, 1200), 1) == ["2/1,200 matches", "1 line below, G follows"]
    assert notes((1, 0), None, is_empty=True) == ["no match"]
    assert feed_notes(errors_only=True, found=None, below=3, follow="v", is_empty=False)[0] == "errors only"


def test_a_question_names_what_is_lost() -> None:
    assert stop_question(stage.READY, (IDLE, BUSY, CLOSED)) == (
        "Stop the server?",
        "Job 4812345 is cancelled. 2 kernels with all variables, 1 of them busy, end. Notebooks stay.",
    )
    assert stop_question(stage.READY, (IDLE,))[1].endswith(
        "1 kernel with all variables ends. Notebooks stay."
    )
    assert stop_question(stage.READY, (CLOSED,))[1] == (
        "Job 4812345 is cancelled. No kernel is running. Notebooks stay."
    )
    assert stop_question(stage.PENDING, ())[0] == "Cancel the job?"
    assert session_now("beta", BUSY, 52.0) == "“beta” is busy (cell [2], 42s)."
    assert session_now("Alpha", IDLE, 0.0) == "“Alpha” is idle."
    assert session_now("gone", None, 0.0) == "“gone”."


def test_the_footer_offers_what_helps_now() -> None:
    def actions(*, is_live: bool, has_rows: bool, may_act: bool = True) -> set[str]:
        server = stage.READY if is_live else stage.ENDED
        return {key.action for key in footer_keys(server, has_rows=has_rows, may_act=may_act)}

    acting, looking = {"interrupt", "comment", "hold", "own_cell", "restart", "kill"}, {"stacks", "variables"}
    assert acting | looking <= actions(is_live=True, has_rows=True)
    assert not (acting | looking | {"stop"}) & actions(is_live=False, has_rows=True)
    readonly = actions(is_live=True, has_rows=True, may_act=False)
    assert looking <= readonly and not acting & readonly
    ended = {key.action for key in footer_keys(stage.READY, has_rows=True, has_kernel=False)}
    assert not (acting | looking) & ended and {"screen.search", "detach"} <= ended
    assert actions(is_live=True, has_rows=False, may_act=False) == {"help", "detach"}
    assert actions(is_live=True, has_rows=False) == {"stop", "help", "detach"}
    assert actions(is_live=False, has_rows=False) == {"help", "detach"}


def test_the_title_counts_busy_sessions_or_names_the_servers_state() -> None:
    assert summary(stage.READY, ROWS) == "2 busy"
    assert summary(stage.READY, (IDLE,)) == ServerState.READY.value
    assert summary(None, ()) == "no server"


@pytest.mark.parametrize(
    ("view", "is_readonly", "flag"),
    [
        (ViewState(), False, ""),
        (ViewState(), True, "read-only"),
        (ViewState(holds_all=True), True, "holding all code"),
        (ViewState(slow_line=15_400), True, "read-only · slow line: 15 kB/s"),
        (ViewState(slow_line=400), False, "slow line: 1 kB/s"),
    ],
)
def test_the_header_says_what_is_unusual(view: ViewState, is_readonly: bool, flag: str) -> None:
    assert header_flag(view, is_readonly=is_readonly, glyphs=UNICODE) == flag
