"""When a notebook file is written: what is written is bounded by what changed."""

from __future__ import annotations

import math

import pytest

from jlab_tui.core.notebook.pace import LARGE, QUIET_S, RATE, RETRY_S, NotebookChange, SavePace

SMALL, MIDDLE, HUGE = 10_000, 9_000_000, 80_000_000


def saved_at(now: float, took: float = 0.0) -> SavePace:
    pace = SavePace()
    pace.changed(now, NotebookChange.CELL)
    pace.begins()
    pace.saved(now, took)
    return pace


def written_by(size: int, seconds: int, interval: float) -> int:
    """Bytes that are written for a cell which prints every `interval` seconds and ends after `seconds`."""
    pace, saves, end = SavePace(), 0, 100.0 + seconds
    printed = [100 + interval * n for n in range(1, int(seconds / interval))]
    changes = [
        (100.0, NotebookChange.BEGIN),
        *((at, NotebookChange.OUTPUT) for at in printed),
        (end, NotebookChange.CELL),
    ]
    for (now, change), (later, _) in zip(
        changes, [*changes[1:], (end + 60, NotebookChange.CELL)], strict=True
    ):
        pace.changed(now, change)
        due = max(now, pace.due(size, is_running=now < end))
        if due < later:
            pace.begins()
            pace.saved(due, 0.0)
            saves += 1
    assert not pace.has_changes
    return saves * size


def test_a_file_that_holds_everything_is_not_written() -> None:
    pace = SavePace()
    assert pace.due(HUGE, is_running=False) == pace.due(SMALL, is_running=False) == math.inf
    assert not saved_at(5.0).has_changes and saved_at(5.0).due(SMALL, is_running=False) == math.inf


@pytest.mark.parametrize(
    ("size", "seconds"),
    [(SMALL, 15), (1_700_000, 15), (MIDDLE, 15), (41_000_000, 60), (HUGE, 15), (HUGE, 600)],
)
def test_a_loop_that_prints_twice_a_second_writes_at_most_2_mb_a_second(size: int, seconds: int) -> None:
    during = seconds + (60 if size > LARGE else 0)  # a large file is written after the loop
    assert size <= written_by(size, seconds, 0.5) <= RATE * during


def test_a_large_file_is_not_written_again_for_the_output_of_a_run_of_any_length() -> None:
    assert written_by(HUGE, 36_000, 5.0) == 2 * HUGE, "once with the cell, once when it has ended"


def test_a_short_cell_is_saved_once_behind_its_reply() -> None:
    pace = saved_at(10.0, took=0.01)
    pace.changed(20.0, NotebookChange.BEGIN)
    assert pace.due(SMALL, is_running=True) == 20.05
    pace.changed(20.04, NotebookChange.CELL)
    assert pace.due(SMALL, is_running=False) == pytest.approx(20.09)
    pace.begins()
    pace.saved(20.1, took=0.01)
    pace.changed(20.11, NotebookChange.BEGIN)
    assert pace.due(SMALL, is_running=True) == pytest.approx(20.1 + 0.2 + 4 * 0.01)


def test_cells_that_follow_each_other_are_saved_together_and_soon() -> None:
    pace = saved_at(10.0)
    for at in range(100):
        pace.changed(20 + at / 100, NotebookChange.CELL)
        assert pace.due(SMALL, is_running=False) == pytest.approx(min(20.05 + at / 100, 20.2))


def test_output_of_a_small_file_follows_by_the_size_of_the_file() -> None:
    pace = saved_at(10.0)
    pace.changed(10.1, NotebookChange.OUTPUT)
    assert pace.due(SMALL, is_running=True) == pytest.approx(10.22)
    assert pace.due(1_000_000, is_running=True) == pytest.approx(12.2)


def test_a_large_file_follows_when_the_session_is_idle() -> None:
    pace = saved_at(10.0)
    pace.changed(100.0, NotebookChange.CELL)
    pace.changed(101.0, NotebookChange.CELL)
    assert pace.due(LARGE + 1, is_running=False) == 101.0 + QUIET_S
    pace.changed(102.0, NotebookChange.OUTPUT)
    assert pace.due(LARGE + 1, is_running=False) == 102.0 + QUIET_S
    assert pace.due(LARGE, is_running=False) == 100.2, "one of 10 MB is not large"


def test_while_cells_follow_each_other_a_large_file_is_written_once_per_its_size_by_2_mb_a_second() -> None:
    pace = saved_at(10.0)
    spacing = HUGE / RATE
    pace.changed(11.0, NotebookChange.BEGIN)
    assert pace.due(HUGE, is_running=True) == 11.0 + spacing
    assert pace.due(HUGE, is_running=False) == 10.0 + spacing
    pace.changed(12.0 + spacing, NotebookChange.CELL)
    assert pace.due(HUGE, is_running=True) == pace.due(HUGE, is_running=False) == 11.0 + spacing


def test_output_alone_makes_no_large_file_due_while_a_cell_runs() -> None:
    pace = saved_at(10.0)
    pace.changed(11.0, NotebookChange.OUTPUT)
    assert pace.due(HUGE, is_running=True) == math.inf


def test_a_save_that_took_long_is_followed_by_a_pause_that_has_an_end() -> None:
    pace = saved_at(10.0, took=1.0)
    pace.changed(10.1, NotebookChange.CELL)
    assert pace.due(SMALL, is_running=False) == 14.0
    pace = saved_at(10.0, took=100.0)
    pace.changed(10.1, NotebookChange.CELL)
    assert pace.due(SMALL, is_running=False) == 20.0


@pytest.mark.parametrize("size", [SMALL, HUGE])
def test_a_save_that_failed_is_tried_again_later_or_at_the_next_change_of_a_small_file(size: int) -> None:
    pace = SavePace()
    pace.changed(10.0, NotebookChange.CELL)
    pace.begins()
    pace.failed(100.0)
    assert pace.has_changes and pace.cells_since == 100.0
    assert pace.due(size, is_running=False) == 100.0 + RETRY_S
    pace.changed(101.0, NotebookChange.CELL)
    assert pace.due(size, is_running=False) <= 101.0 + QUIET_S
    pace.failed(102.0)
    assert (pace.first, pace.cells_since) == (100.0, 100.0)


def test_only_a_change_that_may_make_a_save_due_earlier_is_worth_a_look() -> None:
    pace = SavePace()
    assert pace.changed(1.0, NotebookChange.OUTPUT)
    assert not pace.changed(2.0, NotebookChange.OUTPUT)
    assert pace.changed(3.0, NotebookChange.BEGIN) and pace.changed(4.0, NotebookChange.CELL)
    assert (pace.first, pace.cells_since, pace.last) == (1.0, 3.0, 4.0)
