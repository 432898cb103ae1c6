"""The sentence and the stacks that say what a cell is doing."""

from __future__ import annotations

import pytest

from jlab_tui.core.kernel.stacks import StackFrame, ThreadStack
from jlab_tui.core.kernel.stuck import KernelLook, looked, report, sentence, silence, stuck_on
from jlab_tui.core.kernel.waits import ChildFacts, ProcessFacts, ThreadFacts

LIB = "/opt/env/lib/python3.11"
CELL = StackFrame("In[3]", 2, "<module>", "run(['git', 'push'])")
MAIN = ThreadStack("MainThread", (StackFrame(f"{LIB}/subprocess.py", 7, "wait"), CELL), is_main=True)
PLAIN = ThreadStack("MainThread", (CELL,), is_main=True)


def process(state: str = "S", call: str = "", target: str = "", **more: object) -> ProcessFacts:
    return ProcessFacts(1, (ThreadFacts(state, call, target),), **more)  # type: ignore[arg-type]


def child(state: str, call: str = "", target: str = "", name: str = "git") -> ChildFacts:
    return ChildFacts(9, name, ThreadFacts(state, call, target))


AT = "at In[3], line 2: run(['git', 'push'])"


@pytest.mark.parametrize(
    ("threads", "facts", "said"),
    [
        (None, None, "What it does is unknown: neither the kernel nor its server tells."),
        ([PLAIN], process(), f"What it waits for is unknown, {AT}."),
        ([PLAIN], process("R"), f"It waits for nothing: it computes, {AT}."),
        (None, process("R"), "It waits for nothing: it computes."),
        ([MAIN], None, f"It waits for a child process, {AT}."),
        (
            [MAIN],
            process(children=(child("S", "read", "/dev/pts/3"),)),
            "It waits for a child process: git (PID 9), which waits for input from its terminal, where nobody types.",
        ),
        (
            [MAIN],
            process(children=(child("R", name=""),)),
            "It waits for a child process: a program (PID 9), which computes.",
        ),
        ([MAIN], process(children=(child("S", "poll"),)), "It waits for a child process: git (PID 9)."),
        (
            [MAIN],
            process(children=(child("S", "wait4"),)),
            "It waits for a child process: git (PID 9), which waits for a process of its own.",
        ),
        (
            [MAIN],
            process(children=(child("S", "recvfrom"),)),
            "It waits for a child process: git (PID 9), which waits for a network connection.",
        ),
        (
            [PLAIN],
            process("R", gpu_memory_mb=5.0, gpu_percent=98.0),
            f"It waits for the GPU, which is at 98 %, {AT}.",
        ),
        (
            [PLAIN],
            process("S", "recvfrom", "socket to 10.0.0.5:29500"),
            f"It waits for a network connection (socket to 10.0.0.5:29500), {AT}.",
        ),
    ],
)
def test_one_sentence_says_what_it_waits_for(
    threads: list[ThreadStack] | None, facts: ProcessFacts | None, said: str
) -> None:
    look, _ = looked(threads, facts, "subshell")
    assert sentence(look) == said


def test_the_report_has_the_sentence_the_stacks_the_children_and_what_is_left_out() -> None:
    worker = ThreadStack("loader", (StackFrame("/w/data.py", 5, "fill"),))
    empty = ThreadStack("quiet", ())
    own = ThreadStack("IOPub", (StackFrame(f"{LIB}/selectors.py", 1, "select"),))
    facts = process(children=tuple(child("R", name=f"job{n}") for n in range(7)), more_children=3)
    look, count = looked([own, worker, MAIN, empty], facts, "signal")
    text = report(look, count)
    assert text.splitlines() == [
        "It waits for a child process: job6 (PID 9), which computes.",
        "Main thread, outermost call first:",
        "  In[3], line 2: run(['git', 'push'])",
        "  subprocess.py, line 7, in wait",
        "loader:",
        "  /w/data.py, line 5, in fill",
        "Processes below it:",
        *(f"  job{n} (PID 9), which computes" for n in range(5)),
        "(Left out: 2 threads of the kernel's own, 5 other processes. Python's fault handler wrote its stacks, because its lock is "
        "held; the run goes on)",
    ]


def test_a_main_thread_without_python_code_says_so() -> None:
    text = report(KernelLook((ThreadStack("MainThread", (), is_main=True),), None, "py-spy"), 0)
    assert "  no Python code" in text and "(py-spy read its stacks; the run goes on)" in text


def test_without_stacks_it_says_what_was_tried_and_text_is_bounded() -> None:
    look, own = looked(None, process(tried=("py-spy: not installed",)), "")
    assert report(look, own).endswith(
        "(No stacks: the kernel does not answer beside its code (py-spy: not installed).)"
    )
    assert report(KernelLook(None, None), 0).endswith("does not answer beside its code.)")
    many = [
        ThreadStack(f"t{n}", tuple(StackFrame(f"/w/{'x' * 90}.py", k, "f") for k in range(12)))
        for n in range(12)
    ]
    text = report(*looked(many, None, "subshell"))
    assert len(text) == 6000 and text.endswith(" ...")


def test_a_silence_names_the_run_the_time_and_the_call_that_shows_more() -> None:
    look, _ = looked([PLAIN], process("R"), "subshell")
    to_model, to_user = silence("s-1", 125.0, look)
    said = f"Run s-1 has printed nothing for 2 min. It waits for nothing: it computes, {AT}. "
    assert to_model == f'{said}wait_for_run(run_id="s-1", stacks=true) shows its stacks.'
    assert to_user == f"{said}S shows its stacks."
    assert "for 5 s." in silence("s-1", 5.0, look)[0]


@pytest.mark.parametrize(
    ("threads", "facts", "on"),
    [
        (None, None, ""),
        ([PLAIN], process("R"), ""),
        ([PLAIN], process("S", "futex"), "a lock"),
        ([MAIN], process(children=(child("R"),)), ""),
        ([MAIN], process(children=(child("R"), child("S", "read", "/dev/pts/3"))), "input"),
    ],
)
def test_a_cell_that_may_wait_for_ever_is_told_from_one_that_takes_its_time(
    threads: list[ThreadStack] | None, facts: ProcessFacts | None, on: str
) -> None:
    assert stuck_on(looked(threads, facts, "subshell")[0]) == on
