"""What a kernel does, folded from its messages."""

from __future__ import annotations

import pytest

from jlab_tui.jupyter_extension.kernel_state import (
    DONE,
    KNOWN_REQUESTS,
    LOST,
    RUNNING,
    SENT,
    SHOWN_REQUESTS,
    KernelState,
    Parent,
)


def run(msg_id: str, subshell: str | None = None) -> Parent:
    return Parent(msg_id, "execute_request", subshell)


def doing(kernel: KernelState) -> tuple[bool, bool, str | None]:
    """Whether it is busy, whether it is occupied, which of our requests runs."""
    return kernel.busy, kernel.occupied, kernel.running


def states(kernel: KernelState) -> dict[str, str]:
    return {msg_id: request["state"] for msg_id, request in kernel.requests().items()}


def test_a_run_is_sent_runs_and_is_done_with_the_number_of_its_reply() -> None:
    kernel = KernelState()
    assert (kernel.known("a"), doing(kernel)) == (False, (False, False, None))
    kernel.sent("a")
    assert (kernel.known("a"), doing(kernel)) == (True, (False, True, None))
    assert states(kernel) == {"a": SENT}
    kernel.status(run("a"), "busy")
    assert doing(kernel) == (True, True, "a")
    assert states(kernel) == {"a": RUNNING}
    kernel.replied(run("a"), 7)
    assert doing(kernel) == (False, False, None)
    assert kernel.requests() == {"a": {"state": DONE, "seq_reply": 7}}
    kernel.status(run("a"), "idle")
    assert kernel.requests() == {"a": {"state": DONE, "seq_reply": 7}}


def test_an_idle_ends_the_run_and_leaves_the_request_to_its_reply() -> None:
    kernel = KernelState()
    kernel.sent("a")
    kernel.status(run("a"), "busy")
    kernel.status(run("a"), "idle")
    assert not kernel.busy and states(kernel) == {"a": RUNNING}


def test_a_late_busy_does_not_make_a_done_request_run_again() -> None:
    kernel = KernelState()
    kernel.sent("a")
    kernel.replied(run("a"), 1)
    kernel.status(run("a"), "busy")
    assert states(kernel) == {"a": DONE}


def test_comm_messages_have_no_reply_and_are_done_with_their_idle() -> None:
    kernel = KernelState()
    kernel.sent("c", is_run=False)
    comm = Parent("c", "comm_msg", None)
    assert not kernel.occupied, "it runs no code"
    kernel.status(comm, "busy")
    assert not kernel.busy and kernel.running is None
    kernel.status(comm, "idle")
    assert states(kernel) == {"c": DONE}
    kernel.status(Parent("unknown", "comm_msg", None), "idle")
    assert states(kernel) == {"c": DONE}


def test_another_clients_run_makes_the_kernel_busy_and_is_not_ours() -> None:
    kernel = KernelState()
    kernel.status(run("theirs"), "busy")
    assert kernel.busy and kernel.running is None and kernel.requests() == {}


@pytest.mark.parametrize(
    ("parent", "state"),
    [
        (Parent("", "execute_request", None), "busy"),
        (run("a"), "starting"),
        (run("a", "subshell"), "busy"),
        (Parent("a", "complete_request", None), "busy"),
    ],
)
def test_only_runs_of_the_main_shell_make_the_kernel_busy(parent: Parent, state: str) -> None:
    kernel = KernelState()
    kernel.status(parent, state)
    assert not kernel.busy and not kernel.occupied


def test_the_main_shell_runs_one_request_at_a_time_so_an_idle_that_was_lost_ends_with_the_next() -> None:
    kernel = KernelState()
    for msg_id in ("a", "b", "sub"):
        kernel.sent(msg_id)
    kernel.status(run("sub", "subshell"), "busy")
    kernel.status(run("a"), "busy")
    kernel.status(run("b"), "busy")
    assert kernel.running == "b"
    kernel.status(run("b"), "idle")
    assert not kernel.busy and states(kernel)["sub"] == RUNNING


def test_a_request_of_a_subshell_leaves_the_main_shells_run_alone() -> None:
    kernel = KernelState()
    kernel.sent("a")
    kernel.status(run("a"), "busy")
    kernel.status(run("b", "subshell"), "busy")
    kernel.status(Parent("c", "complete_request", None), "busy")
    assert kernel.running == "a"


def test_a_dead_kernel_loses_what_it_had_and_not_what_waits_to_be_sent() -> None:
    kernel = KernelState()
    for msg_id in ("done", "ran", "sent", "waits"):
        kernel.sent(msg_id)
    kernel.replied(run("done"), 1)
    kernel.status(run("ran"), "busy")
    assert kernel.kernel_died({"waits"}) == ["ran", "sent"]
    assert states(kernel) == {"done": DONE, "ran": LOST, "sent": LOST, "waits": SENT}
    assert not kernel.busy and kernel.occupied
    assert kernel.kernel_died(set()) == ["waits"]
    kernel.replied(run("never sent by us"), 5)
    assert "never sent by us" not in states(kernel)


def test_recent_requests_are_shown_and_all_that_are_not_done() -> None:
    kernel = KernelState()
    kernel.sent("runs")
    kernel.status(run("runs"), "busy")
    kernel.sent("waits")
    for number in range(SHOWN_REQUESTS + 1):
        kernel.sent(str(number))
        kernel.replied(run(str(number)), number + 1)
    kernel.replied(Parent("other", "execute_request", None), 1)
    assert list(kernel.requests()) == ["runs", "waits", *(str(n) for n in range(1, SHOWN_REQUESTS + 1))]


def test_requests_are_known_for_a_long_time_and_then_forgotten() -> None:
    kernel = KernelState()
    for number in range(KNOWN_REQUESTS + 1):
        kernel.sent(str(number))
    assert not kernel.known("0") and kernel.known("1") and kernel.known(str(KNOWN_REQUESTS))
    assert KNOWN_REQUESTS == 20_000 and SHOWN_REQUESTS == 100
