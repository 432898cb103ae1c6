"""Reads the Jupyter extension's recordings of kernels on the shared file system after their server is gone.

Format (`jupyter_extension/segments.py` writes it): each kernel has a folder of files `<first number, 20 digits>.seg`. A file is
the 8 bytes `jlabseg1`, then records of number (u64 little-endian), length (u32 little-endian) and one v1 frame. A torn
last record is normal: the writer died there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from ...core.kernel.wire import KernelMessage, unpack_message, unread_message

_MAGIC = b"jlabseg1"
_HEAD = struct.Struct("<QI")
_SUFFIX = ".seg"


class Spool:
    """The recordings of one project's servers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, kernel_id: str, since: int, max_bytes: int = 4 << 20) -> list[KernelMessage]:
        """Return messages numbered above `since`, oldest first, about `max_bytes` of them; empty at the end. Blocks."""
        if not kernel_id or "/" in kernel_id:
            return []
        found: list[KernelMessage] = []
        size = 0
        for seq, frame in _records(_segments(self._directory / kernel_id, since), since):
            try:
                message = unpack_message(frame, seq)
            except ValueError:
                message = unread_message(seq)  # what follows may be readable
            found.append(message)
            size += len(frame)
            if size >= max_bytes:
                break
        return found


def _segments(folder: Path, since: int) -> list[Path]:
    """Return the segment files that may hold numbers above `since`, in order."""
    try:
        names = sorted(
            path.name for path in folder.iterdir() if path.suffix == _SUFFIX and path.stem.isdecimal()
        )
    except OSError:
        return []
    first = [int(name.removesuffix(_SUFFIX)) for name in names]
    skip = max((i for i, number in enumerate(first) if number <= since + 1), default=0)
    return [folder / name for name in names[skip:]]


def _records(paths: list[Path], since: int) -> Iterator[tuple[int, bytes]]:
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError:
            continue  # acknowledged and removed meanwhile
        if not data.startswith(_MAGIC):
            continue
        at = len(_MAGIC)
        while at + _HEAD.size <= len(data):
            seq, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            if at + length > len(data):
                break
            if seq > since:
                yield seq, data[at : at + length]
            at += length
