"""A cell that ran before with other code shows how much changed, and `d` shows what."""

from __future__ import annotations

from jlab_tui.core.journal.events import Entry, Event, RunFinished, RunStarted, RunStatus

from . import stage
from .screen import dashboard, screen_text, settled


async def test_an_edited_cell_shows_what_changed_since_it_ran() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source, (100, 36)) as (app, pilot):
        await pilot.press("d")
        assert any("has not run with other code" in note.message for note in app._notifications)
        events: list[Event] = [
            RunStarted("r1", "execute_code", "c", "x = load()\nfit(x)"),
            RunFinished("r1", RunStatus.ERROR, 1.0, 1),
            RunStarted("r2", "edit_cell", "c", "x = load('b')\nx = x.dropna()\nfit(x)"),
        ]
        source.play([("probe1", Entry(stage.NOW, event)) for event in events])
        await settled(app, pilot)
        assert "edit_cell  +2 -1" in screen_text(app)
        await pilot.press("d")
        await pilot.pause()
        text = screen_text(app)
        assert "Since it ran last: +2 -1" in text
        assert "-x = load()" in text and "+x = load('b')" in text and " fit(x)" in text
        await pilot.press("d")
        assert len(app.screen_stack) == 1
