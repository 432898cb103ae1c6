"""The footer has the keys that help now, and the palette begins with those that the user calls."""

from __future__ import annotations

from jlab_tui.core.feed.items import FeedCell, ImageOutput
from jlab_tui.core.journal.events import Entry, SessionClosed
from jlab_tui.services.dashboard.overview import PastSessions, SessionRow, SessionState
from jlab_tui.tui.key_context import by_use, helpful, is_possible
from jlab_tui.tui.keys import KEYS
from jlab_tui.tui.view_state import ViewState

from . import stage
from .screen import dashboard, screen_text, settled


def test_keys_help_where_there_is_something_for_them() -> None:
    assert helpful(ViewState(), None, folds=False) == set()
    rows = (SessionRow("a", "a", SessionState.FAILED), SessionRow("b", "b", SessionState.IDLE))
    view = ViewState(sessions=rows, session="b", unread={"a": 1}, past=PastSessions(3))
    cell = FeedCell("b", 1.0, "y", before="x")
    cell.outputs.append(ImageOutput("image/png", "AAAA"))
    assert helpful(view, cell, folds=True) == {
        "screen.expand",
        "screen.needy",
        "screen.view",
        "screen.difference",
        "screen.errors",
        "screen.all",
        "screen.history",
        "copy_code",
    }


def test_what_is_used_most_comes_first_in_the_palette_and_then_what_is_in_the_footer() -> None:
    order = [key.action for key in by_use(KEYS, {"write": 2, "save": 5}, {"detach"})]
    assert order[:3] == ["save", "write", "detach"] and order[3] == KEYS[0].action


async def test_a_wide_footer_names_the_keys_of_the_cell_and_the_palette_what_was_used() -> None:
    async with dashboard(stage.working(), (200, 50)) as (app, pilot):
        assert "v View" not in screen_text(app)
        await pilot.press("3")
        await settled(app, pilot)
        assert "v View" in screen_text(app) and "a All sessions" in screen_text(app).replace("a 0", "a")
        await pilot.press("t", "t", "ctrl+p")
        await settled(app, pilot)
        assert next(iter(app.get_system_commands(app.main))).title == "Theme (t)"


def test_keys_are_possible_where_they_have_something_to_act_on() -> None:
    def possible(
        *, is_live: bool = True, has_kernel: bool = True, may_act: bool = True, replays: bool = False
    ) -> set[str]:
        found = (
            key
            for key in KEYS
            if is_possible(key, is_live=is_live, has_kernel=has_kernel, may_act=may_act, replays=replays)
        )
        return {key.action for key in found}

    everything = {key.action for key in KEYS}
    looking = {"stacks", "variables"}
    acting = {key.action for key in KEYS if key.acts}
    replaying = {"play", "seek(-1)", "seek(1)", "speed(-1)", "speed(1)"}
    assert possible() == everything - replaying
    assert possible(may_act=False) == everything - replaying - acting
    assert possible(has_kernel=False) == everything - replaying - looking - acting | {"stop", "hold_all"}
    assert possible(is_live=False) == everything - replaying - looking - acting | {"hold_all"}
    assert possible(replays=True) == everything - looking - acting


async def test_on_a_closed_session_footer_and_palette_name_no_key_that_needs_a_kernel() -> None:
    source = stage.working()
    async with dashboard(source, (160, 40)) as (app, pilot):
        source.play([("etl1", Entry(stage.NOW, SessionClosed("shutdown")))])
        for session, is_offered in (("etl1", False), ("eda1", True)):
            app.main.choose(session)
            await settled(app, pilot)
            titles = {command.title for command in app.get_system_commands(app.main)}
            assert ({"Interrupt (i)", "Variables (V)"} <= titles) is is_offered and "Help (?)" in titles
            footer = screen_text(app).splitlines()[-1]
            assert (" i Interrupt" in footer) is is_offered
