"""A recording is played at its own time: what was running then ran as long as it did then."""

from __future__ import annotations

from jlab_tui.core.feed.items import FeedCell
from jlab_tui.core.journal.events import Entry, RunStarted, SessionOpened, TextPrinted
from jlab_tui.tui.recording import Recording

from .screen import dashboard, screen_text, until

ENTRIES = [
    Entry(1000.0, SessionOpened("s", "old", "/nb/old.ipynb", "k", "node", 1.0)),
    Entry(1001.0, RunStarted("s-1", "execute_code", "c", "loop()")),
    Entry(1043.0, TextPrinted("s-1", "stdout", ("x" * 99 + "\n") * 120_000)),
]


async def test_a_recording_shows_its_own_time_and_all_of_a_large_output() -> None:
    recording = Recording("s", ENTRIES, speed=0)
    async with dashboard(recording, is_replay=True, readonly=True, clock=recording.clock) as (app, pilot):
        text = screen_text(app)
        assert "42s" in text and "● replay" in text and "waiting for a reading" not in text
        (cell,) = [item for item in app.feed.items if isinstance(item, FeedCell)]
        assert cell.has_gaps
        await pilot.press("o")
        await until(pilot, lambda: not cell.has_gaps)
        assert len(cell.output_text()) == 12_000_000


def test_the_clock_of_a_recording_follows_its_speed_and_ends_with_it() -> None:
    ticks = [50.0]
    recording = Recording("s", ENTRIES, speed=2.0, monotonic=lambda: ticks[0])
    assert recording.clock() == 1000.0
    ticks[0] = 60.0
    assert recording.clock() == 1020.0
    ticks[0] = 500.0
    assert recording.clock() == 1043.0
