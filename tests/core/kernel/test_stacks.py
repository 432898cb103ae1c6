"""The stacks of a kernel's threads, however they were read: the user's calls first, the kernel's own left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.core.kernel.stacks import (
    StackFrame,
    ThreadStack,
    parse_answer,
    parse_dump,
    stack_lines,
    trimmed,
)

LIB = "/opt/env/lib/python3.11"
SITE = f"{LIB}/site-packages"
FAULT = f"""Current thread 0x00007f10 (most recent call first):
  File "{SITE}/ipykernel/heartbeat.py", line 120 in run
  File "{LIB}/threading.py", line 1045 in _bootstrap_inner
  File "{LIB}/threading.py", line 1002 in _bootstrap

Thread 0x00007f11 [loader] (most recent call first):
  File "{LIB}/queue.py", line 171 in get
  File "/home/u/data.py", line 12 in fill
  File "{LIB}/threading.py", line 982 in run
  File "{LIB}/threading.py", line 1045 in _bootstrap_inner

Thread 0x00007f12 (most recent call first):
  File "/home/u/train.py", line 7 in step
  File "/tmp/ipykernel_42/123.py", line 2 in <module>
  File "{SITE}/IPython/core/interactiveshell.py", line 3701 in run_code
  File "{SITE}/ipykernel/kernelapp.py", line 900 in start
  File "{SITE}/ipykernel_launcher.py", line 18 in <module>
  File "<frozen runpy>", line 88 in _run_code

Extension modules: numpy.core
"""
SPY = f"""Process 42: python -m ipykernel_launcher
Python v3.11.7 (/opt/env/bin/python)

Thread 42 (active+gil): "MainThread"
    Trainer.step (/home/u/train.py:7)
        Arguments:
    <module> (/tmp/ipykernel_42/123.py:2)
    InteractiveShell.run_code ({SITE}/IPython/core/interactiveshell.py:3701)
    Application.launch_instance ({SITE}/traitlets/config/application.py:1075)
Thread 44 (idle): "loader"
    Queue.get ({LIB}/queue.py:171)
    fill (/home/u/data.py:12)
    Thread.run ({LIB}/threading.py:982)
Thread 43 (idle): "Heartbeat"
    Heartbeat.run ({SITE}/ipykernel/heartbeat.py:120)
"""


@pytest.mark.parametrize("dump", [FAULT, SPY], ids=["faulthandler", "py-spy"])
def test_both_dumps_give_the_cells_calls_then_the_users_thread_and_leave_out_the_kernels_own(
    dump: str,
) -> None:
    kept, own = trimmed(parse_dump(dump))
    assert own == 1
    assert [(thread.name, thread.is_main, len(thread.frames)) for thread in kept] == [
        (kept[0].name, True, 2),
        ("loader", False, 2),
    ]
    assert stack_lines(kept[0]) == ["a cell, line 2", "/home/u/train.py, line 7, in step"]
    assert stack_lines(kept[1]) == ["/home/u/data.py, line 12, in fill", "queue.py, line 171, in get"]


def answer(threads: list[dict[str, Any]]) -> dict[str, Any]:
    plain = repr(json.dumps({"threads": threads}))
    return {"user_expressions": {"v": {"status": "ok", "data": {"text/plain": plain}}}}


def test_the_kernels_own_answer_names_the_cell_and_shows_its_line() -> None:
    frames = [
        ["In[5]", 3, "<module>", "done.wait()"],
        [f"{SITE}/IPython/core/interactiveshell.py", 1, "run_code", ""],
    ]
    found = parse_answer(answer([{"name": "MainThread", "main": True, "frames": [*frames, ["odd"]]}, {}]))
    assert found is not None
    assert found[1] == ThreadStack("a thread", ())
    kept, own = trimmed(found)
    assert own == 1 and stack_lines(kept[0]) == ["In[5], line 3: done.wait()"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"user_expressions": {"v": {"status": "error"}}},
        {"user_expressions": {"v": {"data": {"text/plain": "'{'"}}}},
        {"user_expressions": {"v": {"data": {"text/plain": "x"}}}},
    ],
)
def test_an_answer_that_is_none_gives_no_stacks(content: dict[str, Any]) -> None:
    assert parse_answer(content) is None


def main_with(*frames: StackFrame) -> ThreadStack:
    return ThreadStack("MainThread", frames, is_main=True)


def test_without_the_shells_call_the_outermost_cell_ends_the_stack_and_without_a_cell_all_is_shown() -> None:
    idle = StackFrame(f"{LIB}/selectors.py", 468, "select")
    cell = StackFrame("<ipython-input-3-abc>", 1, "<cell>")
    kept, _ = trimmed([main_with(idle, cell, idle, idle)])
    assert kept[0].frames == (idle, cell)
    kept, own = trimmed([main_with(idle, idle)])
    assert (len(kept[0].frames), own) == (2, 0)


def test_a_long_stack_keeps_both_ends_and_the_users_calls_between() -> None:
    library = [StackFrame(f"{SITE}/torch/nn/module.py", line, "_call") for line in range(40)]
    library[20] = StackFrame("/w/model.py", 20, "forward")
    lines = stack_lines(main_with(*library))
    assert lines[0] == "torch/nn/module.py, line 39, in _call" and lines[-1].startswith(
        "torch/nn/module.py, line 0"
    )
    assert lines[4:7] == ["... 15 calls ...", "/w/model.py, line 20, in forward", "... 12 calls ..."]
    recursion = [StackFrame("/home/somebody/far/away/deep.py", line, "f") for line in range(60)]
    lines = stack_lines(main_with(*recursion))
    assert len(lines) == 25 and "... 36 calls ..." in lines
    assert lines[0] == ".../far/away/deep.py, line 59, in f"
    assert "... 1 call ..." in stack_lines(main_with(*library[:13]))


def test_a_dump_longer_than_any_stack_is_bounded() -> None:
    dump = "Thread 0x1 (most recent call first):\n" + '  File "a.py", line 1 in f\n' * 1000
    assert len(parse_dump(dump)[0].frames) == 200
    assert parse_dump('  File "a.py", line 1 in f\n') == []
