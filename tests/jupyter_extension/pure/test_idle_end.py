"""When a job that nobody uses ends itself, as tables."""

from __future__ import annotations

import pytest

from jlab_tui.jupyter_extension.idle_end import IdleEnd, Seen, farewell, other_steps, use_of

IDLE = Seen(
    busy_kernels=0, used_kernels=0, terminals=0, kernel_cpu=[0.4, 0.0], gpus=[0.0, 0.9], has_gpus=True
)
HOUR = 3600.0


@pytest.mark.parametrize(
    ("seen", "use"),
    [
        (IDLE, ""),
        (IDLE._replace(gpus=[], has_gpus=False), ""),
        (IDLE._replace(busy_kernels=1), "a kernel runs code"),
        (IDLE._replace(used_kernels=1), "a kernel is open in JupyterLab"),
        (IDLE._replace(terminals=1), "a terminal is open in JupyterLab"),
        (IDLE._replace(kernel_cpu=[4.9]), ""),
        (IDLE._replace(kernel_cpu=[0.0, 5.0]), "a process of a kernel computes"),
        (IDLE._replace(gpus=[0.0, 1.0]), "a GPU computes"),
        (IDLE._replace(gpus=[None, 50.0]), "a GPU computes"),
        (IDLE._replace(gpus=[0.0, None]), "the use of a GPU is not known"),
        (IDLE._replace(gpus=[]), "the use of a GPU is not known"),
        (IDLE._replace(kernel_cpu=[0.0, None]), "what a kernel's processes use is not known"),
        (IDLE._replace(kernel_cpu=[None, 5.0]), "a process of a kernel computes"),
    ],
)
def test_what_uses_a_job_and_what_cannot_be_seen(seen: Seen, use: str) -> None:
    assert use_of(seen) == use


def test_steps_of_others_are_told_from_those_of_every_job() -> None:
    lines = [
        "7.batch|batch",
        "7.extern|extern",
        "7.0|jlab-mcp",
        "7.1|train",
        "7.2|bash",
        "",
        "7.interactive|sh",
    ]
    assert other_steps(lines) == ["7.1 (train)", "7.2 (bash)"]
    assert other_steps([]) == []


def job(hours: float = 2.0, *, steps: bool = True) -> IdleEnd:
    made = IdleEnd(hours, 0.0)
    if steps:
        made.told_steps([], 0.0)
    return made


def test_a_job_ends_when_its_hours_are_over_and_its_steps_were_looked_at_just_then() -> None:
    idle = job()
    assert not idle.is_due(2 * HOUR), "its steps were looked at long ago"
    assert not idle.asks_for_steps(119.9) and idle.asks_for_steps(120.0)
    idle.told_steps([], 2 * HOUR - 1)
    assert not idle.is_due(2 * HOUR - 0.1) and idle.is_due(2 * HOUR)
    assert not idle.is_due(2 * HOUR + 14), "15 s later that is old"
    assert not idle.asks_for_steps(2 * HOUR + 13.9) and idle.asks_for_steps(2 * HOUR + 14)


def test_any_use_begins_the_hours_anew() -> None:
    idle = job()
    idle.look("a GPU computes", HOUR)
    idle.look("", 2 * HOUR)
    assert idle.use == "a GPU computes" and idle.left_s(2 * HOUR) == HOUR
    idle.told_steps(["7.1 (train)"], 2 * HOUR)
    assert idle.use == "step 7.1 (train) runs" and idle.left_s(2 * HOUR) == 2 * HOUR
    idle.told_steps([], 4 * HOUR)
    assert idle.is_due(4 * HOUR)


def test_a_job_whose_steps_are_not_known_never_ends_and_slurm_is_asked_again() -> None:
    idle = job(steps=False)
    assert idle.asks_for_steps(0.0) and not idle.is_due(1e9), "nobody has asked"
    idle.told_steps(None, 1e9)
    assert idle.use == "the steps of the job are not known"
    assert idle.left_s(1e9) == 2 * HOUR and not idle.is_due(1e9 + 2 * HOUR)
    assert not idle.asks_for_steps(1e9 + 29.9) and idle.asks_for_steps(1e9 + 30)


def test_slurm_is_asked_once_more_right_before_the_end() -> None:
    idle = job()
    idle.told_steps([], 2 * HOUR - 100)
    assert not idle.asks_for_steps(2 * HOUR - 1) and idle.asks_for_steps(2 * HOUR)


def test_short_times_are_watched_more_closely() -> None:
    idle = job(0.01)
    assert not idle.asks_for_steps(8.9) and idle.asks_for_steps(9.0)


def test_the_end_is_told_ten_minutes_before_or_half_of_a_shorter_time() -> None:
    idle = job()
    far = {"hours": 2.0, "ends_at": None, "kept_by": "it has just started"}
    assert idle.report(2 * HOUR - 601, 50.0) == far
    assert idle.report(2 * HOUR - 600, 50.0) == {**far, "ends_at": 650.0}
    assert idle.report(2 * HOUR + 9, 50.0)["ends_at"] == 50.0
    short = job(0.1)
    assert short.report(179.0, 0.0)["ends_at"] is None and short.report(180.0, 0.0)["ends_at"] == 180.0


def test_the_log_says_why() -> None:
    assert farewell(2.0) == "jlab-mcp: ended after 2 idle hours (JLAB_MCP_IDLE_END_H=2)"
    assert farewell(0.006) == "jlab-mcp: ended after 0.006 idle hours (JLAB_MCP_IDLE_END_H=0.006)"
