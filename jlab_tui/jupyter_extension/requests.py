"""Checks clients' requests on the channels before they reach the kernel. Pure."""

from __future__ import annotations

import re

from .framing import json_object, unpack
from .kernel_client import ClientRequest

_ALLOWS_STDIN = re.compile(rb'(?<!\\)"allow_stdin"\s*:\s*true')


class Unacceptable(ValueError):
    """The request cannot be sent; the text says why."""

    def __init__(self, reason: str, msg_id: str = "") -> None:
        super().__init__(reason)
        self.msg_id = msg_id


def parse_request(frame: bytes) -> ClientRequest:
    """Return the request in a v1 frame. Raises Unacceptable."""
    try:
        message = unpack(frame)
    except ValueError as error:
        raise Unacceptable("not a v1 kernel message: %s" % error) from None
    header = json_object(message.header)
    msg_id, msg_type = header.get("msg_id"), header.get("msg_type")
    if not isinstance(msg_id, str) or not msg_id:
        raise Unacceptable("not a v1 kernel message: it has no msg_id")
    if not isinstance(msg_type, str):
        raise Unacceptable("not a v1 kernel message: it has no msg_type", msg_id)
    if message.channel not in ("shell", "control"):
        raise Unacceptable("channel %s is not available, only shell and control" % message.channel, msg_id)
    if msg_type == "execute_request" and _ALLOWS_STDIN.search(message.content):
        raise Unacceptable("input from the user is not supported: send allow_stdin false", msg_id)
    at_once = message.channel == "control" or header.get("subshell_id") is not None
    return ClientRequest(msg_id, message, at_once, is_run=msg_type == "execute_request" and not at_once)
