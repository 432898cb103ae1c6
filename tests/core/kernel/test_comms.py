"""The messages of widgets, and what a reply and a notebook make of them."""

from __future__ import annotations

from typing import Any

import pytest

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    OutputCleared,
    TextPrinted,
    WidgetsChanged,
)
from jlab_tui.core.kernel.conversation import Conversation, Fact
from jlab_tui.core.kernel.wire import KernelMessage, unpack_message
from jlab_tui.core.notebook.file_text import outputs_of
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.notebook.widget_state import SessionWidgets
from jlab_tui.core.reply.compose import brief
from tests.core.kernel.test_wire import message as frame
from tests.kernels import transcript


def comm(
    kind: str, comm_id: str, data: Any = None, parent: str = "m", buffers: tuple[bytes, ...] = (), **more: Any
) -> KernelMessage:
    content = {"comm_id": comm_id, "data": data, **more}
    return KernelMessage("iopub", kind, "id", parent, content, buffers=buffers)


def opened(comm_id: str, **state: Any) -> KernelMessage:
    return comm("comm_open", comm_id, {"state": state}, target_name="jupyter.widget")


def updated(comm_id: str, parent: str = "m", **state: Any) -> KernelMessage:
    return comm("comm_msg", comm_id, {"method": "update", "state": state}, parent)


def said(kind: str, parent: str = "m", **content: Any) -> KernelMessage:
    return KernelMessage("iopub", kind, "id", parent, content)


def shown(model_id: str) -> KernelMessage:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": model_id}, "text/plain": "Label()"}
    return said("display_data", data=view)


def conversation() -> Conversation:
    asked = Conversation()
    asked.asked("m", "r")
    return asked


def facts(*messages: KernelMessage) -> list[Fact]:
    kernel = conversation()
    return [fact for message in messages for fact in kernel.feed(message)]


LABEL = opened("a", _model_name="LabelModel", value="x")


def test_a_widget_that_is_shown_is_told_with_every_change_of_it() -> None:
    told = facts(LABEL, updated("a", value="y"), shown("a"), updated("a", value="z"), comm("comm_close", "a"))
    assert told[:2] == [
        WidgetsChanged("r", {"a": {"_model_name": "LabelModel", "value": "x"}}),
        WidgetsChanged("r", {"a": {"value": "y"}}),
    ]
    assert isinstance(told[2], DataShown) and told[2].view == "y" and told[2].data["text/plain"] == "Label()"
    assert told[3:] == [
        WidgetsChanged("r", {"a": {"value": "z"}}, views={"a": "z"}),
        WidgetsChanged("r", {"a": None}, views={"a": ""}),
    ]


@pytest.mark.parametrize(
    "message",
    [
        comm("comm_open", "a", {"state": {"_model_name": "X"}}, target_name="other"),
        comm("comm_open", "a", {"state": {"value": 1}}, target_name="jupyter.widget"),
        comm("comm_open", "a", None, target_name="jupyter.widget"),
        comm("comm_msg", "unknown", {"method": "update", "state": {"value": 1}}),
        comm("comm_msg", "l", {"method": "custom", "content": {"msg": 1}}),
        comm("comm_msg", "l", {"method": "update", "state": {}}),
        comm("comm_msg", "l", "no mapping"),
        comm("comm_close", "unknown"),
        KernelMessage("shell", "comm_msg", "id", "m", {"comm_id": "l", "data": {"method": "update", "state": {"value": 1}}}),
        said("comm_info_reply"),
    ],
)  # fmt: skip
def test_other_comms_and_messages_for_nobody_say_nothing(message: KernelMessage) -> None:
    assert facts(opened("l", _model_name="LabelModel"), message)[1:] == []


def test_what_another_client_changes_is_told_of_no_run() -> None:
    told = facts(LABEL, shown("a"), updated("a", "a browser's request", value="y"))
    assert told[-1] == WidgetsChanged("", {"a": {"value": "y"}}, views={"a": "y"})


def test_binary_values_come_with_their_paths() -> None:
    picture = comm(
        "comm_open", "a", {"state": {"_model_name": "ImageModel"}, "buffer_paths": [["value"], ["x", 0]]},
        target_name="jupyter.widget", buffers=(b"\xff", b""),
    )  # fmt: skip
    (told,) = facts(picture)
    assert isinstance(told, WidgetsChanged)
    assert told.buffers == {
        "a": [
            {"path": ["value"], "encoding": "base64", "data": "/w=="},
            {"path": ["x", 0], "encoding": "base64", "data": ""},
        ]
    }
    alone = comm("comm_msg", "a", {"method": "update", "state": {}, "buffer_paths": [["v"]]}, buffers=(b"1",))
    assert len(facts(picture, alone)) == 2


def test_a_widget_message_on_the_wire_keeps_its_state_and_its_binary_values() -> None:
    header, content = {"msg_type": "comm_msg", "msg_id": "m"}, {"data": {"state": {"value": 1}}}
    arrived = unpack_message(frame(header, content=content, more=2))
    assert (arrived.content, arrived.odd, arrived.buffers) == (content, (), (b"buffer", b"buffer"))
    assert unpack_message(frame(more=2)).buffers == ()


CAPTURING = [
    opened("o", _model_name="OutputModel", msg_id="", outputs=[]),
    said("stream", name="stdout", text="own"),
    updated("o", msg_id="m"),
]


def test_what_an_output_widget_captures_is_its_own_and_cleared_alone() -> None:
    inside = [
        said("stream", name="stdout", text="a"),
        said("clear_output", wait=False),
        said("error", ename="E", evalue="v", traceback=["t"]),
        said("display_data", data={"text/plain": "x"}),
        said("execute_result", data={"text/plain": "y"}, execution_count=3),
    ]
    told = facts(*CAPTURING, *inside, updated("o", msg_id=""), said("stream", name="stdout", text="b"))
    assert told[1] == TextPrinted("r", "stdout", "own")
    assert told[3:8] == [
        TextPrinted("r", "stdout", "a", "o"),
        OutputCleared("r", wait=False, into="o"),
        ErrorRaised("r", "E", "v", ("t",), "o"),
        DataShown("r", {"text/plain": "x"}, into="o"),
        DataShown("r", {"text/plain": "y"}, execution_count=3, into="o"),
    ]
    assert told[9] == TextPrinted("r", "stdout", "b")


def played(name: str) -> tuple[dict[str, CellOutputs], SessionWidgets]:
    """The outputs of each cell of a recorded kernel."""
    recorded, kernel, widgets = transcript(name), Conversation(), SessionWidgets()
    outputs = {msg_id: CellOutputs() for msg_id in recorded.cells}
    for msg_id in recorded.cells:
        kernel.asked(msg_id, msg_id)
    for message in recorded.messages:
        for fact in kernel.feed(message):
            match fact:
                case WidgetsChanged():
                    widgets.models.apply(fact)
                    outputs[fact.run].feed(fact)
                case TextPrinted() | DataShown() | OutputCleared() | ErrorRaised():
                    widgets.feed(fact)
                    outputs[fact.run].feed(fact)
                case DataUpdated():
                    outputs[fact.run].feed(fact)
                case _:
                    pass
    return outputs, widgets


def test_recorded_bars_end_as_in_a_console_and_the_notebook_stores_their_last_state() -> None:
    outputs, widgets = played("bars")
    texts = [brief(cell, "r", 2000) for cell in outputs.values()]
    assert [text.split("[00:")[0] for text in texts] == [
        "outer: 100%|██████████| 2/2 ",
        "open: 3/? ",
        "add: 100%|██████████| 2/2 ",
        "|██████████| 100.00% [2/2 00:00<00:00]",
        "own\nepoch 1\ntitle\nsteps: |          |",
        texts[5],
    ]
    assert "ZeroDivisionError: division by zero\ngoes on\n" in texts[5]
    assert texts[5].endswith("[an output of an earlier cell changed to:]\ntitle\nsteps: |███████▌  |")
    assert "after" in texts[0] and "inner" not in texts[0]
    cells = [
        NotebookCell(f"c{number}", "code", "", to_nbformat(cell, "record"))
        for number, cell in enumerate(outputs.values())
    ]
    stored = widgets.metadata(cells, {})
    assert stored is not None
    states = stored["application/vnd.jupyter.widget-state+json"]["state"].values()
    values = [model["state"]["value"] for model in states if model["model_name"] == "FloatProgressModel"]
    assert sorted(values) == [1.0, 2.0, 2.0, 2.0, 2.0]
    (captured,) = [model["state"]["outputs"] for model in states if model["model_name"] == "OutputModel"]
    assert [output["output_type"] for output in captured] == ["stream", "display_data", "error"]
    assert [output["output_type"] for output in outputs_of(cells[5])] == ["stream"]
