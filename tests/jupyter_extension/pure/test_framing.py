"""Jupyter's v1 frames, and the pieces in which they travel."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.framing import (
    PIECE_BYTES,
    PIECE_HEAD,
    Message,
    json_object,
    pack,
    pieces,
    strip_identities,
    unpack,
    with_id_suffix,
)

PARTS = st.binary(max_size=20)


def frame(*offsets: int, count: int | None = None, size: int = 100) -> bytes:
    head = struct.pack(f"<{len(offsets) + 1}Q", len(offsets) if count is None else count, *offsets)
    return head + bytes(size - len(head))


def test_a_frame_is_a_count_of_offsets_the_offsets_and_the_parts() -> None:
    packed = pack(Message("shell", b"h", b"pp", b"", b"cccc", [memoryview(b"buffer")]))
    offsets = struct.unpack_from("<8Q", packed)
    assert offsets == (7, 64, 69, 70, 72, 72, 76, 82)
    assert packed[64:] == b"shellhppccccbuffer"


@given(st.sampled_from(["shell", "iopub"]), PARTS, PARTS, PARTS, PARTS, st.lists(PARTS, max_size=3))
def test_any_message_is_given_back(
    channel: str, header: bytes, parent: bytes, metadata: bytes, content: bytes, buffers: list[bytes]
) -> None:
    message = Message(channel, header, parent, metadata, content, buffers)
    assert unpack(pack(message)) == message


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too short"),
        (bytes(7), "too short"),
        (bytes(8), "number of parts"),
        (frame(48, 48, 48, 48, 48), "number of parts"),
        (frame(56, 56, 56, 56, 56, 56, count=6, size=56)[:55], "number of parts"),
        (frame(56, 56, 56, 56, 56, 56, count=12), "number of parts"),
        (frame(55, 56, 56, 56, 56, 56), "offsets"),
        (frame(57, 57, 57, 57, 57, 57), "offsets"),
        (frame(56, 58, 57, 58, 58, 58), "offsets"),
        (frame(56, 56, 56, 56, 56, 101), "offsets"),
    ],
)
def test_an_invalid_frame_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        unpack(data)


def test_the_smallest_frame_ends_with_its_offsets_and_the_largest_with_its_bytes() -> None:
    smallest = frame(56, 56, 56, 56, 56, 56, size=56)
    assert unpack(smallest) == Message("", b"", b"", b"", b"", [])
    assert unpack(frame(56, 56, 56, 56, 56, 100)).content == bytes(44)


def test_a_messages_type_id_and_size_are_read_from_its_raw_parts() -> None:
    header = b'{"msg_id" : "m1", "msg_type": "stream"}'
    message = Message("iopub", header, b"{}", b"{}", b"12345", [b"678", b"9"])
    assert (message.msg_type, message.msg_id, message.size) == ("stream", "m1", 9)
    assert with_id_suffix(header, ".2") == b'{"msg_id" : "m1.2", "msg_type": "stream"}'
    bare = message._replace(header=b"{}")
    assert (bare.msg_type, bare.msg_id) == ("", "")
    assert with_id_suffix(b"{}", ".2") == b"{}"


@pytest.mark.parametrize(
    ("size", "heads"),
    [
        (0, [(7, 0, 1)]),
        (3, [(7, 0, 1)]),
        (4, [(7, 0, 0), (7, 1, 1)]),
        (6, [(7, 0, 0), (7, 1, 1)]),
        (7, [(7, 0, 0), (7, 1, 0), (7, 2, 1)]),
    ],
)
def test_pieces_follow_each_other_and_the_last_one_says_so(
    size: int, heads: list[tuple[int, int, int]]
) -> None:
    data = bytes(range(size))
    sent = list(pieces(7, data, lambda: 3))
    assert [PIECE_HEAD.unpack_from(piece) for piece in sent] == heads
    assert b"".join(piece[16:] for piece in sent) == data


def test_each_piece_is_as_large_as_the_line_takes_when_it_is_made() -> None:
    sizes = iter([1, 5, 2])
    assert [len(piece) - 16 for piece in pieces(1, bytes(8), lambda: next(sizes))] == [1, 5, 2]
    assert [len(piece) - 16 for piece in pieces(1, bytes(PIECE_BYTES + 1))] == [128_000, 1]


def test_what_zeromq_puts_before_the_signature_is_left_away() -> None:
    assert strip_identities([b"id", b"<IDS|MSG>", b"sig", b"head"]) == [b"sig", b"head"]
    with pytest.raises(ValueError, match="not in list"):
        strip_identities([b"id", b"sig"])


def test_a_header_with_bytes_that_are_no_text_keeps_its_other_fields() -> None:
    assert json_object(b'{"msg_id": "m", "username": "caf\xe9"}') == {"msg_id": "m", "username": "caf\ufffd"}
