"""Which lines of a journal are needed by whom."""

from __future__ import annotations

from typing import Any

import pytest

from jlab_tui.core.display.mime import WIDGET
from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    KernelChanged,
    Notice,
    OutputCleared,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
    WidgetsChanged,
)
from jlab_tui.core.session.landmarks import Mark, Marker

BEGUN = RunStarted("s-1", "execute_code", "c", "x")
ENDED = RunFinished("s-1", RunStatus.OK, 1.0)
NEXT = RunStarted("s-2", "execute_code", "c", "x")
FIGURE: dict[str, Any] = {"text/plain": "figure"}


def last_mark(*events: Event) -> Mark:
    marker = Marker()
    return [marker.mark(Entry(1.0, event)) for event in events][-1]


@pytest.mark.parametrize(
    ("events", "needed_by"),
    [
        ([BEGUN], Mark.KEPT),
        ([BEGUN, ENDED], Mark.KEPT),
        ([Notice("hello")], Mark.KEPT),
        ([BEGUN, TextPrinted("s-1", "stdout", "x")], Mark.OUTPUT),
        ([BEGUN, TextPrinted("s-1", "stdout", "x", "widget")], Mark.KEPT),
        ([BEGUN, ENDED, TextPrinted("s-1", "stdout", "of a thread")], Mark.LATE),
        ([BEGUN, ErrorRaised("s-1", "E", "e", ())], Mark.OUTPUT),
        ([BEGUN, OutputCleared("s-1", wait=True)], Mark.OUTPUT),
        ([BEGUN, DataShown("s-1", FIGURE)], Mark.OUTPUT),
        ([BEGUN, DataShown("s-1", FIGURE, display_id="d")], Mark.KEPT),
        ([BEGUN, DataShown("s-1", {WIDGET: {"model_id": "m"}})], Mark.KEPT),
        ([BEGUN, ENDED, DataShown("s-1", FIGURE)], Mark.LATE),
        ([BEGUN, DataShown("s-1", FIGURE, display_id="d"), DataUpdated("s-1", "d", FIGURE)], Mark.OUTPUT),
        ([BEGUN, DataUpdated("s-1", "of an earlier journal", FIGURE)], Mark.LATE),
        (
            [BEGUN, DataShown("s-1", FIGURE, display_id="d"), ENDED, NEXT, DataUpdated("s-2", "d", FIGURE)],
            Mark.LATE,
        ),
        (
            [BEGUN, DataShown("s-1", FIGURE, display_id="d"), ENDED, DataUpdated("s-1", "d", FIGURE)],
            Mark.LATE,
        ),
        (
            [
                BEGUN,
                DataShown("s-1", FIGURE, display_id="d"),
                NEXT,
                DataShown("s-2", FIGURE, display_id="d"),
                DataUpdated("s-2", "d", FIGURE),
            ],
            Mark.LATE,
        ),
        ([BEGUN, WidgetsChanged("s-1", {})], Mark.KEPT),
        ([BEGUN, WidgetsChanged("s-1", {}, {}, {"m": "shown"})], Mark.LATE),
        ([WidgetsChanged("s-1", {})], Mark.LATE),
        ([BEGUN, OutputDropped("s-1", 1, "characters", "too much")], Mark.KEPT),
        ([BEGUN, ENDED, OutputDropped("s-1", 1, "characters", "too much")], Mark.LATE),
    ],
)
def test_output_is_needed_by_readers_of_its_run_and_what_comes_late_by_all(
    events: list[Event], needed_by: Mark
) -> None:
    assert last_mark(*events) is needed_by


def test_what_is_covered_grows_until_the_kernel_is_another() -> None:
    marker = Marker()
    seen = []
    for event, seq in ((BEGUN, 0), (ENDED, 7), (NEXT, 0), (KernelChanged("k", "restarted"), 3), (ENDED, 5)):
        marker.mark(Entry(1.0, event, seq))
        seen.append(marker.seq)
    assert seen == [0, 7, 7, 3, 5]
