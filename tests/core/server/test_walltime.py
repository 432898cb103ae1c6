"""When and how often notices about the end of the walltime appear."""

from __future__ import annotations

from jlab_tui.core.server.walltime import Notices, walltime_warning


def test_the_warning_appears_once_at_each_threshold() -> None:
    notices, ends = Notices(), 10_000.0
    said = []
    for now in range(9_000, 10_003):
        warning = walltime_warning(ends, now)
        said += [(10_000 - now, text) for text in notices.due([warning] if warning else [], ends, now)]
    assert [left for left, _ in said] == [900, 300, 60, 0]
    assert said[1][1].startswith("The job's walltime ends in 5 min 0 s:")


def test_another_notice_appears_when_it_is_new_and_again_after_it_was_gone() -> None:
    notices = Notices()
    looks = [["down"], ["down"], [], ["down", "other"], ["other"]]
    assert [notices.due(look, 0.0, 0.0) for look in looks] == [["down"], [], [], ["down", "other"], []]


def test_there_is_no_notice_about_the_walltime_of_an_ended_job() -> None:
    notices = Notices()
    assert notices.due([], 10_000.0, 10_001.0) == []


def test_the_last_minute_is_described_in_seconds() -> None:
    def told(left: float) -> str:
        return walltime_warning(10_000.0, 10_000.0 - left)

    assert "ends in 1 min 0 s:" in told(60) and "ends in 59 s:" in told(59)
    assert "ends in 15 min 0 s:" in told(900) and told(901) == ""
    assert "ends in 1 s:" in told(0.6) and "is over" in told(0) and "is over" in told(-5)
    assert walltime_warning(0.0, 5.0) == "", "a job without a limit"


def test_a_walltime_that_was_extended_is_announced_again() -> None:
    notices = Notices()

    def told(ends: float, now: float) -> list[str]:
        return notices.due([walltime_warning(ends, now)], ends, now)

    assert told(1000.0, 200.0) and not told(1001.0, 201.0), "a second more or less is the same end"
    assert told(1003.0, 202.0)
