"""A recording is played at its own time and sought; the strip shows when its cells ran, and a live session's."""

from __future__ import annotations

from textual.widgets import Input

from jlab_tui.core.feed.items import FeedCell
from jlab_tui.core.journal.events import (
    Entry,
    ExecutionStarted,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionOpened,
    TextPrinted,
    Unknown,
    decode,
    encode,
)
from jlab_tui.core.server.resources import GpuSample, Sample
from jlab_tui.services.dashboard.looks import NoLooks
from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.recording import Recording

from . import stage
from .screen import dashboard, screen_text, until

ENTRIES = [
    Entry(1000.0, SessionOpened("s", "old", "/nb/old.ipynb", "k", "node", 1.0)),
    Entry(1001.0, RunStarted("s-1", "execute_code", "c", "loop()")),
    Entry(1043.0, TextPrinted("s-1", "stdout", ("x" * 99 + "\n") * 120_000)),
]


async def test_a_recording_shows_its_own_time_and_all_of_a_large_output() -> None:
    recording = Recording("s", ENTRIES, speed=0)
    async with dashboard(recording, recording=recording, readonly=True, clock=recording.clock) as (
        app,
        pilot,
    ):
        text = screen_text(app)
        assert "42s" in text and "● replay" in text and "waiting for a reading" not in text
        (cell,) = [item for item in app.feed.items if isinstance(item, FeedCell)]
        assert cell.has_gaps
        await pilot.press("o")
        await until(pilot, lambda: not cell.has_gaps)
        assert len(cell.output_text()) == 12_000_000


async def test_a_recording_is_there_from_the_first_picture_on() -> None:
    recording = Recording("s", ENTRIES)
    app = Dashboard(
        recording, stage.FakeActions(), NoLooks(), stage.exports(), stage.options(recording=recording)
    )
    async with app.run_test(size=(120, 36)):
        assert app.main.view.server is not None and not app.main.has_class("-not-running")


def test_the_clock_of_a_recording_follows_its_speed_and_ends_with_it() -> None:
    ticks = [50.0]
    recording = Recording("s", ENTRIES, speed=2.0, monotonic=lambda: ticks[0])
    assert recording.clock() == 1000.0
    ticks[0] = 60.0
    assert recording.clock() == 1020.0
    ticks[0] = 500.0
    assert recording.clock() == 1043.0


RUNS = [
    Entry(0.0, Unknown("unreadable", "{")),
    Entry(1000.0, SessionOpened("s", "old", "/nb/old.ipynb", "k", "node", 1.0)),
    Entry(1010.0, RunStarted("s-1", "execute_code", "c1", "first()")),
    Entry(1010.0, ExecutionStarted("s-1", 1)),
    Entry(1030.0, TextPrinted("s-1", "stdout", "half\n")),
    Entry(1040.0, RunFinished("s-1", RunStatus.ERROR, 30.0, 1)),
    Entry(1060.0, RunStarted("s-2", "execute_code", "c2", "second()")),
    Entry(1060.0, ExecutionStarted("s-2", 2)),
    Entry(1100.0, RunFinished("s-2", RunStatus.OK, 40.0, 2)),
]
GPUS = (GpuSample(0, "H200", 1.0, 2.0, 50.0),)
SAMPLES = [Sample(1000.0 + n, 4, float(n), 1.0, 1000.0, 4000.0, GPUS) for n in range(101)]


async def test_a_recording_is_paused_and_sought_and_shows_the_state_at_that_time() -> None:
    recording = Recording("s", RUNS, speed=0, samples=SAMPLES)
    async with dashboard(recording, recording=recording, readonly=True, clock=recording.clock) as (
        app,
        pilot,
    ):
        assert "ended      1× 0:01:40/0:01:40" in screen_text(app)
        assert "second()" in screen_text(app) and "CPU 100%" in screen_text(app)
        await pilot.press(*["left"] * 35)  # two seconds each
        await until(pilot, lambda: "second()" not in screen_text(app))
        assert recording.clock() == 1030.0
        text = screen_text(app)
        assert "paused     1× 0:00:30/0:01:40" in text and "half" in text and "busy 20s" in text
        await until(pilot, lambda: "CPU 30%" in screen_text(app))
        await pilot.press("right", *[">"] * 9, "less_than_sign")
        assert "32×" in screen_text(app)
        await pilot.click("#strip", offset=(119, 0))
        await until(pilot, lambda: "second()" in screen_text(app))
        await pilot.click("#strip", offset=(40, 0))
        await until(pilot, lambda: "first()" in screen_text(app) and "second()" not in screen_text(app))
        await pilot.press("space")
        assert recording.is_playing
        await until(pilot, lambda: "second()" in screen_text(app) and not recording.is_playing)


async def test_keys_of_a_replay_write_where_the_user_writes_and_are_offered_nowhere_else() -> None:
    recording = Recording("s", RUNS, speed=0)
    async with dashboard(recording, recording=recording, readonly=True, clock=recording.clock) as (
        app,
        pilot,
    ):
        await pilot.press("slash", "a", "space", "less_than_sign")
        assert app.main.prompt.query_one(Input).value == "a <"
        await pilot.press("escape")
        footer = screen_text(app).splitlines()[-1]
        assert "space Play, pause" in footer and "Variables" not in footer
        await pilot.press("question_mark")
        assert "Play the recording, or pause it." in screen_text(app)
    async with dashboard(stage.working()) as (app, pilot):
        assert "space" not in screen_text(app)
        await pilot.press("question_mark")
        assert "recording" not in screen_text(app)


async def test_the_strip_shows_when_the_cells_of_the_session_ran_and_leads_to_them() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        strip = screen_text(app).splitlines()[9]
        assert strip.startswith(" 10 min ┄") and strip.endswith("┄▶" + "━" * 25)
        await pilot.click("#strip", offset=(strip.index("✓"), 0))
        cell = app.main.cell
        assert cell is not None and cell.source.startswith("import torch")
        await pilot.press("a")
        await until(pilot, lambda: "✗" in screen_text(app).splitlines()[9])


async def test_a_recording_without_a_single_time_shows_its_timeline() -> None:
    for no_time in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1e308"):
        lines = [encode(entry).replace(b'"t":', b'"t":' + no_time + b',"was":') for entry in ENTRIES]
        recording = Recording("s", [decode(line) for line in lines], speed=0)
        async with dashboard(recording, recording=recording, readonly=True, clock=recording.clock) as (
            app,
            pilot,
        ):
            await pilot.press("T", "plus", "minus")
            await until(pilot, lambda: "Timeline" in screen_text(app))
