"""JSON-RPC lines as the relay reads and writes them: as little of each as it needs."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_REPLY: Final = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(-?[0-9]+|"[^"\\]*")\s*,\s*"(?:result|error)"'
)
LEAVE: Final = b'{"jsonrpc":"2.0","method":"notifications/jlab-mcp/leave"}\n'
"""what a relay tells its worker behind a line when the client leaves: an end without it is a lost line"""


def parsed(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    """The message, and whether it can be written again as it was. The worker refuses what it cannot read, by its id."""
    for text, is_sound in ((line, True), (line.decode("utf-8", "replace"), False)):
        try:
            message = json.loads(text, strict=is_sound)
        except (ValueError, RecursionError):
            continue
        return (message if isinstance(message, dict) else None), is_sound
    return None, False


def replied_to(line: bytes) -> object:
    """The id in a reply of the worker, read from the beginning of the line; None if it is none."""
    found = _REPLY.match(line)
    return id_in(found[1]) if found else None


def id_in(text: bytes) -> object:
    """The id that a text spells; None if it spells none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if is_id(found) else None


def as_line(message: dict[str, Any], instead: bytes = b"") -> bytes:
    """The message as a line, as short as the client wrote it, or escaped where UTF-8 has no character.

    `instead` if it is nested too deeply to be written, though not to be read: the worker refuses it."""
    try:
        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":")).encode() + b"\n"
    except RecursionError:
        return instead


def error_line(request_id: object, code: int, text: str) -> bytes:
    return as_line({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}})


def cancel_line(request_id: object, reason: str) -> bytes:
    params = {"requestId": request_id, "reason": reason}
    return as_line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def is_id(value: object) -> bool:
    """Whether a request can have it as its id."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def id_key(request_id: object) -> str:
    return json.dumps(request_id if is_id(request_id) else None)


def is_call(line: bytes) -> bool:
    """Whether a line of the client calls a tool."""
    message, _ = parsed(line)
    return message is not None and message.get("method") == "tools/call"
