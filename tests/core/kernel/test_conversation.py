"""The conversation with a kernel: what recorded kernels sent becomes outputs and ends, in any order of the two channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    ExecutionStarted,
    OutputCleared,
    RunStatus,
    TextPrinted,
)
from jlab_tui.core.journal.run_use import RunUse
from jlab_tui.core.kernel.conversation import (
    NO_REPLY,
    OBITUARY,
    OWN_EXIT,
    Conversation,
    InterruptAnnounced,
    KernelDeath,
    OtherActivity,
    Output,
    Replied,
    RunEnded,
    ends_request,
)
from jlab_tui.core.kernel.interrupt_ladder import ANNOUNCEMENT
from jlab_tui.core.kernel.wire import KernelMessage
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.outputs import CellOutputs
from tests.kernels import NAMES, Transcript, transcript

OK, ERROR = RunStatus.OK, RunStatus.ERROR
Row = tuple[RunStatus, list[tuple[str, str]]]

OUTPUTS: dict[str, list[Row]] = {
    "streams": [
        (OK, [("stdout", "out\nout again\n"), ("stderr", "err\n"), ("execute_result", "7")]),
        (OK, [("stdout", "".join(f"line {i}\n" for i in range(40)))]),
        (OK, [("stdout", "from a child\n")]),
    ],
    "displays": [
        (
            OK,
            [
                ("display_data", "'third'"),
                ("display_data", "<IPython.core.display.HTML object>"),
                ("execute_result", "<IPython.core.display.Markdown object>"),
            ],
        ),
        (OK, [("stdout", "between\n")]),
        (OK, [("stdout", "replaced\n")]),
        (OK, [("display_data", "4")]),
    ],
    "widgets": [
        (OK, [("display_data", "bar:   0%|          | 0/4 [00:00<?, ?it/s]"), ("stdout", "done\n")]),
        (
            OK,
            [
                ("display_data", "Output()"),
                ("execute_result", "IntSlider(value=7, description='n')"),
            ],
        ),
        (OK, [("display_data", "Output()"), ("display_data", "")]),
    ],
    "bars": [
        (
            OK,
            [
                ("display_data", "outer:   0%|          | 0/2 [00:00<?, ?it/s]"),
                ("display_data", "inner:   0%|          | 0/2 [00:00<?, ?it/s]"),
                ("display_data", "inner:   0%|          | 0/2 [00:00<?, ?it/s]"),
                ("stdout", "after\n"),
            ],
        ),
        (OK, [("display_data", "open: 0it [00:00, ?it/s]")]),
        (OK, [("display_data", "add:   0%|          | 0/2 [00:00<?, ? examples/s]")]),
        (
            OK,
            [
                ("display_data", "<IPython.core.display.HTML object>"),
                (
                    "display_data",
                    '<div><progress max="2" value="2"></progress> 100.00% [2/2 00:00&lt;00:00]</div>',
                ),
            ],
        ),
        (
            OK,
            [
                ("display_data", "Output()"),
                ("stdout", "own\n"),
                (
                    "execute_result",
                    "VBox(children=(Label(value='title'), IntProgress(value=0, description='steps', max=4)))",
                ),
            ],
        ),
        (OK, [("stdout", "goes on\n")]),
    ],
    "late": [
        (OK, [("stdout", "late 0\nlate 1\nlate 2\nlate 3\n")]),
        (OK, [("stdout", "meanwhile\n")]),
    ],
}
ERRORS = [
    "ZeroDivisionError",
    "SyntaxError",
    "SystemExit",
    "StdinNotImplementedError",
    "StdinNotImplementedError",
    "KeyboardInterrupt",
]


def played(recorded: Transcript, messages: Iterable[KernelMessage]) -> list[tuple[RunEnded, list[Any]]]:
    """How each cell ended and what its notebook cell would show."""
    conversation = Conversation()
    ends: dict[str, RunEnded] = {}
    outputs = {msg_id: CellOutputs() for msg_id in recorded.cells}
    for msg_id in recorded.cells:
        conversation.asked(msg_id, msg_id)
    for message in messages:
        for fact in conversation.feed(message):
            if isinstance(fact, RunEnded):
                assert fact.run not in ends, "a run ends once"
                ends[fact.run] = fact
            elif isinstance(fact, DataUpdated):
                for shown in outputs.values():
                    shown.update(fact)
            elif isinstance(fact, Output):
                outputs[fact.run].feed(fact)
    return [(ends[msg_id], to_nbformat(outputs[msg_id], "record")) for msg_id in recorded.cells]


def brief(cells: list[tuple[RunEnded, list[dict[str, Any]]]]) -> list[Row]:
    def row(output: dict[str, Any]) -> tuple[str, str]:
        match output["output_type"]:
            case "stream":
                return str(output["name"]), str(output["text"])
            case "error":
                return "error", str(output["ename"])
            case kind:
                return str(kind), str(output["data"]["text/plain"])

    return [(end.status, [row(output) for output in outputs]) for end, outputs in cells]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_recorded_kernel_gives_the_outputs_that_its_notebook_shows(name: str) -> None:
    recorded = transcript(name)
    assert brief(played(recorded, recorded.messages)) == OUTPUTS[name]


def test_each_recorded_error_is_shown_once_and_after_what_was_printed() -> None:
    recorded = transcript("errors")
    cells = brief(played(recorded, recorded.messages))
    assert [[text for kind, text in outputs if kind == "error"] for _, outputs in cells] == [
        [e] for e in ERRORS
    ]
    assert cells[0] == (ERROR, [("stdout", "before\n"), ("error", "ZeroDivisionError")])
    assert [status for status, _ in cells] == [ERROR] * 5 + [RunStatus.INTERRUPTED]


def test_exceptions_of_every_make_are_shown_with_what_was_printed() -> None:
    recorded = transcript("groups")
    group, chained, bash, caught, unprintable = brief(played(recorded, recorded.messages))
    assert [kind for kind, _ in group[1]] == ["stdout", "stderr", "error"]
    assert all(word in group[1][1][1] for word in ("ValueError: 1", "ExceptionGroup: inner", "TypeError: t"))
    assert chained == (ERROR, [("error", "RuntimeError")])
    assert bash == (ERROR, [("stdout", "out\n"), ("stderr", "err\n"), ("error", "CalledProcessError")])
    assert caught == (OK, [("error", "ZeroDivisionError"), ("stdout", "after\n")])
    assert unprintable == (ERROR, [("error", "ValueError")] * 2)


def test_help_pages_and_errors_that_only_the_reply_tells_are_shown() -> None:
    recorded = transcript("pages")
    page, _, magic, timed, recalled = brief(played(recorded, recorded.messages))
    assert page[0] is OK and "Return the number of items" in page[1][0][1]
    assert magic[0] is ERROR and magic[1][-1] == ("error", "UsageError")
    assert timed[1][-1] == ("execute_result", "2")
    assert recalled == (OK, [("display_data", "%magic_that_is_not_there")])


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_order_in_which_the_two_channels_arrive_changes_nothing(name: str, data: st.DataObject) -> None:
    """iopub and shell are sockets of their own: each keeps its order, between them there is none."""
    recorded = transcript(name)
    iopub = [m for m in recorded.messages if m.channel == "iopub"]
    mixed = list(iopub)
    for reply in (m for m in recorded.messages if m.channel == "shell" and m.parent_id in recorded.cells):
        own = [at for at, m in enumerate(mixed) if m.parent_id == reply.parent_id]
        mixed.insert(data.draw(st.integers(own[0], own[-1] + 1), label="place"), reply)
    assert played(recorded, mixed) == played(recorded, recorded.messages)


# -- what no recording holds -------------------------------------------------------------------------------------


def message(kind: str, parent: str = "m", channel: str = "iopub", **content: Any) -> KernelMessage:
    return KernelMessage(channel, kind, "x", parent, content)


def idle(parent: str = "m") -> KernelMessage:
    return message("status", parent, execution_state="idle")


def asked(*msg_ids: str) -> Conversation:
    conversation = Conversation()
    for msg_id in msg_ids:
        conversation.asked(msg_id, f"run {msg_id}")
    return conversation


def test_a_kernel_that_goes_idle_without_a_reply_is_never_reported_to_have_run_the_code() -> None:
    conversation = asked("m")
    assert conversation.feed(message("execute_input", execution_count=1)) == [ExecutionStarted("run m", 1)]
    assert conversation.feed(idle()) == []
    assert conversation.settle("run m") == [RunEnded("run m", RunStatus.LOST, 1, NO_REPLY)]
    assert conversation.settle("run m") == []


def test_an_error_that_was_seen_ends_a_run_whose_reply_stays_away() -> None:
    conversation = asked("m")
    conversation.feed(message("error", ename="ValueError", evalue="", traceback=[]))
    conversation.feed(idle())
    assert conversation.settle("run m") == [RunEnded("run m", ERROR, None)]


def obituary(**content: Any) -> KernelMessage:
    return message(OBITUARY, "", exit_code=0, signal=None, detail="", **content)


@pytest.mark.parametrize(("cause", "is_asked"), [("restart", True), ("exit", False)])
def test_an_obituary_ends_what_the_dead_process_had_and_nothing_sent_after_it(
    cause: str, is_asked: bool
) -> None:
    conversation = asked("had", "began", "later")
    conversation.feed(message("execute_input", "began", execution_count=2))
    death, *ends = conversation.feed(obituary(cause=cause, restarting=True, lost=["had"]))
    assert isinstance(death, KernelDeath) and death.asked is is_asked and death.restarting
    assert [(e.run, e.status) for e in ends if isinstance(e, RunEnded)] == [
        ("run had", RunStatus.DIED),
        ("run began", RunStatus.DIED),
    ]
    conversation.feed(message("execute_reply", "later", "shell", status="ok", execution_count=1))
    assert conversation.feed(idle("later")) == [RunEnded("run later", OK, 1)]


def test_the_end_of_a_run_says_what_it_used() -> None:
    conversation = asked("m", "n")
    conversation.feed(
        message("status", "m", execution_state="idle", jlab_mcp_use={"cpu_s": 2.5, "peak_mb": "?"})
    )
    conversation.feed(message("execute_input", "n", execution_count=2))
    ended = conversation.feed(message("execute_reply", "m", "shell", status="ok", execution_count=1))
    assert ended == [RunEnded("run m", OK, 1, use=RunUse(cpu_s=2.5))]
    died = conversation.feed(obituary(cause="oom", jlab_mcp_use={"n": {"peak_mb": 31_000.0}}))
    assert isinstance(died[1], RunEnded) and died[1].use == RunUse(peak_mb=31_000.0)


def test_a_kernel_that_dies_whenever_it_is_started_is_sent_to_the_log() -> None:
    content: dict[str, Any] = {
        "exit_code": 3,
        "signal": None,
        "cause": "keeps dying",
        "restarting": False,
        "lost": [],
    }
    (death,) = asked("m").feed(message(OBITUARY, "", **content))
    assert isinstance(death, KernelDeath) and not death.asked and not death.restarting
    assert death.cause.startswith("exit code 3, on every start") and "jlab-mcp logs" in death.cause


def test_a_stock_servers_word_of_a_death_ends_everything() -> None:
    conversation = asked("a", "b")
    facts = conversation.feed(message("status", "", execution_state="restarting"))
    assert [f.status for f in facts if isinstance(f, RunEnded)] == [RunStatus.DIED] * 2


def test_widgets_comms_and_messages_of_other_clients_say_nothing() -> None:
    conversation = asked("m")
    for kind in ("comm_open", "comm_msg", "comm_close", "debug_event"):
        assert conversation.feed(message(kind, data={})) == []
    assert conversation.feed(message("stream", "of another client", name="stdout", text="x")) == []


@pytest.mark.parametrize(
    "content", [{}, {"text": None}, {"data": "no mapping"}, {"traceback": 3, "ename": None}]
)
@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "update_display_data", "error"])
def test_malformed_messages_break_nothing(kind: str, content: dict[str, Any]) -> None:
    conversation = asked("m")
    conversation.feed(message(kind, **content))
    conversation.feed(
        message("execute_reply", "m", "shell", status="ok", payload=[1, {"source": "page", "data": 3}])
    )
    assert conversation.feed(idle())[-1] == RunEnded("run m", OK, None)


def reply(parent: str = "m", status: str = "ok", **content: Any) -> KernelMessage:
    return message("execute_reply", parent, "shell", status=status, **content)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"cause": "restart"}, "the kernel was restarted"),
        ({"cause": "shutdown"}, "the kernel was shut down"),
        ({"cause": "culled", "detail": "idle for 4 s"}, "idle for 4 s"),
        ({"cause": "culled"}, "Jupyter culled it"),
        (
            {"cause": "left", "detail": "its client was gone, and it had been idle for 30 s"},
            "its client was gone, and it had been idle for 30 s",
        ),
        ({"cause": "oom", "signal": 9}, "out of memory: the kernel was killed by the out-of-memory killer"),
        ({"signal": 9}, "signal SIGKILL, often sent by the out-of-memory killer"),
        ({"signal": "SIGKILL"}, "signal SIGKILL, often sent by the out-of-memory killer"),
        ({"signal": 11}, "signal SIGSEGV"),
        ({"signal": 35}, "signal 35"),
        ({"signal": [9]}, "signal [9]"),
        ({"exit_code": 0}, "exit code 0"),
        ({"exit_code": 3, "detail": "more"}, "exit code 3"),
        ({"detail": "the node was lost"}, "the node was lost"),
        ({}, ""),
    ],
)
def test_a_death_is_reported_with_what_the_server_knows_of_it(content: dict[str, Any], cause: str) -> None:
    (death,) = Conversation().feed(message(OBITUARY, "", **content))
    is_asked = content.get("cause") in ("restart", "shutdown", "culled", "left")
    is_by_rule = content.get("cause") in ("culled", "left")
    assert death == KernelDeath(cause, restarting=False, asked=is_asked, is_by_rule=is_by_rule)


def test_requests_that_a_dead_process_had_are_named_by_any_id() -> None:
    (death,) = Conversation().feed(message(OBITUARY, "", lost=["a", 7], restarting=1))
    assert death == KernelDeath("", restarting=True, lost=frozenset({"a", "7"}))


@pytest.mark.parametrize(("state", "is_death"), [("dead", True), ("restarting", True), ("idle", False), ("busy", False)])  # fmt: skip
def test_a_status_of_nobodys_request_ends_a_run_only_when_the_kernel_has_ended(
    state: str, is_death: bool
) -> None:
    facts = asked("m").feed(message("status", "", execution_state=state))
    assert bool(facts) is is_death
    assert not facts or facts[0] == KernelDeath("", restarting=state == "restarting")
    assert asked("m").feed(message("status", execution_state=state)) == [], "of ours, it is no end yet"


def test_a_death_ends_no_run_twice_and_nobody_elses_code_continues() -> None:
    conversation = asked("done", "m")
    conversation.feed(message("execute_input", "other", code="x"))
    conversation.feed(reply("done"))
    assert conversation.feed(idle("done")) == [RunEnded("run done", OK, None)]
    facts = conversation.feed(obituary(cause="exit"))
    assert [f.run for f in facts if isinstance(f, RunEnded)] == ["run m"]
    assert len(conversation.feed(obituary(cause="exit"))) == 1, "only the second death"
    assert not conversation.others_busy and conversation.feed(idle("other")) == []


@pytest.mark.parametrize(
    "reached", [message("execute_input"), idle(), reply()], ids=["input", "idle", "reply"]
)
def test_a_request_that_a_dead_process_has_answered_is_not_its_successors(reached: KernelMessage) -> None:
    conversation = asked("m")
    conversation.feed(reached)
    facts = conversation.feed(obituary(cause="exit", restarting=True, lost=[]))
    assert [f.run for f in facts if isinstance(f, RunEnded)] == ["run m"]


def test_code_of_others_is_reported_until_the_last_of_it_has_ended() -> None:
    conversation = asked("m")
    assert conversation.feed(message("execute_input", "a", code="x = 1")) == [OtherActivity(True, "x = 1")]
    assert conversation.feed(message("execute_input", "b")) == [OtherActivity(True, "")]
    assert conversation.feed(message("status", "a", execution_state="busy")) == []
    assert conversation.feed(message("stream", "a", execution_state="idle")) == []
    assert conversation.feed(idle("c")) == [] and conversation.others_busy
    assert conversation.feed(idle("a")) == [] and conversation.others_busy
    assert conversation.feed(idle("b")) == [OtherActivity(False)]
    assert conversation.feed(idle("b")) == [] and asked("m").feed(idle("other")) == []


def test_another_process_tells_that_it_interrupts_what_runs() -> None:
    said = message("status", f"{ANNOUNCEMENT}1", execution_state="busy")
    assert asked("m").feed(said) == [InterruptAnnounced()]


def test_a_kernel_is_free_when_the_code_of_others_has_ended() -> None:
    conversation = asked("m")
    conversation.feed(message("execute_input", "a"))
    for sent in (
        message("status", "a", execution_state="busy"),
        message("stream", "a", execution_state="idle"),
        idle("b"),
    ):
        conversation.feed(sent)
        assert conversation.others_busy
    conversation.feed(idle("a"))
    assert not conversation.others_busy


def test_an_answer_that_comes_before_the_output_is_kept_until_the_kernel_is_idle() -> None:
    conversation = asked("m")
    answer = reply(execution_count=4)
    assert conversation.feed(answer) == [Replied("run m", answer.content)]
    assert conversation.feed(message("stream", name="stderr", text="late")) == [
        TextPrinted("run m", "stderr", "late")
    ]
    assert conversation.feed(idle()) == [RunEnded("run m", OK, 4)]
    assert conversation.feed(idle()) == []
    assert conversation.feed(message("kernel_info_reply", "m", "shell", status="ok")) == []


@pytest.mark.parametrize(
    ("content", "error", "end"),
    [
        ({"status": "ok", "execution_count": 4}, "", RunEnded("run m", OK, 4)),
        ({"status": "error", "ename": "ValueError"}, "ValueError", RunEnded("run m", ERROR, 2)),
        ({"status": "error"}, "KeyboardInterrupt", RunEnded("run m", RunStatus.INTERRUPTED, 2)),
        ({"status": "error", "execution_count": True}, "", RunEnded("run m", ERROR, 2)),
        ({"status": "aborted"}, "", RunEnded("run m", RunStatus.ABORTED, None, "The kernel skipped it after an earlier error.")),
        ({"status": "abort"}, "", RunEnded("run m", RunStatus.ABORTED, None, "The kernel skipped it after an earlier error.")),
    ],
)  # fmt: skip
def test_a_run_ends_as_the_kernel_answers(content: dict[str, Any], error: str, end: RunEnded) -> None:
    conversation = asked("m")
    conversation.feed(message("execute_input", execution_count=2))
    if error:
        conversation.feed(message("error", ename=error, evalue="", traceback=[]))
    conversation.feed(message("execute_reply", "m", "shell", **content))
    assert conversation.feed(idle()) == [end]


def test_an_error_that_only_the_reply_names_is_shown() -> None:
    conversation = asked("m")
    conversation.feed(reply(status="error", ename="UsageError", evalue="no", traceback=("a", 1)))
    assert conversation.feed(idle()) == [
        ErrorRaised("run m", "UsageError", "no", ("a", "1")),
        RunEnded("run m", ERROR, None),
    ]
    conversation = asked("m")
    conversation.feed(reply(status="error", ename="KeyboardInterrupt"))
    assert conversation.feed(idle())[-1] == RunEnded("run m", RunStatus.INTERRUPTED, None)


@pytest.mark.parametrize(
    ("payload", "waits"),
    [
        ({"source": "ask_exit", "keepkernel": False}, True),
        ({"source": "ask_exit"}, True),
        ({"source": "ask_exit", "keepkernel": True}, False),
        ({"source": "page", "data": {}}, False),
    ],
)
def test_code_that_ends_its_kernel_runs_until_the_kernel_has_ended(
    payload: dict[str, Any], waits: bool
) -> None:
    conversation = asked("m")
    conversation.feed(reply(payload=[payload]))
    assert (conversation.feed(idle()) == []) is waits
    died = conversation.feed(obituary(cause="exit", lost=[]))[1:]
    assert died == ([RunEnded("run m", RunStatus.DIED, None, OWN_EXIT)] if waits else [])


def test_an_exit_of_the_code_itself_is_told_as_one() -> None:
    conversation = asked("m")
    conversation.feed(reply(payload=[{"source": "ask_exit"}]))
    conversation.feed(idle())
    death = conversation.feed(message("status", "", execution_state="restarting"))[0]
    assert isinstance(death, KernelDeath) and death.cause == OWN_EXIT and "exit()" in OWN_EXIT
    conversation.asked("n", "run n")
    conversation.feed(reply("n", payload=[{"source": "ask_exit"}]))
    death = conversation.feed(obituary(cause="restart", lost=["n"], restarting=True))[0]
    assert isinstance(death, KernelDeath) and death.cause == "the kernel was restarted", "somebody was faster"
    death = conversation.feed(obituary(cause="exit", lost=[]))[0]
    assert isinstance(death, KernelDeath) and death.cause == "exit code 0", "that run has ended"


def shell_reply(code: Any, status: str = "ok") -> KernelMessage:
    answer = {"jlab_mcp_exit_code": {"status": status, "data": {"text/plain": code}}}
    return reply(user_expressions=answer)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (shell_reply("1"), "Its last shell command failed with exit code 1."),
        (shell_reply("-9"), "Its last shell command failed with exit code -9."),
        (shell_reply("-2"), "Its last shell command failed with exit code -2."),
        (shell_reply("130"), "Its last shell command failed with exit code 130."),
        (shell_reply("--2"), ""),
        (shell_reply("0"), ""),
        (shell_reply("None"), ""),
        (shell_reply(3), ""),
        (reply(user_expressions={"jlab_mcp_exit_code": {"status": "error", "ename": "NameError"}}), ""),
        (reply(user_expressions=7), ""),
        (reply(), ""),
    ],
)
def test_a_failed_shell_command_is_told_with_the_end_of_its_cell(answer: KernelMessage, cause: str) -> None:
    conversation = asked("m")
    conversation.feed(answer)
    is_interrupted = "code -2" in cause or "code 130" in cause
    assert conversation.feed(idle()) == [RunEnded("run m", OK, None, cause, is_interrupted)]


def test_code_that_asks_its_kernel_to_end_is_over_when_the_kernel_lives_on() -> None:
    conversation = asked("m")
    conversation.feed(reply(payload=[{"source": "ask_exit"}]))
    conversation.feed(idle())
    assert conversation.settle("run m") == [RunEnded("run m", OK, None)]
    assert conversation.settle("run m") == []


def test_a_run_whose_reply_came_ends_though_the_kernel_never_says_that_it_is_idle() -> None:
    conversation = asked("other", "m")
    assert conversation.settle("run m") == []
    conversation.feed(reply("other"))
    conversation.feed(reply("m", execution_count=3))
    assert conversation.settle("run m") == [RunEnded("run m", OK, 3)]
    assert conversation.settle("unknown") == []


def test_an_earlier_processes_run_continues_where_it_was() -> None:
    page = {"text/plain": "a page"}
    conversation = Conversation()
    content = {"status": "ok", "execution_count": 6, "payload": [{"source": "page", "data": page}]}
    conversation.asked("m", "run m", has_started=True, reply=content, shown=[page])
    assert conversation.feed(idle()) == [RunEnded("run m", OK, 6)], "the page is not shown again"
    conversation.asked("n", "run n", error="KeyboardInterrupt")
    conversation.feed(reply("n", "error", ename="KeyboardInterrupt"))
    assert conversation.feed(idle("n")) == [RunEnded("run n", RunStatus.INTERRUPTED, None)]
    conversation.asked("o", "run o", has_started=True)
    assert conversation.feed(obituary(cause="exit", lost=[]))[1:] == [
        RunEnded("run o", RunStatus.DIED, None, "exit code 0")
    ]


def test_late_output_of_a_run_that_has_ended_is_its_own_and_a_forgotten_one_is_nobodys() -> None:
    conversation = Conversation()
    conversation.ended("m", "run m")
    late = message("stream", name="stdout", text="late")
    assert conversation.feed(late) == [TextPrinted("run m", "stdout", "late")]
    conversation.feed(reply())
    assert conversation.feed(idle()) == [] and conversation.settle("run m") == []
    conversation.forget("m")
    conversation.forget("never asked")
    assert conversation.feed(late) == []


def test_of_very_many_requests_the_newest_are_remembered() -> None:
    conversation = asked(*(str(n) for n in range(201)))
    late = [conversation.feed(message("stream", str(n), name="stdout", text="x")) for n in range(201)]
    assert late[0] == [] and all(late[1:])


@pytest.mark.parametrize(
    ("sent", "facts"),
    [
        (message("stream", name="stdout", text=""), []),
        (message("stream", name="other", text="x"), [TextPrinted("run m", "stdout", "x")]),
        (message("clear_output", wait=True), [OutputCleared("run m", True)]),
        (message("clear_output"), [OutputCleared("run m", False)]),
        (message("update_display_data", data={"a": 1}), []),
        (message("update_display_data", data={"a": 1}, transient={"display_id": None}), []),
        (
            message("update_display_data", data={"a": 1}, transient={"display_id": "d"}, metadata={"b": 2}),
            [DataUpdated("run m", "d", {"a": 1}, {"b": 2})],
        ),
        (
            message("display_data", data={"a": 1}, metadata={"b": 2}, transient={"display_id": "d"}),
            [DataShown("run m", {"a": 1}, {"b": 2}, "d")],
        ),
        (message("execute_result", data={"a": 1}, execution_count=5), [DataShown("run m", {"a": 1}, {}, "", 5)]),
        (message("execute_result", data={"a": 1}), [DataShown("run m", {"a": 1}, {}, "", 0)]),
        (message("error"), [ErrorRaised("run m", "Error", "", ())]),
    ],
)  # fmt: skip
def test_each_output_is_recorded_as_the_kernel_sent_it(sent: KernelMessage, facts: list[Any]) -> None:
    assert asked("m").feed(sent) == facts


def test_a_result_has_the_number_of_its_code_where_it_tells_none() -> None:
    conversation = asked("m")
    conversation.feed(message("execute_input", execution_count=5))
    assert conversation.feed(message("execute_result", data={})) == [DataShown("run m", {}, {}, "", 5)]


@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        (reply(), True),
        (idle(), True),
        (message("status", execution_state="busy"), False),
        (message("stream", execution_state="idle"), False),
    ],
)
def test_a_request_ends_with_its_reply_and_with_idle(sent: KernelMessage, ends: bool) -> None:
    assert ends_request(sent) is ends
