"""The timeline: a lane a session, a cursor that leads to cells and back, zoom, and what a recording shows of it."""

from __future__ import annotations

import pytest

from jlab_tui.core.feed.lanes import TimeAxis
from jlab_tui.tui.keys import KEYS, OF_SELECTION
from jlab_tui.tui.recording import Recording
from jlab_tui.tui.timeline_rows import means
from jlab_tui.tui.timeline_screen import TimelineScreen

from . import stage
from .screen import check_snapshot, dashboard, screen_text, settled, until
from .test_recording import RUNS


async def test_the_timeline_has_a_lane_for_each_session_and_leads_to_cells_and_back() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("T")
        await settled(app, pilot)
        check_snapshot(app, "timeline-120x36")
        await pilot.press("up")
        assert "✗ failed" in screen_text(app).splitlines()[-2]
        await pilot.press("k", "k", "k", "enter")
        cell = app.main.cell
        assert app.view.session == "eda1" and cell is not None
        await pilot.press("T", "left", "enter")
        assert app.main.cell is not None and app.main.cell is not cell
        await pilot.press("T")
        assert isinstance(app.screen, TimelineScreen)
        assert app.screen.place[1] == "eda1"
        await pilot.press("q")
        assert "Timeline" not in screen_text(app)


async def test_plus_minus_and_the_wheel_zoom_and_a_click_moves_the_cursor() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("T", "plus")
        assert "Timeline · 5 min" in screen_text(app)
        await pilot.press("minus", "minus", "minus")
        assert "Timeline · 1 h" in screen_text(app)
        screen = app.screen
        assert isinstance(screen, TimelineScreen)
        screen.on_mouse_scroll_up()
        screen.on_mouse_scroll_up()
        assert "Timeline · 10 min" in screen_text(app)
        await pilot.press("home")
        rows = screen_text(app).splitlines()
        row = next(number for number, text in enumerate(rows) if "etl-2026" in text)
        await pilot.click(offset=(rows[row].index("✗", 30), row))
        assert "failed" in screen_text(app).splitlines()[-2] and screen.place[1] == "etl1"
        await pilot.press("enter")
        assert app.view.session == "etl1"


async def test_a_recording_goes_on_to_a_cell_that_it_has_not_played() -> None:
    recording = Recording("s", RUNS, speed=0)
    async with dashboard(recording, recording=recording, readonly=True, clock=recording.clock) as (
        app,
        pilot,
    ):
        recording.seek(1020.0)
        await until(pilot, lambda: "second()" not in screen_text(app))
        await pilot.press("T", "end", "enter")
        await until(pilot, lambda: "second()" in screen_text(app))
        assert recording.clock() == 1060.0
        await pilot.press("T", "home", "enter")
        cell = app.main.cell
        assert cell is not None and cell.run == "s-1" and recording.clock() == 1060.0


async def test_without_a_run_the_timeline_says_so_and_every_key_is_harmless() -> None:
    async with dashboard(stage.StillSource((), stage.READY, stage.samples(), ()), (60, 12)) as (app, pilot):
        await pilot.press("T", "left", "up", "plus", "minus", "end")
        assert "No run" in screen_text(app)
        await pilot.press("enter")
        assert app.screen is app.main


@pytest.mark.parametrize("opener", ["T", "question_mark", "m", "v", "V", "S"])
async def test_keys_do_nothing_to_a_selection_that_another_screen_hides(opener: str) -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.working(), actions=actions) as (app, pilot):
        await pilot.press("3" if opener == "v" else "1", opener)
        screen, view = app.screen, app.view
        assert screen is not app.main
        bound = {key for binding in screen.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]
        hidden = [key for key in KEYS if key.action in OF_SELECTION and key.keys not in bound]
        assert {"interrupt", "kill", "stop", "comment", "preset"} <= {key.action for key in hidden}
        await pilot.press(*(name for key in hidden for name in key.keys.split(",")))
        assert app.screen is screen and not actions.done and not app._notifications
        assert (app.view.session, app.view.preset) == (view.session, view.preset)
        offered = {command.title for command in app.get_system_commands(screen)}
        assert "Kill (x)" not in offered and "Theme (t)" in offered
        await pilot.press("escape", "x", "y")
        await settled(app, pilot)
        assert len(actions.done) == 1


def test_a_graph_has_no_gaps_between_samples_and_one_where_they_were_missing() -> None:
    times, values = [0.0, 2.0, 4.0, 20.0, 22.0], [1.0, 2.0, None, 3.0, 5.0]
    axis = TimeAxis(0.0, 1.0, 30)
    assert means(values, times, axis, 30)[:4] == [1.0, 1.0, 2.0, 2.0]
    assert means(values, times, axis, 30)[4:20] == [None] * 16, "what was not known, and then nothing"
    assert means(values, times, axis, 30)[20:] == [3.0, 3.0, *[5.0] * 7, None]
    assert means(values, times, TimeAxis(0.0, 10.0, 3), 3) == [1.5, None, 4.0]
    assert means([], [], axis, 2) == means([1.0], [9.0], TimeAxis(10.0, 1.0, 2), 2) == [None, None]
    assert means([1.0], [0.0], axis, 3) == [1.0, None, None]
