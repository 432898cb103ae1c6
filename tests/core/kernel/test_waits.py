"""What a cell waits for, from its calls and from the system."""

from __future__ import annotations

from typing import Any

import pytest

from jlab_tui.core.kernel.stacks import StackFrame, ThreadStack
from jlab_tui.core.kernel.waits import (
    ProcessFacts,
    ThreadFacts,
    Wait,
    by_calls,
    by_system,
    parse_process,
    what_it_waits_for,
)

LIB = "/opt/env/lib/python3.11"
SITE = f"{LIB}/site-packages"
CELL = ("In[1]", "<module>")


def stack(*calls: tuple[str, str]) -> ThreadStack:
    return ThreadStack("MainThread", tuple(StackFrame(file, 1, name) for file, name in calls), is_main=True)


@pytest.mark.parametrize(
    ("calls", "wait"),
    [
        ([(f"{LIB}/subprocess.py", "_try_wait"), (f"{LIB}/subprocess.py", "wait"), CELL], Wait.CHILD),
        ([(f"{LIB}/selectors.py", "select"), (f"{LIB}/subprocess.py", "_communicate"), CELL], Wait.CHILD),
        ([(f"{SITE}/pexpect/utils.py", "select_ignore_interrupts"), CELL], Wait.CHILD),
        ([(f"{LIB}/multiprocessing/popen_fork.py", "poll"), CELL], Wait.CHILD),
        ([(f"{SITE}/ipykernel/kernelbase.py", "_input_request"), CELL], Wait.INPUT),
        ([(f"{SITE}/torch/distributed/distributed_c10d.py", "barrier"), CELL], Wait.OTHERS),
        (
            [(f"{LIB}/threading.py", "wait"), (f"{LIB}/multiprocessing/pool.py", "get"), CELL],
            Wait.POOL,
        ),
        (
            [(f"{LIB}/threading.py", "wait"), (f"{LIB}/concurrent/futures/_base.py", "result"), CELL],
            Wait.FUTURE,
        ),
        ([(f"{LIB}/threading.py", "wait"), (f"{LIB}/queue.py", "get"), CELL], Wait.QUEUE),
        (
            [(f"{LIB}/threading.py", "_wait_for_tstate_lock"), (f"{LIB}/threading.py", "join"), CELL],
            Wait.THREAD,
        ),
        ([(f"{LIB}/threading.py", "wait"), CELL], Wait.LOCK),
        ([(f"{LIB}/ssl.py", "read"), (f"{SITE}/urllib3/response.py", "read"), CELL], Wait.SOCKET),
        ([(f"{LIB}/multiprocessing/connection.py", "_recv"), CELL], Wait.PIPE),
        ([(f"{SITE}/torch/cuda/__init__.py", "synchronize"), CELL], Wait.GPU),
        ([(f"{SITE}/jax/_src/array.py", "block_until_ready"), CELL], Wait.GPU),
        ([(f"{LIB}/asyncio/tasks.py", "sleep"), CELL], Wait.EVENTS),
        ([CELL], Wait.UNKNOWN),
        ([("/home/u/my_queue.py", "get"), CELL], Wait.UNKNOWN),
        ([], Wait.UNKNOWN),
    ],
)
def test_the_innermost_calls_tell_what_waits(calls: list[tuple[str, str]], wait: Wait) -> None:
    assert by_calls(stack(*calls).frames) is wait


@pytest.mark.parametrize(
    ("facts", "wait"),
    [
        (ThreadFacts("D", "read", "/scratch/x"), Wait.DISK),
        (ThreadFacts("R", "running"), Wait.NOTHING),
        (ThreadFacts("S", "read", "/dev/pts/4"), Wait.INPUT),
        (ThreadFacts("S", "ioctl", "/dev/nvidia0"), Wait.GPU),
        (ThreadFacts("S", "read", "pipe:[77]"), Wait.PIPE),
        (ThreadFacts("S", "write", "socket to 10.0.0.5:80"), Wait.SOCKET),
        (ThreadFacts("S", "read", "/data/file"), Wait.DISK),
        (ThreadFacts("S", "wait4"), Wait.CHILD),
        (ThreadFacts("S", "futex"), Wait.LOCK),
        (ThreadFacts("S", "clock_nanosleep"), Wait.SLEEP),
        (ThreadFacts("S", "flock", "/data/lock"), Wait.FILE_LOCK),
        (ThreadFacts("S", "", wchan="do_wait"), Wait.CHILD),
        (ThreadFacts("S", "", wchan="n_tty_read"), Wait.INPUT),
        (ThreadFacts("S", "read", "", "pipe_read"), Wait.PIPE),
        (ThreadFacts("S", "", wchan="sk_wait_data"), Wait.SOCKET),
        (ThreadFacts("S"), Wait.UNKNOWN),
    ],
)
def test_the_system_tells_where_calls_do_not(facts: ThreadFacts, wait: Wait) -> None:
    assert by_system(facts) is wait


QUEUE = stack((f"{LIB}/queue.py", "get"), CELL)
BARRIER = stack((f"{SITE}/torch/distributed/c10d.py", "barrier"), CELL)
HELD: dict[str, Any] = {"gpu_memory_mb": 900.0, "gpu_percent": 97.0}


def process(state: str, call: str = "", **gpu: Any) -> ProcessFacts:
    return ProcessFacts(1, (ThreadFacts(state, call),), **gpu)


@pytest.mark.parametrize(
    ("main", "facts", "wait"),
    [
        (None, None, Wait.UNKNOWN),
        (None, ProcessFacts(1), Wait.UNKNOWN),
        (QUEUE, None, Wait.QUEUE),
        (QUEUE, process("S", "futex"), Wait.QUEUE),
        (QUEUE, process("R"), Wait.NOTHING),
        (BARRIER, process("R"), Wait.OTHERS),
        (stack(CELL), process("R"), Wait.NOTHING),
        (stack(CELL), process("R", **HELD), Wait.GPU),
        (stack(CELL), process("S", "futex", **HELD), Wait.GPU),
        (stack(CELL), process("S", "clock_nanosleep", **HELD), Wait.SLEEP),
        (QUEUE, process("S", "futex", **HELD), Wait.QUEUE),
        (stack(CELL), process("R", gpu_memory_mb=900.0, gpu_percent=0.0), Wait.NOTHING),
        (stack(CELL), process("R", gpu_percent=97.0), Wait.NOTHING),
    ],
)
def test_calls_and_system_are_judged_together(
    main: ThreadStack | None, facts: ProcessFacts | None, wait: Wait
) -> None:
    assert what_it_waits_for(main, facts) is wait


def test_a_look_at_a_process_is_parsed_and_one_without_a_process_is_no_answer() -> None:
    thread = {"tid": 4, "state": "S", "call": "wait4", "target": "", "wchan": "do_wait", "cpu_s": 1.5}
    raw: dict[str, Any] = {
        "pid": 4,
        "threads": [thread],
        "children": [{"pid": 9, "name": "git", "state": "S", "call": "read", "target": "/dev/pts/1"}],
        "more_children": 2,
        "gpu": {"memory_mb": 10.5, "percent": None},
        "stacks": {"by": "signal", "text": "Thread"},
        "tried": ["py-spy: not installed"],
    }
    found = parse_process(raw)
    assert found.threads == (ThreadFacts("S", "wait4", "", "do_wait", 1.5),)
    assert (found.children[0].pid, found.children[0].name, found.children[0].main.call) == (9, "git", "read")
    assert (found.more_children, found.gpu_memory_mb, found.gpu_percent) == (2, 10.5, None)
    assert (found.stacks_by, found.stacks, found.tried) == ("signal", "Thread", ("py-spy: not installed",))
    with pytest.raises(ValueError, match="without a process"):
        parse_process(["no"])
