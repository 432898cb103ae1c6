"""The timeline: a lane a session, a cursor that leads to cells and back, zoom, and what a recording shows of it."""

from __future__ import annotations

from jlab_tui.tui.recording import Recording
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
