"""Kernel messages on a WebSocket: Jupyter's v1 subprotocol, and the numbered pieces of the Jupyter extension.

What arrives is checked here and nowhere else: a message that is none raises ValueError, and a field of a type that the
protocol does not have is left out and named.

v1 (`v1.kernel.websocket.jupyter.org`): u64le count of offsets, the offsets, then channel, header, parent header,
metadata, content and buffers. Numbered: u64le sequence number, u32le piece index, u32le 1 for the last piece
and else 0, part of a v1 frame.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from ..json_values import mapping, parse_json, text

NODE_PROTOCOL: Final = 2
"""the version of the Jupyter extension's protocol that this module understands"""
SUBPROTOCOL: Final = "v1.kernel.websocket.jupyter.org"
_PIECE = struct.Struct("<QII")
_LARGEST_SEQ: Final = 1 << 53
_MESSAGE_MAX: Final = 1 << 30
_CHANNELS: Final = frozenset({"iopub", "shell", "control", "stdin"})
_EXIT: Final = "jlab_mcp_exit_code"
_SHELL_COMMAND: Final = re.compile(r"^[^\S\n]*(?:!|%(?:pip|conda|mamba|uv|system|sx)\b)", re.MULTILINE)
UNREAD: Final = "jlab_mcp_unread"
"""message type of one that could not be decoded"""
COMMS: Final = frozenset({"comm_open", "comm_msg", "comm_close"})
_FIELDS: Final[Mapping[str, type]] = {
    "code": str,
    "data": dict,
    "ename": str,
    "evalue": str,
    "execution_count": int,
    "execution_state": str,
    "lost": list,
    "metadata": dict,
    "name": str,
    "payload": list,
    "status": str,
    "text": str,
    "traceback": list,
    "transient": dict,
}
"""types of the content fields that we read; each has one type in all messages of the protocol, or is null"""


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """The parts of a kernel's message that we read."""

    channel: str
    msg_type: str
    msg_id: str
    parent_id: str
    """msg_id of the request that it answers or belongs to; empty for broadcasts"""
    content: Mapping[str, Any]
    seq: int = 0
    """number in the kernel's recorded stream; 0 on a stock server"""
    odd: tuple[str, ...] = ()
    """skipped fields"""
    buffers: tuple[bytes, ...] = ()
    """binary values of widgets; those of other messages are left out"""


@dataclass(frozen=True, slots=True)
class Request:
    """One message to a kernel."""

    channel: str
    """shell or control"""
    msg_type: str
    msg_id: str
    content: Mapping[str, Any]
    subshell_id: str = ""


def execution(code: str, msg_id: str) -> Request:
    """Make a request to execute the code of a cell."""
    content: dict[str, Any] = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {_EXIT: "_exit_code"} if _SHELL_COMMAND.search(code) else {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    return Request("shell", "execute_request", msg_id, content)


def shell_exit_code(reply: Mapping[str, Any]) -> int:
    """Return the exit code of a cell's last shell command, or 0. IPython raises no exception for `!` and `%pip`."""
    answer = mapping(mapping(reply.get("user_expressions")).get(_EXIT))
    code = text(mapping(answer.get("data")).get("text/plain"))[:9]
    return int(code) if code.removeprefix("-").isdecimal() else 0


def pack_request(request: Request, session: str, date: str) -> bytes:
    """Encode a request as a frame. `session` identifies us as a client; `date` is ISO 8601."""
    header: dict[str, str] = {
        "msg_id": request.msg_id,
        "session": session,
        "username": "jlab-mcp",
        "msg_type": request.msg_type,
        "version": "5.4",
        "date": date,
    }
    if request.subshell_id:
        header["subshell_id"] = request.subshell_id
    parts = [request.channel.encode(), _dump(header), b"{}", b"{}", _dump(request.content)]
    count = len(parts) + 1
    offsets = [8 * (count + 1)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{count + 1}Q", count, *offsets) + b"".join(parts)


def unpack_message(frame: bytes, seq: int = 0) -> KernelMessage:
    """Decode a v1 frame. Raises ValueError for an invalid one."""
    try:
        count = int.from_bytes(frame[:8], "little")
        if not 6 <= count <= 10_000:
            raise ValueError(f"{count} offsets")
        offsets = struct.unpack_from(f"<{count}Q", frame, 8)
        parts = [frame[offsets[i] : offsets[i + 1]] for i in range(5)]
    except (struct.error, IndexError) as error:
        raise ValueError(f"not a v1 kernel message: {error}") from None
    channel = parts[0].decode("utf-8", "replace")
    header, parent, content = (parse_json(parts[i]) for i in (1, 2, 4))
    match header, parent:
        case {"msg_type": str(msg_type), "msg_id": str(msg_id)}, dict(above) if channel in _CHANNELS:
            is_comm = msg_type in COMMS
            checked, odd = _checked(content, is_shown=not is_comm)
            buffers = tuple(frame[a:b] for a, b in pairwise(offsets[5:])) if is_comm else ()
            parent_id = text(above.get("msg_id"))
            return KernelMessage(channel, msg_type, msg_id, parent_id, checked, seq, odd, buffers)
        case _:
            raise ValueError("a message without channel, type or id")


def unread_message(seq: int) -> KernelMessage:
    """Return what stands for a message that could not be decoded."""
    return KernelMessage("iopub", UNREAD, "", "", {}, seq)


def _checked(content: Any, *, is_shown: bool) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the fields of a content that have the protocol's types, and the names of the others. `is_shown`: its data is
    a MIME bundle.

    A value that no notebook may hold under its MIME type is kept as the text of its JSON.
    """
    if not isinstance(content, dict):
        return {}, ("content",)
    odd = [
        name
        for name, value in content.items()
        if name in _FIELDS and value is not None and not _is(value, _FIELDS[name])
    ]
    checked = {name: value for name, value in content.items() if name not in odd} if odd else content
    if is_shown and isinstance(data := checked.get("data"), dict):
        unreadable = [mime for mime, value in data.items() if not _is_shown(mime, value)]
        if unreadable:
            odd += (f"data of {mime}" for mime in unreadable)
            as_text = {mime: json.dumps(data[mime]) for mime in unreadable}
            checked = {**checked, "data": {**data, **as_text}}
    return checked, tuple(odd)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_shown(mime: str, value: Any) -> bool:
    """Return whether a notebook may hold the value: any JSON for a JSON type, else text or lines of text."""
    if mime.endswith("json") or isinstance(value, str):
        return True
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


class PieceJoiner:
    """Puts numbered pieces together; pieces of one message come in order and are not mixed with another's."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._seq = 0

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Add a piece; return sequence number and frame when it completes a message. Raises ValueError for a piece out of order."""
        try:
            seq, index, is_last = _PIECE.unpack_from(data)
        except struct.error as error:
            raise ValueError(str(error)) from None
        if index == 0:
            self._parts, self._size, self._seq = [], 0, seq
        if seq != self._seq or index != len(self._parts):
            raise ValueError(f"piece {index} of message {seq} is out of order")
        self._size += len(data)
        if seq > _LARGEST_SEQ or self._size > _MESSAGE_MAX:
            raise ValueError("a message without end")
        self._parts.append(data[_PIECE.size :])
        if not is_last:
            return None
        frame = self._parts[0] if index == 0 else b"".join(self._parts)
        self._parts = []
        return seq, frame


def _dump(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
