"""Setting the clock while a cell runs does not change its reported duration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jlab_tui.core.journal.events import RunStatus
from jlab_tui.core.kernel.conversation import RunEnded
from jlab_tui.core.session.run import Run
from jlab_tui.services.session.run_handle import RunHandle, ticks

TWO_DAYS_S = 172_800.0
RUN = RunHandle("s-1", "s", "execute_code", "c", "1+1", "m", 1000.0, Path("/j"), 0, began=0.0)


def test_a_run_of_this_process_is_timed_by_a_clock_that_nobody_sets() -> None:
    run = replace(RUN, began=ticks())
    for jump in (TWO_DAYS_S, -TWO_DAYS_S):
        assert 0 <= run.elapsed(1000.0 + jump) < 60
    assert run.ending(RunEnded("s-1", RunStatus.OK, 1), 1000.0 + TWO_DAYS_S).seconds < 60


def test_a_run_that_an_earlier_process_asked_for_is_timed_from_its_record() -> None:
    run = RunHandle.of(Run("s-1", "s", "execute_code", "c", "1+1", "m", 1000.0, Path("/j"), 0))
    assert run.elapsed(1090.0) == 90.0
