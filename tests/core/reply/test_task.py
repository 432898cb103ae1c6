"""Task ids, which any process must understand, and what a client is told about a task."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.reply.task import (
    POLL_MS,
    RerunTask,
    RunTask,
    StartTask,
    Task,
    WaitTask,
    parse_task,
    status_message,
    task_json,
)
from jlab_tui.core.server.resources import GpuSample

TASKS: list[tuple[str, Task | None]] = [
    ("a1b2c3d4-7", RunTask("a1b2c3d4-7")),
    ("a1b2c3d4-7~w2", WaitTask("a1b2c3d4-7", 2)),
    ("a1b2c3d4-resume-3", RerunTask("a1b2c3d4", 3)),
    ("server-1795706534~w1", StartTask(1795706534, 1)),
    ("server-0~w1", StartTask(0, 1)),
    ("", None),
    ("a1b2c3d4", None),
    ("a1b2c3d4-", None),
    ("a1b2c3d4-7~w", None),
    ("a1b2c3d4-7 ", None),
    ("a1b2c3d4-7\n", None),
    ("A1B2-7", None),
    ("../x-7", None),
    ("a1b2c3d4-٣", None),
    ("a1b2c3d4-resume-", None),
    ("a1b2c3d4-resume-1~w1", None),
    ("server-1~w1~w1", None),
    ("server-999999999999~w1", None),
    ("a" * 33 + "-1", None),
]


@pytest.mark.parametrize(("text", "task"), TASKS)
def test_an_id_names_what_it_stands_for(text: str, task: Task | None) -> None:
    assert parse_task(text) == task
    if task is not None:
        assert str(task) == text


def test_a_start_has_a_date_however_long_its_number() -> None:
    last = parse_task("server-" + "9" * 11 + "~w1")
    assert isinstance(last, StartTask) and task_json(last, last.launch, 0.0)["createdAt"].startswith("5138-")


@given(st.text())
def test_any_text_may_be_asked_for(text: str) -> None:
    task = parse_task(text)
    assert task is None or str(task) == text


def test_a_task_works_until_it_has_a_result() -> None:
    task = RunTask("s-1")
    working = task_json(task, 0.0, 59.5, message="epoch 3")
    assert working == {
        "taskId": "s-1",
        "status": "working",
        "createdAt": "1970-01-01T00:00:00Z",
        "lastUpdatedAt": "1970-01-01T00:00:59Z",
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
        "statusMessage": "epoch 3",
    }
    result: dict[str, object] = {"content": []}
    completed = task_json(task, 0.0, 1.0, result=result)
    assert completed["status"] == "completed" and completed["result"] == result
    assert "statusMessage" not in completed and "result" not in working


def test_a_cancelled_task_has_no_result() -> None:
    cancelled = task_json(RunTask("s-1"), 0.0, 1.0, result={"content": []}, is_cancelled=True)
    assert cancelled["status"] == "cancelled" and "result" not in cancelled


def test_a_long_task_is_asked_for_less_often() -> None:
    assert task_json(RunTask("s-1"), 100.0, 160.0)["pollIntervalMs"] == 5000


@pytest.mark.parametrize(
    ("last", "seconds", "gpus", "left", "line"),
    [
        ("epoch 3 loss 0.1", 5.0, (), None, "epoch 3 loss 0.1"),
        ("  ", 65.4, (), None, "running for 0:01:05"),
        ("x" * 300, 1.0, (), None, "x" * 200),
        ("a", 1.0, (GpuSample(0, "H200", utilization_percent=90.0), GpuSample(1, "H200", utilization_percent=50.4)), None, "a · GPU 70%"),
        ("a", 1.0, (GpuSample(0, "H200"),), 3600.0, "a · job ends in 1:00:00"),
        ("a", 1.0, (), -5.0, "a · job ends in 0:00:00"),
        ("a", 1.0, (), 0.0, "a · job ends in 0:00:00"),
    ],
)  # fmt: skip
def test_one_line_says_how_a_run_goes(
    last: str, seconds: float, gpus: tuple[GpuSample, ...], left: float | None, line: str
) -> None:
    assert status_message(last, seconds, gpus, left) == line
