"""The sockets of open connections: in a short private directory of ours, because their paths have a shortest limit of all systems.

Little is imported: the relay uses this.
"""

from __future__ import annotations

import binascii
import contextlib
import os
import stat
from typing import Final

from ...core.ssh.place import RemotePlace

_PLACES: Final = ("/tmp", "/var/tmp", "/dev/shm")
"""not below the home directory: ssh takes `~` from the account, not from HOME, and a network's file system has no sockets"""
_PATH_BYTES: Final = 103
_TEMPORARY: Final = 17
"""bytes that ssh appends to the path while it makes the socket"""
_NAME: Final = "ssh-0123abcd"


def control_path(place: RemotePlace) -> str:
    """The path of the socket for a place's host. Raises PermissionError if this machine has no private place for one."""
    return f"{_directory()}/{_name(place)}"


def open_control(place: RemotePlace) -> str:
    """The same if there is such a socket; else empty."""
    with contextlib.suppress(OSError):
        path = control_path(place)
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            return path
    return ""


def _name(place: RemotePlace) -> str:
    return f"ssh-{binascii.crc32(place.host.encode()):08x}"


def _directory() -> str:
    for place in _PLACES:
        path = f"{os.path.realpath(place)}/jlab-mcp-{os.geteuid()}"
        if len(os.fsencode(f"{path}/{_NAME}")) + _TEMPORARY <= _PATH_BYTES and _is_private(path):
            return path
    raise PermissionError("this machine has no short private directory for a connection's socket")


def _is_private(path: str) -> bool:
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)  # noqa: PTH102 - pathlib is not loaded here
        found = os.lstat(path)
        return (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.geteuid()
            and not stat.S_IMODE(found.st_mode) & 0o077
            and os.access(path, os.W_OK)
        )
    return False
