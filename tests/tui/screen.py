"""The text and the colours of a running app's screen, and comparison with what was recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from jlab_tui.services.dashboard.looks import Looks, NoLooks
from jlab_tui.services.dashboard.monitor import Source
from jlab_tui.tui.app import Dashboard

from . import stage

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS" in os.environ


@asynccontextmanager
async def dashboard(
    source: Source,
    size: tuple[int, int] = (120, 36),
    actions: stage.FakeActions | None = None,
    looks: Looks | None = None,
    save_dir: Path = Path(),
    **options: object,
) -> AsyncIterator[tuple[Dashboard, Pilot[int]]]:
    """A running dashboard that has shown everything its source has."""
    app = Dashboard(
        source,
        actions or stage.FakeActions(),
        looks or NoLooks(),
        stage.exports(save_dir),
        stage.options(**options),
    )
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        yield app, pilot


async def settled(app: Dashboard, pilot: Pilot[int]) -> None:
    """Wait until messages, timers of the feed and drawings of images are through."""
    await until(pilot, lambda: app.source.is_loaded)
    for _ in range(3):
        await pilot.pause()
    await until(pilot, lambda: app.feed._timer is None and app._news_timer is None)
    await until(pilot, lambda: not any(w.group in ("images", "graphs") for w in app.workers if w.is_running))
    await pilot.pause()


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not holds():
            await pilot.pause(0.01)


def screen_text(app: Dashboard) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def colours(app: Dashboard) -> set[tuple[int, int, int]]:
    """Every colour on the screen, as it is sent to the terminal."""
    found = set()
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            for color in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                if color is not None and color.triplet is not None:
                    found.add((color.triplet.red, color.triplet.green, color.triplet.blue))
    return found


def check_snapshot(app: Dashboard, name: str) -> None:
    """Compare with tests/tui/snapshots/NAME.txt; UPDATE_SNAPSHOTS=1 writes it."""
    path = SNAPSHOTS / f"{name}.txt"
    text = screen_text(app)
    if UPDATE or not path.exists():
        path.write_text(text, encoding="utf-8")
        assert UPDATE, f"{path.name} did not exist and has been written; look at it"
    assert text == path.read_text(encoding="utf-8"), f"the screen differs from {path.name}"
