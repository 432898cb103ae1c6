"""Frames of a client, checked before they reach the kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.jupyter_extension.framing import Message, pack
from jlab_tui.jupyter_extension.requests import Unacceptable, parse_request


def frame(channel: str = "shell", content: bytes = b"{}", **header: Any) -> bytes:
    head = {"msg_id": "m", "msg_type": "execute_request", **header}
    return pack(Message(channel, json.dumps(head).encode(), b"{}", b"{}", content))


@pytest.mark.parametrize(
    ("sent", "at_once", "is_run"),
    [
        (frame(), False, True),
        (frame(subshell_id=None), False, True),
        (frame(subshell_id="s"), True, False),
        (frame(msg_type="complete_request"), False, False),
        (frame("control", msg_type="interrupt_request"), True, False),
        (frame("control"), True, False),
        (frame(content=b'{"allow_stdin": false}'), False, True),
        (frame(content=rb'{"code": "\"allow_stdin\": true"}'), False, True),
        (frame(msg_type="complete_request", content=b'{"allow_stdin": true}'), False, False),
    ],
)
def test_a_request_goes_to_its_channel_and_waits_only_for_the_main_shell(
    sent: bytes, at_once: bool, is_run: bool
) -> None:
    request = parse_request(sent)
    assert (request.msg_id, request.at_once, request.is_run) == ("m", at_once, is_run)
    assert pack(request.message) == sent


@pytest.mark.parametrize(
    ("sent", "reason", "msg_id"),
    [
        (b"", "not a v1 kernel message: frame is too short", ""),
        (pack(Message("shell", b"{", b"{}", b"{}", b"{}")), "not a v1 kernel message", ""),
        (pack(Message("shell", b"[]", b"{}", b"{}", b"{}")), "not a v1 kernel message", ""),
        (pack(Message("shell", b'{"msg_id": "m"}', b"{}", b"{}", b"{}")), "no msg_type", "m"),
        (pack(Message("shell", b"[" * 100_000, b"{}", b"{}", b"{}")), "not a v1 kernel message", ""),
        (frame(msg_id=""), "no msg_id", ""),
        (frame(msg_id=5), "no msg_id", ""),
        (frame("stdin"), "channel stdin is not available", "m"),
        (frame("iopub"), "channel iopub is not available", "m"),
        (frame(content=b'{"allow_stdin" : true}'), "send allow_stdin false", "m"),
    ],
)
def test_invalid_and_unsupported_requests_are_refused_with_a_reason(
    sent: bytes, reason: str, msg_id: str
) -> None:
    with pytest.raises(Unacceptable, match=reason) as refused:
        parse_request(sent)
    assert refused.value.msg_id == msg_id
