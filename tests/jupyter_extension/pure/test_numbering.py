"""Kernel messages become numbered frames."""

from __future__ import annotations

import json

from jlab_tui.jupyter_extension.framing import Message, unpack
from jlab_tui.jupyter_extension.kernel_state import DONE, RUNNING, KernelState, Parent
from jlab_tui.jupyter_extension.numbering import MessageNumbering
from jlab_tui.jupyter_extension.stream import Stream
from jlab_tui.jupyter_extension.stream_chunks import CUT_BYTES

PARENT = b'{"msg_id": "run", "msg_type": "execute_request"}'


def message(msg_type: str, content: object, channel: str = "iopub", parent: bytes = PARENT) -> Message:
    header = json.dumps({"msg_id": "m", "msg_type": msg_type}).encode()
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Message(channel, header, parent, b"{}", raw)


def printed(text: str) -> Message:
    return message("stream", {"name": "stdout", "text": text})


class Recording:
    """A stream with as much room as the test says."""

    def __init__(self) -> None:
        self.room = 1_000_000
        self.stream = Stream(1 << 30, 1 << 30)
        self.kernel_state = KernelState()
        self.kernel_state.sent("run")
        self.numbering = MessageNumbering(
            self.stream, self.kernel_state, lambda: self.stream.memory_bytes < self.room
        )

    def frames(self) -> list[Message]:
        return [unpack(self.stream.get(seq) or b"") for seq in range(1, self.stream.last + 1)]

    def waits(self) -> bool:
        return self.numbering.waiting

    def request(self) -> tuple[str, int | None]:
        known = self.kernel_state.requests()["run"]
        return known["state"], known["seq_reply"]


def test_messages_are_numbered_in_order_and_prints_that_follow_each_other_are_one() -> None:
    recording = Recording()
    recording.numbering.add([printed("a"), printed("b"), message("display_data", {}), printed("c")])
    assert recording.waits()
    assert recording.numbering.number()
    assert not recording.waits()
    texts = [json.loads(bytes(m.content)).get("text") for m in recording.frames()]
    assert texts == ["ab", None, "c"]
    assert not recording.numbering.number(), "nothing came since"


def test_a_huge_print_waits_part_by_part_for_room_and_its_end_is_never_forgotten() -> None:
    recording = Recording()
    recording.room = 1
    text = "x" * (CUT_BYTES * 2 + 10)
    recording.numbering.add([printed(text), message("status", {"execution_state": "busy"})])
    assert recording.numbering.number()
    assert recording.stream.last == 1 and recording.waits()
    assert not recording.numbering.number()
    recording.room = recording.stream.memory_bytes + 1
    assert recording.numbering.number()
    assert recording.stream.last == 2 and recording.request()[0] != RUNNING
    assert recording.numbering.number(at_any_size=True)
    assert not recording.waits() and recording.request()[0] == RUNNING
    frames = recording.frames()
    assert "".join(json.loads(bytes(m.content))["text"] for m in frames[:3]) == text
    assert [m.msg_type for m in frames] == ["stream", "stream", "stream", "status"]


def test_the_last_part_of_a_message_is_in_and_its_message_still_waits_to_be_folded() -> None:
    recording = Recording()
    recording.room = 1
    recording.numbering.add([message("status", {"execution_state": "busy"})])
    recording.numbering.number()
    assert recording.stream.last == 1 and recording.waits()
    recording.room = 1 << 20
    assert not recording.numbering.number()
    assert not recording.waits() and recording.request() == (RUNNING, None)


def test_statuses_and_replies_move_the_kernels_state() -> None:
    recording = Recording()
    recording.numbering.add([message("status", {"execution_state": "busy"})])
    recording.numbering.number()
    assert recording.request() == (RUNNING, None)
    recording.numbering.add([printed("a"), message("execute_reply", {}, "shell")])
    recording.numbering.number()
    assert recording.request() == (DONE, 3)
    assert not recording.kernel_state.busy


def test_other_messages_and_unreadable_statuses_change_nothing_and_are_numbered() -> None:
    recording = Recording()
    contents: list[object] = [b"{", [], {}, {"state": "busy"}]
    recording.numbering.add([message("status", content) for content in contents])
    recording.numbering.add([message("update_display_data", {"execution_state": "busy"})])
    assert recording.numbering.number()
    assert recording.stream.last == 5 and recording.request() == ("sent", None)


def test_a_parent_is_read_for_each_cell_and_one_that_cannot_be_read_is_nobodys() -> None:
    numbering = Recording().numbering
    parent_of = numbering.parent_of
    assert parent_of(message("stream", {})) == Parent("run", "execute_request", None)
    assert parent_of(message("stream", {})) == Parent("run", "execute_request", None)
    subshell = b'{"msg_id": "x", "msg_type": "execute_request", "subshell_id": "s"}'
    assert parent_of(message("stream", {}, parent=subshell)) == Parent("x", "execute_request", "s")
    for parent in (b"{", b"{}", b"[]", b"5", b"\xff", b"[" * 100_000, b'{"subshell_id": {}}'):
        assert parent_of(message("stream", {}, parent=parent)) == Parent("", "", None)
    assert parent_of(message("stream", {})) == Parent("run", "execute_request", None)
