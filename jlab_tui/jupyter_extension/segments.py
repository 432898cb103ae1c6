"""The spool's format on disk, and a reader that needs only the files.

A kernel's recording is a folder of segment files named `<first number, 20 digits>.seg`. A segment is the 8 bytes
`jlabseg1`, then records: number (u64 little-endian), length (u32 little-endian), that many bytes of one v1 kernel
websocket frame. Numbers grow; a jump is a gap (dropped, or acknowledged by the owner). The last record may be torn
if its writer died.
"""

from __future__ import annotations

import os
import struct
from typing import Iterator, List, Tuple

MAGIC = b"jlabseg1"
RECORD_HEAD = struct.Struct("<QI")
SUFFIX = ".seg"


def segment_name(first: int) -> str:
    return "%020d%s" % (first, SUFFIX)


def encode(records: List[Tuple[int, bytes]]) -> List[bytes]:
    """Return records as the parts of a segment's bytes after the magic."""
    parts: List[bytes] = []
    for seq, frame in records:
        parts.append(RECORD_HEAD.pack(seq, len(frame)))
        parts.append(frame)
    return parts


def decode(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield the whole records of a segment's bytes; stop at a torn one."""
    if data[: len(MAGIC)] != MAGIC:
        return
    at = len(MAGIC)
    while at + RECORD_HEAD.size <= len(data):
        seq, length = RECORD_HEAD.unpack_from(data, at)
        at += RECORD_HEAD.size
        if at + length > len(data):
            return
        yield seq, data[at : at + length]
        at += length


def segment_files(folder: str) -> List[Tuple[int, str]]:
    """Return (first number, path) of each segment, in order; empty without the folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = [n for n in names if n.endswith(SUFFIX) and n[: -len(SUFFIX)].isdigit()]
    return sorted((int(n[: -len(SUFFIX)]), os.path.join(folder, n)) for n in found)


def is_recording(folder: str) -> bool:
    """Whether a folder holds only segments."""
    return len(segment_files(folder)) == len(os.listdir(folder))


def remove_recording(folder: str) -> None:
    """Remove a recording but no other files in its folder. Raises OSError."""
    for _, path in segment_files(folder):
        os.unlink(path)
    if not os.listdir(folder):
        os.rmdir(folder)


def read_spool(folder: str, since: int = 0, max_bytes: int = 0) -> List[Tuple[int, bytes]]:
    """Return records with a number above `since`, oldest first; at least one, at most about `max_bytes` (0: all)."""
    files = segment_files(folder)
    starts = [first for first, _ in files]
    skip = max((i for i, first in enumerate(starts) if first <= since + 1), default=0)
    records: List[Tuple[int, bytes]] = []
    size, last = 0, since
    for _, path in files[skip:]:
        try:
            with open(path, "rb") as segment:
                data = segment.read()
        except FileNotFoundError:
            continue
        for seq, frame in decode(data):
            if seq <= last:  # the next segment may repeat an abandoned one
                continue
            last = seq
            if max_bytes and records and size + len(frame) > max_bytes:
                return records
            records.append((seq, frame))
            size += len(frame)
    return records
