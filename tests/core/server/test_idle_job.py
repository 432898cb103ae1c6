"""What is said before a job that nobody uses ends itself."""

from __future__ import annotations

from jlab_tui.core.server.idle_job import IdleEndWarnings, idle_end_sentence
from jlab_tui.core.server.resources import IdleEndPlan, parse_sample
from jlab_tui.core.server.status import own_end
from jlab_tui.jupyter_extension.idle_end import farewell


def test_the_end_is_told_with_its_time_and_what_keeps_the_job() -> None:
    far = IdleEndPlan(2.0, None, "a kernel runs code")
    assert idle_end_sentence(far, str) == (
        "The job ends itself after 2 idle hours (JLAB_MCP_IDLE_END_H=2); used now: a kernel runs code."
    )
    near = idle_end_sentence(IdleEndPlan(2.0, 60.0, ""), lambda at: f"{at:.0f}h")
    assert "it ends itself at 60h (JLAB_MCP_IDLE_END_H=2)" in near and "Running any code keeps it." in near


def test_it_is_warned_of_three_times_and_again_after_use() -> None:
    warnings = IdleEndWarnings()
    near = IdleEndPlan(2.0, 1000.0, "")
    assert not warnings.due(None, 0.0) and not warnings.due(IdleEndPlan(2.0, None, ""), 0.0)
    said = [now for now in range(390, 1001, 5) if warnings.due(near, now)]
    assert said == [390, 700, 940]
    assert not warnings.due(IdleEndPlan(2.0, 1004.9, ""), 1000.0), "clocks differ a little"
    assert warnings.due(IdleEndPlan(2.0, 1010.0, ""), 1000.0), "it was used meanwhile"
    warnings.due(IdleEndPlan(2.0, None, ""), 1000.0)
    assert warnings.due(IdleEndPlan(2.0, 1010.0, ""), 1000.0)


def test_the_plan_is_part_of_a_sample() -> None:
    raw = {"t": 1, "cpu": {}, "memory": {}}
    assert parse_sample(raw).idle_end is None and parse_sample({**raw, "idle_end": "soon"}).idle_end is None
    told = parse_sample({**raw, "idle_end": {"hours": 2, "ends_at": 9, "kept_by": "x"}}).idle_end
    assert told == IdleEndPlan(2.0, 9.0, "x")
    assert parse_sample({**raw, "idle_end": {}}).idle_end == IdleEndPlan(0.0, None, "")


def test_the_end_is_read_from_the_log() -> None:
    log = f"[W] {farewell(1.5)}\n[C] received signal 15, stopping\n"
    assert own_end(log) == " It ended after 1.5 idle hours (JLAB_MCP_IDLE_END_H=1.5)."
