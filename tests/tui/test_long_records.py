"""A project with many closed sessions and a long record: what is old is there on demand, and nothing jumps meanwhile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from jlab_tui.adapters.journal.directory import DirectoryRecords
from jlab_tui.adapters.journal.places import CLOSED
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.kernel.leaving import KernelFates
from jlab_tui.core.server.record import KernelInfo, ServerRecord
from jlab_tui.core.server.resources import Measured
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.services.dashboard.history import STEP
from jlab_tui.services.dashboard.monitor import Monitor
from jlab_tui.tui.app import Dashboard

from . import stage
from .screen import check_snapshot, dashboard, screen_text, settled, until

CELLS = 60
LINES = 2000


class Node:
    """A server with an idle kernel or none, and no samples."""

    def __init__(self, kernels: int) -> None:
        self._kernels = (KernelInfo("k-long", "python3", "idle", 1),)[:kernels]

    async def look(self) -> ServerStatus:
        return stage.READY

    async def fates(self, record: ServerRecord) -> KernelFates:
        return KernelFates()

    async def measured(self, record: ServerRecord, history_s: float, *, kernels: bool) -> Measured:
        return Measured((), self._kernels if kernels else None)


def write(path: Path, session: str, at: float, *events: Event) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = SessionOpened(
        session, session, f"/nb/{session}.ipynb", f"k-{session}", "n", stage.READY.record.started
    )
    path.write_bytes(b"".join(encode(Entry(at, event)) for event in (opened, *events)))
    os.utime(path, (at, at))


def long_record(sessions: Path, cells: int = CELLS) -> None:
    events: list[Event] = []
    for number in range(cells):
        text = "".join(f"cell {number:03d} line {line:05d}\n" for line in range(LINES))
        run = f"long-{number}"
        events += [
            RunStarted(run, "execute_code", f"c{number}", f"step({number})"),
            TextPrinted(run, "stdout", text),
            RunFinished(run, RunStatus.OK, 1.0, number),
        ]
    write(sessions / "long.1.jsonl", "long", stage.NOW - 60, *events)


def closed_records(sessions: Path, count: int) -> None:
    for number in range(count):
        name = f"old{number:02d}"
        run: list[Event] = [
            RunStarted(f"{name}-1", "t", "c", f"look_at({number})"),
            RunFinished(f"{name}-1", RunStatus.OK, 1.0),
        ]
        at = stage.NOW - 3600.0 * (number + 1)
        write(sessions / CLOSED / f"{name}.1.jsonl", name, at, *run, SessionClosed("shut down"))


@asynccontextmanager
async def watching(
    directory: Path, size: tuple[int, int] = (120, 36), kernels: int = 1
) -> AsyncIterator[tuple[Dashboard, Pilot[int]]]:
    node = Node(kernels)
    monitor = Monitor(node, node, DirectoryRecords(directory / "sessions", directory / "actions"))
    async with dashboard(monitor, size) as (app, pilot):
        await until(pilot, lambda: bool(app.view.sessions or app.view.past.count))
        await settled(app, pilot)
        yield app, pilot


async def test_closed_sessions_are_one_line_until_they_are_wanted(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions", 2)
    closed_records(tmp_path / "sessions", STEP + 3)
    async with watching(tmp_path) as (app, pilot):
        await until(pilot, lambda: "idle · 2 cells" in screen_text(app))
        await settled(app, pilot)
        check_snapshot(app, "history-folded-120x36")
        await pilot.press("C")
        await until(pilot, lambda: app.view.past.left == 3)
        await settled(app, pilot)
        check_snapshot(app, "history-120x36")
        assert app.view.session == "long", "what is shown stays"
        await pilot.press("C")
        await settled(app, pilot)
        check_snapshot(app, "history-folded-120x36")


async def test_the_list_goes_on_into_the_history(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions", 2)
    closed_records(tmp_path / "sessions", STEP + 3)
    async with watching(tmp_path) as (app, pilot):
        await pilot.press("tab", "down", "enter")
        await until(pilot, lambda: "old00" in screen_text(app))
        await pilot.press("down")
        await until(pilot, lambda: "look_at(0)" in screen_text(app))
        for _ in range(STEP):
            await pilot.press("down")
        await until(pilot, lambda: app.view.past.left == 0)
        await pilot.press(*["down"] * 3)
        await until(pilot, lambda: f"look_at({STEP + 2})" in screen_text(app))
        await pilot.press("C")
        await settled(app, pilot)
        assert f"old{STEP + 2}" in screen_text(app) and f"▸ {STEP + 3} closed" in screen_text(app)


async def test_where_no_session_is_open_the_key_of_the_history_is_named(tmp_path: Path) -> None:
    closed_records(tmp_path / "sessions", 3)
    for size in ((120, 36), (80, 24)):
        async with watching(tmp_path, size, kernels=0) as (app, pilot):
            assert "C lists 3 closed sessions." in screen_text(app) and "▸ 3 closed" in screen_text(app)
            await pilot.press("C")
            await until(pilot, lambda: "old00" in screen_text(app))
            await pilot.press("1")
            await until(pilot, lambda: "look_at(0)" in screen_text(app))


async def test_without_a_closed_session_the_key_says_so(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions", 2)
    async with watching(tmp_path) as (app, pilot):
        await pilot.press("C")
        assert any(n.message == "No session is closed." for n in app._notifications)


async def test_a_long_record_shows_its_end_and_g_goes_to_its_beginning(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions")
    async with watching(tmp_path) as (app, pilot):
        await until(pilot, lambda: f"cell {CELLS - 1:03d} line {LINES - 1:05d}" in screen_text(app))
        known = app.view.row
        assert known is not None and known.has_older and known.cells < CELLS
        assert f"{known.cells}+ cells" in screen_text(app)
        await pilot.press("g")
        await until(pilot, lambda: not app.feed.has_older)
        await settled(app, pilot)
        assert (
            app.feed.scroll_y == 0
            and "step(0)" in screen_text(app)
            and "stand before" not in screen_text(app)
        )
        assert app.view.row is not None and app.view.row.cells == CELLS
        await pilot.press("G")
        await settled(app, pilot)
        assert f"cell {CELLS - 1:03d} line {LINES - 1:05d}" in screen_text(app) and app.feed.follows


async def test_the_view_stays_where_it_is_while_older_cells_come(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions")
    async with watching(tmp_path) as (app, pilot):
        app.feed.scroll_to(y=3, animate=False)
        await settled(app, pilot)
        before, cells = app.feed.rows.plain(int(app.feed.scroll_y)), len(app.feed.items)
        await pilot.press("up")
        await until(pilot, lambda: len(app.feed.items) > cells)
        await settled(app, pilot)
        assert app.feed.rows.plain(int(app.feed.scroll_y) + 1) == before and not app.feed.follows


async def test_a_search_reads_older_cells_until_one_has_the_text(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions")
    async with watching(tmp_path) as (app, pilot):
        await pilot.press("slash", *"cell 003 line 00001", "enter")
        await until(pilot, lambda: bool(app.feed.matches))
        await settled(app, pilot)
        assert "cell 003 line 00001" in screen_text(app) and "1/1 match" in screen_text(app)
        await pilot.press("slash", *"line 00007", "enter")
        await until(pilot, lambda: "line 00007" in app.feed.needle and bool(app.feed.matches))
        while app.feed.has_older:
            known = len(app.feed.matches)
            app.feed._go_to(0)
            await pilot.press("N")
            await until(pilot, lambda known=known: len(app.feed.matches) > known)  # type: ignore[misc]
        assert len(app.feed.matches) == CELLS
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: any("nowhere" in n.message for n in app._notifications))


async def test_a_text_that_no_older_cell_has_is_said_to_be_missing(tmp_path: Path) -> None:
    long_record(tmp_path / "sessions")
    async with watching(tmp_path) as (app, pilot):
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: any("nowhere" in n.message for n in app._notifications))
        assert not app.feed.has_older and not app.feed.is_seeking


async def test_all_sessions_together_are_read_by_time_as_far_as_the_user_goes(tmp_path: Path) -> None:
    closed_records(tmp_path / "sessions", 2 * STEP)
    long_record(tmp_path / "sessions")
    async with watching(tmp_path) as (app, pilot):
        await pilot.press("a")
        await until(pilot, lambda: "All sessions" in screen_text(app))
        await until(pilot, lambda: bool(app.feed.items))
        await settled(app, pilot)
        assert len(app.source.feed.sessions) < 2 * STEP and app.feed.has_older
        await pilot.press("g")
        await until(pilot, lambda: not app.feed.has_older)
        await settled(app, pilot)
        assert f"look_at({2 * STEP - 1})" in screen_text(app)
        times = [item.at for item in app.feed.items]
        assert times == sorted(times)
