"""Packs messages into Jupyter's v1 websocket frames, and cuts frames into pieces for sending.

Everything works on raw parts; nothing here decodes content.
Format: https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Union

PIECE_BYTES = 128_000
PIECE_HEAD = struct.Struct("<QII")
"""Stream sequence number, index of the piece, 1 for the last piece or 0."""

Bytes = Union[bytes, memoryview]
"""A memoryview for a large part, which stays in ZeroMQ's memory."""

_MSG_TYPE = re.compile(rb'"msg_type"\s*:\s*"([^"\\]*)"')
_MSG_ID = re.compile(rb'"msg_id"\s*:\s*"([^"\\]*)"')


class Message(NamedTuple):
    """One kernel message; the four dictionaries are still JSON bytes."""

    channel: str
    header: bytes
    parent: bytes
    metadata: bytes
    content: Bytes
    buffers: Sequence[Bytes] = ()

    @property
    def msg_type(self) -> str:
        return _first(_MSG_TYPE, self.header)

    @property
    def msg_id(self) -> str:
        return _first(_MSG_ID, self.header)

    @property
    def size(self) -> int:
        return len(self.content) + sum(map(len, self.buffers))


def _first(pattern: re.Pattern[bytes], text: bytes) -> str:
    found = pattern.search(text)
    return found.group(1).decode("utf-8", "replace") if found else ""


def json_object(text: Union[str, bytes]) -> Dict[str, Any]:
    """Return the object in a JSON text; an empty one for anything else, which others may send."""
    try:
        # Kernels send a file name that is not UTF-8 byte by byte.
        value = json.loads(text if isinstance(text, str) else text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def with_id_suffix(header: bytes, suffix: str) -> bytes:
    """Return the header with a longer msg_id, for one part of a cut message."""
    found = _MSG_ID.search(header)
    if found is None:
        return header
    return header[: found.end(1)] + suffix.encode() + header[found.end(1) :]


def pack(message: Message) -> bytes:
    """Return one v1 frame: count of offsets, offsets (u64 little-endian), channel, header, parent, metadata, content, buffers."""
    parts = [
        message.channel.encode(),
        message.header,
        message.parent,
        message.metadata,
        message.content,
        *message.buffers,
    ]
    count = len(parts) + 1
    offset = 8 * (1 + count)
    offsets = [offset]
    for part in parts:
        offset += len(part)
        offsets.append(offset)
    return b"".join([struct.pack("<%dQ" % (count + 1), count, *offsets), *parts])


def unpack(frame: bytes) -> Message:
    """Return the message in a v1 frame. Raises ValueError for an invalid frame."""
    if len(frame) < 8:
        raise ValueError("frame is too short")
    count = int.from_bytes(frame[:8], "little")
    if count < 6 or 8 * (1 + count) > len(frame):
        raise ValueError("frame has an impossible number of parts")
    offsets = struct.unpack_from("<%dQ" % count, frame, 8)
    if (
        offsets[0] != 8 * (1 + count)
        or any(a > b for a, b in zip(offsets, offsets[1:]))
        or offsets[-1] > len(frame)
    ):
        raise ValueError("frame has impossible offsets")
    parts = [frame[a:b] for a, b in zip(offsets, offsets[1:])]
    return Message(parts[0].decode(), parts[1], parts[2], parts[3], parts[4], parts[5:])


def pieces(seq: int, frame: bytes, size: Callable[[], int] = lambda: PIECE_BYTES) -> Iterator[bytes]:
    """Cut a numbered frame into binary websocket messages; `size` gives the size of each when it is made."""
    view = memoryview(frame)
    start = index = 0
    while True:
        end = min(start + size(), len(frame))
        is_last = end == len(frame)
        yield PIECE_HEAD.pack(seq, index, is_last) + view[start:end]
        if is_last:
            return
        start, index = end, index + 1


def strip_identities(parts: List[Bytes]) -> List[Bytes]:
    """Return a multipart kernel message from its signature on. Raises ValueError without the delimiter."""
    return parts[parts.index(b"<IDS|MSG>") + 1 :]
