"""Why a kernel's process ended, as a table."""

from __future__ import annotations

import signal

import pytest

from jlab_tui.jupyter_extension.exit_cause import EndRule, ProcessExit, exit_cause, final_cause


@pytest.mark.parametrize(
    ("seen", "cause", "exit_code", "name", "detail"),
    [
        (ProcessExit(0, True, True, 0), "restart", 0, None, "The kernel was restarted."),
        (ProcessExit(0, True, False, 0), "shutdown", 0, None, "The kernel was shut down."),
        (ProcessExit(0, True, False, 0, EndRule("culled", "idle")), "culled", 0, None, "idle"),
        (
            ProcessExit(3, False, False, 0, EndRule("left", "gone", {"by": "X"})),
            "exit",
            3,
            None,
            "The kernel's process exited with code 3.",
        ),
        (ProcessExit(-9, True, False, 1), "shutdown", None, "SIGKILL", "The kernel was shut down."),
        (
            ProcessExit(-9, False, True, 1),
            "oom",
            None,
            "SIGKILL",
            "The out-of-memory killer ended the kernel (SIGKILL).",
        ),
        (ProcessExit(-9, False, True, 0), "signal", None, "SIGKILL", "The kernel was killed by SIGKILL."),
        (ProcessExit(-11, False, True, 1), "signal", None, "SIGSEGV", "The kernel was killed by SIGSEGV."),
        (ProcessExit(-1, False, True, 0), "signal", None, "SIGHUP", "The kernel was killed by SIGHUP."),
        (
            ProcessExit(-99, False, True, 0),
            "signal",
            None,
            "signal 99",
            "The kernel was killed by signal 99.",
        ),
        (ProcessExit(3, False, True, 0), "exit", 3, None, "The kernel's process exited with code 3."),
        (ProcessExit(0, False, True, 2), "exit", 0, None, "The kernel's process exited with code 0."),
        (
            ProcessExit(None, False, False, 0),
            "exit",
            None,
            None,
            "The kernel's process is gone; its exit code is unknown.",
        ),
    ],
)
def test_an_exit_is_explained(
    seen: ProcessExit, cause: str, exit_code: int | None, name: str | None, detail: str
) -> None:
    assert exit_cause(seen) == {
        "exit_code": exit_code,
        "signal": name,
        "cause": cause,
        "detail": detail,
        "restarting": seen.replaced,
    }


def test_a_kernel_that_the_server_gave_up_keeps_dying_and_its_last_exit_is_reported() -> None:
    last = ProcessExit(-signal.SIGSEGV, False, True, 0)
    assert final_cause(last, True) == {**exit_cause(last), "cause": "keeps dying", "restarting": False}


def test_a_crashed_kernel_that_was_then_removed_was_shut_down() -> None:
    told = final_cause(ProcessExit(3, False, True, 0), False)
    assert (told["cause"], told["exit_code"], told["restarting"]) == ("shutdown", None, False)


def test_the_facts_of_the_rule_that_ended_a_kernel_are_with_its_cause() -> None:
    seen = ProcessExit(0, True, False, 0, EndRule("left", "its client was gone", {"by": "X", "idle_s": 30.0}))
    told = exit_cause(seen)
    assert (told["cause"], told["by"], told["idle_s"]) == ("left", "X", 30.0)
