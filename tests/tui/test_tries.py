"""What was tried before a cell ran well is one line, which unfolds; nothing in it is lost to keys and search."""

from __future__ import annotations

from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import Entry, ErrorRaised, Event, RunFinished, RunStarted, RunStatus
from jlab_tui.tui.rows import ItemRows

from . import stage
from .screen import check_snapshot, dashboard, screen_text, settled
from .test_rows import frame


def tries(*ends: RunStatus, first: int = 1) -> list[Event]:
    found: list[Event] = []
    for number, end in enumerate(ends, first):
        run = f"t{number}"
        found.append(RunStarted(run, "edit_cell", "c", f"fit(depth={number})"))
        if end is RunStatus.ERROR:
            found.append(ErrorRaised(run, "ValueError", f"depth {number}", (f"ValueError: depth {number}",)))
        if end is not RunStatus.RUNNING:
            found.append(RunFinished(run, end, 1.0, number))
    return found


OK, ERROR = RunStatus.OK, RunStatus.ERROR


def entries(*events: Event) -> list[tuple[str, Entry]]:
    return [("probe1", Entry(stage.NOW, event)) for event in events]


async def test_tries_of_a_cell_fold_when_it_runs_well_and_unfold() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source, (100, 36)) as (app, pilot):
        source.play(entries(*tries(ERROR, ERROR, ERROR, RunStatus.RUNNING)))
        await settled(app, pilot)
        assert "ValueError: depth 3" in screen_text(app) and "tries" not in screen_text(app)
        source.play(entries(RunFinished("t4", OK, 1.0, 4)))
        await settled(app, pilot)
        assert "ValueError" not in screen_text(app)
        check_snapshot(app, "tries-100x36")
        await pilot.press("[", "o")
        await settled(app, pilot)
        assert "tries" not in screen_text(app) and screen_text(app).count("ValueError: depth") == 3
        await pilot.press("o", "slash", *"depth 2", "enter")
        await settled(app, pilot)
        assert "ValueError: depth 2" in screen_text(app)
        await pilot.press("escape", "o", "G")
        await settled(app, pilot)
        assert "4 tries" in screen_text(app)
        assert app.feed.go_to_run("t3")
        await settled(app, pilot)
        assert app.main.cell is not None and app.main.cell.run == "t3"
        assert "ValueError: depth 3" in screen_text(app)
        await pilot.press("e")
        await settled(app, pilot)
        assert screen_text(app).count("ValueError: depth") == 3


def test_tries_fold_alike_however_their_cells_come_in() -> None:
    feed = SessionFeed("s")
    for event in tries(ERROR, ERROR, OK):
        feed.apply(Entry(1.0, event))
    shown, grown, waiting = ItemRows(frame()), ItemRows(frame()), ItemRows(frame())
    shown.show(feed.items, {})
    assert shown.settle().has_folded
    grown.show(feed.items[1:], {})
    grown.settle()
    grown.replace(feed.items, {})
    waiting.show(feed.items, {})
    assert not waiting.settle(folds=False).has_folded and waiting.total > shown.total
    assert waiting.settle().has_folded and not waiting.settle().has_moved
    assert [rows.total for rows in (shown, grown, waiting)] == [1 + shown.height(2)] * 3
    assert [shown.shown_at(place) for place in range(3)] == [0, 0, 2]
    assert shown.cell_beside(2, -1) == 0 and shown.cell_beside(0, 1) == 2
    for rows in (shown, grown, waiting):
        rows.expand(1, True)
    assert shown.total > shown.height(2) + 2 and shown.total == grown.total == waiting.total
    shown.reframe(frame(60))
    assert shown.shown_at(1) == 1
    shown.expand(1, False)
    assert shown.total == 1 + shown.height(2)
    assert "3 tries, o shows them" in shown.plain(0)


def test_of_many_tries_the_line_counts_all() -> None:
    feed = SessionFeed("s")
    for event in tries(*[ERROR] * 1000, OK):
        feed.apply(Entry(1.0, event))
    rows = ItemRows(frame())
    rows.show(feed.items, {})
    rows.settle()
    assert "✗✗✗┄┄✓  1,001 tries" in rows.plain(0) and rows.total == 1 + rows.height(1000)
