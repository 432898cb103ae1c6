"""The conversation with a kernel: what recorded kernels sent becomes outputs and ends, in any order of the two channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import DataUpdated, ExecutionStarted, RunStatus
from jlab_tui.core.kernel.conversation import (
    NO_REPLY,
    OBITUARY,
    Conversation,
    KernelDeath,
    Output,
    RunEnded,
)
from jlab_tui.core.kernel.wire import KernelMessage
from jlab_tui.core.notebook.outputs import CellOutputs, to_nbformat
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
                ("stdout", "inside\n"),
                ("execute_result", "IntSlider(value=7, description='n')"),
            ],
        ),
        (OK, [("display_data", "two\n"), ("display_data", "")]),
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


def test_a_kernel_that_goes_idle_without_a_reply_is_never_said_to_have_run_the_code() -> None:
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
    assert death.cause.startswith("exit code 3, each time") and "jlab-mcp logs" in death.cause


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
