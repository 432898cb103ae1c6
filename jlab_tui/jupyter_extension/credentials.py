"""Tells who is at the other end of a Unix socket, and whether a socket's file is our own."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from typing import Optional


def peer_uid(connection: socket.socket) -> Optional[int]:
    """Return the account at the other end of a Unix socket (SO_PEERCRED on Linux, LOCAL_PEERCRED on macOS); None if unknown."""
    if sys.platform == "darwin":
        raw = connection.getsockopt(0, 1, 8)  # LOCAL_PEERCRED of SOL_LOCAL: version and uid come first
        return int(struct.unpack("=II", raw)[1])
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def require_own(path: str) -> None:
    """Raise OSError unless `path` is a socket of this account's, in a directory of its own."""
    folder = os.lstat(os.path.dirname(path))
    if (
        not stat.S_ISDIR(folder.st_mode)
        or folder.st_uid != os.geteuid()
        or stat.S_IMODE(folder.st_mode) & 0o022
    ):
        raise PermissionError("others can change %s" % os.path.dirname(path))
    found = os.lstat(path)
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError("%s is not a socket of this account" % path)
