"""Kernel messages on a WebSocket: what is packed is what arrives, and what is no message is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.kernel.link import RecordedKernel
from jlab_tui.core.kernel.wire import (
    PieceJoiner,
    Request,
    execution,
    pack_request,
    unpack_message,
    unread_message,
)

HEADER = {"msg_type": "status", "msg_id": "m"}


def frame(*parts: bytes, offsets: list[int] | None = None) -> bytes:
    """A frame as Jupyter packs one: count of offsets, offsets, parts."""
    if offsets is None:
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def message(
    header: Any = HEADER, parent: Any = None, content: Any = None, channel: bytes = b"iopub", more: int = 0
) -> bytes:
    dumped = (json.dumps(part).encode() for part in (header, parent or {}, {}, content or {}))
    return frame(channel, *dumped, *[b"buffer"] * more)


@given(
    st.sampled_from(["shell", "control"]),
    st.text(),
    st.dictionaries(st.text().map("our-{}".format), st.text() | st.integers()),
)
def test_a_request_arrives_as_it_was_packed(channel: str, source: str, options: dict[str, Any]) -> None:
    content = {**options, "code": source}
    packed = pack_request(
        Request(channel, "execute_request", "m1", content, "sub"), "us", "2026-01-01T00:00:00Z"
    )
    arrived = unpack_message(packed)
    assert (arrived.channel, arrived.msg_type, arrived.msg_id) == (channel, "execute_request", "m1")
    assert arrived.content == content and (arrived.parent_id, arrived.seq) == ("", 0)


@pytest.mark.parametrize(("subshell", "named"), [("", {}), ("s1", {"subshell_id": "s1"})])
def test_the_header_of_a_request_is_that_of_the_protocol(subshell: str, named: dict[str, str]) -> None:
    packed = pack_request(Request("shell", "kernel_info_request", "m1", {}, subshell), "us", "now")
    offsets = struct.unpack_from("<7Q", packed)
    assert offsets[0] == 6 and offsets[-1] == len(packed)
    assert json.loads(packed[offsets[2] : offsets[3]]) == {
        "msg_id": "m1", "session": "us", "username": "jlab-mcp", "msg_type": "kernel_info_request",
        "version": "5.4", "date": "now", **named,
    }  # fmt: skip


def test_code_with_half_a_surrogate_pair_is_sent_escaped() -> None:
    packed = pack_request(Request("shell", "execute_request", "m", {"code": "'\ud800é'"}), "us", "now")
    assert rb"\ud800" in packed
    assert unpack_message(packed).content == {"code": "'\ufffdé'"}, "what arrives can be encoded"
    assert "é".encode() in pack_request(Request("shell", "x", "m", {"code": "é"}), "us", "now")


@pytest.mark.parametrize(
    ("code", "is_asked"),
    [
        ("!false", True),
        ("x = 1\n  !make", True),
        ("%pip install x", True),
        ("%conda install x", True),
        ("print('!false')", False),
        ("x != 1", False),
        ("%pipeline", False),
        ("1 %pip", False),
    ],
)
def test_the_exit_code_is_asked_for_where_a_cell_runs_shell_commands(code: str, is_asked: bool) -> None:
    assert bool(execution(code, "m").content["user_expressions"]) is is_asked


def test_a_message_tells_what_it_answers_and_its_number() -> None:
    parent = {"msg_id": "p", "session": "us"}
    arrived = unpack_message(message(parent=parent, content={"execution_state": "idle"}, more=2), 7)
    assert (arrived.channel, arrived.parent_id, arrived.seq) == (
        "iopub",
        "p",
        7,
    )
    assert arrived.content == {"execution_state": "idle"}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0" * 8,
        message()[:40],
        message(header={"msg_type": "x"}),
        message(header=[]),
        message(channel=b"heartbeat"),
        message(parent=3),
        frame(b"iopub", b"{", b"{}", b"{}", b"{}"),
        frame(b"\xff", *[b"{}"] * 4),
        frame(b"a", b"b", b"c", b"d"),
        struct.pack("<Q", 10_001),
    ],
)
def test_an_invalid_message_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_message(broken)


@pytest.mark.parametrize(
    ("content", "kept", "odd"),
    [
        ({"text": "a", "name": 3, "mine": [1]}, {"text": "a", "mine": [1]}, ("name",)),
        ({"execution_count": True, "code": None}, {"code": None}, ("execution_count",)),
        ([1], {}, ("content",)),
    ],
)
def test_fields_of_another_type_than_the_protocols_are_left_out_and_named(
    content: Any, kept: dict[str, Any], odd: tuple[str, ...]
) -> None:
    arrived = unpack_message(message(content=content))
    assert (arrived.content, arrived.odd) == (kept, odd)


@pytest.mark.parametrize(("buffers", "is_taken"), [(9_994, True), (9_995, False)])
def test_a_message_has_at_most_ten_thousand_parts(buffers: int, is_taken: bool) -> None:
    if is_taken:
        assert unpack_message(message(more=buffers)).msg_id == "m"
    else:
        with pytest.raises(ValueError, match="10001 offsets"):
            unpack_message(message(more=buffers))


def piece(seq: int, index: int, is_last: bool, data: bytes) -> bytes:
    return struct.pack("<QII", seq, index, is_last) + data


@given(st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=4), max_size=5))
def test_pieces_become_the_messages_that_they_were_cut_from(messages: list[list[bytes]]) -> None:
    joiner = PieceJoiner()
    arrived = [
        joiner.feed(piece(seq, index, index == len(parts) - 1, part))
        for seq, parts in enumerate(messages, 1)
        for index, part in enumerate(parts)
    ]
    assert [found for found in arrived if found] == [
        (seq, b"".join(parts)) for seq, parts in enumerate(messages, 1)
    ]


@pytest.mark.parametrize("second", [(1, 2), (2, 1), (1, 3)])
def test_a_piece_out_of_order_is_refused(second: tuple[int, int]) -> None:
    joiner = PieceJoiner()
    assert joiner.feed(piece(1, 0, False, b"a")) is None
    with pytest.raises(ValueError, match="out of order"):
        joiner.feed(piece(*second, True, b"b"))
    assert joiner.feed(piece(3, 0, True, b"new")) == (3, b"new"), "the next message is read"


def test_a_piece_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ValueError):
        PieceJoiner().feed(b"\0" * 15)


@pytest.mark.parametrize(("seq", "is_taken"), [(1 << 53, True), (1 + (1 << 53), False)])
def test_a_number_that_no_stream_reaches_is_refused(seq: int, is_taken: bool) -> None:
    if is_taken:
        assert PieceJoiner().feed(piece(seq, 0, True, b"a")) == (seq, b"a")
    else:
        with pytest.raises(ValueError, match="without end"):
            PieceJoiner().feed(piece(seq, 0, True, b"a"))


@pytest.mark.parametrize(("seq", "size"), [(100, 1000), (150, 500), (199, 10), (200, 0), (300, 0), (0, 2000)])
def test_what_was_recorded_after_a_message_is_a_share_by_numbers(seq: int, size: int) -> None:
    kernel = RecordedKernel(False, 200, 100, recorded_bytes=1000)
    assert kernel.bytes_after(seq) == size


def test_the_one_message_that_is_left_is_all_there_is() -> None:
    assert RecordedKernel(False, 101, 100, recorded_bytes=999).bytes_after(100) == 999


def test_of_a_kernel_that_recorded_nothing_there_is_nothing_to_fetch() -> None:
    assert RecordedKernel(False, 5, 5, recorded_bytes=0).bytes_after(5) == 0


def test_a_kernel_that_was_killed_while_ending_is_reported() -> None:
    cut = RecordedKernel(False, 5, 5, cut_after_s=20.0)
    assert cut.how_cut.startswith("It had not ended by itself after 20 s and was killed")
    assert replace(cut, cut_after_s=None).how_cut == ""


def test_the_code_of_a_cell_is_run_as_a_cell_that_asks_for_no_input() -> None:
    request = execution("1", "m1")
    assert (request.channel, request.msg_type, request.msg_id) == ("shell", "execute_request", "m1")
    assert request.content == {
        "code": "1", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "kept", "odd"),
    [
        ({"text/plain": "a"}, {"text/plain": "a"}, ()),
        ({"text/html": ["a", "b"]}, {"text/html": ["a", "b"]}, ()),
        ({"application/x+json": {"a": [1]}}, {"application/x+json": {"a": [1]}}, ()),
        ({"text/plain": "a", "application/x-mine": {"a": [1, None]}},
         {"text/plain": "a", "application/x-mine": '{"a": [1, null]}'}, ("data of application/x-mine",)),
        ({"text/html": ["a", 1]}, {"text/html": '["a", 1]'}, ("data of text/html",)),
    ],
)  # fmt: skip
def test_data_that_no_notebook_may_hold_under_its_type_is_kept_as_text(
    data: dict[str, Any], kept: dict[str, Any], odd: tuple[str, ...]
) -> None:
    arrived = unpack_message(message(content={"data": data}))
    assert (arrived.content["data"], arrived.odd) == (kept, odd)


def test_a_message_that_cannot_be_read_keeps_its_number_and_belongs_to_no_request() -> None:
    message = unread_message(7)
    assert (message.seq, message.parent_id, message.content) == (7, "", {})
