"""Texts that are wider than their place: whole lines, whole sentences, rulers that are cut."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from jlab_tui.core.feed.items import ErrorOutput, FeedCell
from jlab_tui.services.dashboard.monitor import Listener
from jlab_tui.tui.blocks import ErrorBlock, Frame
from jlab_tui.tui.format import UNICODE
from jlab_tui.tui.themes import Palette
from jlab_tui.tui.widgets.detail import Detail, DetailState
from jlab_tui.tui.widgets.state_panel import panel_rows

from . import stage
from .screen import dashboard, screen_text, settled

PALETTE = Palette({}, dark=True)


def text(row: object) -> str:
    return "".join(segment.text for segment in row)  # type: ignore[attr-defined]


def test_the_detail_begins_with_the_beginning_of_a_line() -> None:
    cell = FeedCell("s", 1.0, "x")
    cell.outputs.append(ErrorOutput("E", "v", ("-" * 75, "first " * 12, "second " * 9, "E: v")))
    detail = Detail(PALETTE, UNICODE)
    detail.state, detail.local = DetailState(item=cell), time.gmtime
    assert text(detail._traceback(cell, 50, 9)[0]) == " " + "-" * 48
    rows = [text(row) for row in detail._traceback(cell, 50, 4)]
    assert rows[0].startswith(" second second") and rows[-1] == " E: v" and len(rows) == 3
    cell.outputs[:] = [ErrorOutput("E", "v", ("E: " + "long " * 60,))]
    rows = [text(row) for row in detail._traceback(cell, 50, 3)]
    assert rows[0].startswith(" E: long") and len(rows) == 3


def test_a_ruler_takes_one_row_however_narrow_the_feed_is() -> None:
    frame = Frame(64, 16, PALETTE, UNICODE, time.gmtime, lambda output, columns, rows: None)
    block = ErrorBlock(ErrorOutput("E", "v", ("-" * 75, "E: v")), frame, "error", expanded=False)
    assert block.height == 2 and text(block.row(1)).endswith("E: v")


def test_a_queue_says_all_of_its_partitions_at_any_width() -> None:
    assert stage.PENDING.queue is not None
    load = (
        "gpu-long-with-a-name  31 of 32 nodes busy, 1 draining, 12 more that are reserved for maintenance",
    )
    pending = replace(stage.PENDING, queue=replace(stage.PENDING.queue, load=load))
    for width in (58, 78, 118):
        rows = [text(row) for row in panel_rows(pending, width, stage.NOW, PALETTE, UNICODE, time.gmtime)]
        assert all(len(row) <= width for row in rows)
        assert all(any(word in row for row in rows) for word in ("draining", "reserved", "maintenance"))


def test_a_queue_says_its_whole_reason_at_any_width() -> None:
    assert stage.PENDING.queue is not None
    reason = "Priority: 14 jobs of this partition stand before this one, and two of them want every node"
    pending = replace(stage.PENDING, sentence=f"{reason}.", queue=replace(stage.PENDING.queue, reason=reason))
    for width in (60, 108, 118):
        rows = [text(row) for row in panel_rows(pending, width, stage.NOW, PALETTE, UNICODE, time.gmtime)]
        assert all(len(row) <= width for row in rows)
        assert " ".join(" ".join(rows).split()).count("of them want every node") == 2
        assert any("31 of 32 nodes busy" in row for row in rows)


async def test_before_the_server_was_looked_for_nobody_says_that_there_is_none() -> None:
    class Looking(stage.StillSource):
        async def run(self, listener: Listener) -> None:
            self.listener, self.is_loaded = listener, True
            await asyncio.Event().wait()

    source = Looking(server=None)
    async with dashboard(source, (80, 24)) as (app, pilot):
        assert "Looking for the Jupyter server" in screen_text(app) and "o server" not in screen_text(app)
        source.has_looked = True
        source.become(None)
        await settled(app, pilot)
        assert "No Jupyter server is running" in screen_text(app) and "○ no server" in screen_text(app)
