"""Keeps others out of Jupyter's runtime directory, which holds its cookie secret and the keys of kernels.

Jupyter makes it 0700, but uses an existing one as it is.
"""

from __future__ import annotations

import atexit
import grp
import logging
import os
import pwd
import shutil
import stat
import tempfile
from typing import Optional

from .unix_socket import folder_of_sockets

log = logging.getLogger("jlab_mcp_extension")


def private_runtime_dir(wanted: str, usual: str, *, is_job: bool = False) -> str:
    """Return `wanted`, made private if it is Jupyter's `usual` one, or a new private directory if others could enter it.

    A job has one of its own on its node: nodes may see the home directory, where the usual one is, read-only or not at all."""
    if is_job and wanted == usual:
        return _new(folder_of_sockets())
    if wanted == usual:
        _make(wanted)
        close_to_others(wanted)
    why = why_not_private(wanted)
    if not why:
        return wanted
    made = _new(None)
    log.warning("jlab-mcp: Jupyter's runtime directory is %s, because %s", made, why)
    return made


def _new(folder: Optional[str]) -> str:
    made = tempfile.mkdtemp(prefix="jlab-mcp-runtime-", dir=folder)
    atexit.register(shutil.rmtree, made, True)
    return made


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError:
        pass  # `why_not_private` says why


def close_to_others(directory: str) -> None:
    """Remove the rights of others from our directory. Leaves a link alone, which the user made."""
    try:
        info = os.lstat(directory)
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and info.st_mode & 0o077:
            os.chmod(directory, 0o700)
            log.warning(
                "jlab-mcp: others could enter %s (mode %o); its mode is now 700",
                directory,
                info.st_mode & 0o777,
            )
    except OSError:
        pass  # `why_not_private` comes next


def why_not_private(directory: str) -> str:
    """Say who else could enter or replace the directory; empty if nobody can."""
    try:
        path = os.path.realpath(directory)
        info = os.stat(path)
        if info.st_mode & 0o077 or info.st_uid != os.geteuid():
            return "%s (mode %o) is not yours alone" % (directory, info.st_mode & 0o777)
        if not os.access(path, os.W_OK):
            return "%s cannot be written" % directory
        while path != "/":
            path = os.path.dirname(path)
            if _others_write(os.stat(path)):
                return "others can change %s, on the way to %s" % (path, directory)
    except OSError as error:
        return "%s cannot be examined (%s)" % (directory, error.strerror)
    return ""


def _others_write(info: os.stat_result) -> bool:
    if info.st_mode & stat.S_ISVTX:
        return False
    return bool(info.st_mode & (stat.S_IWOTH if _is_own_group(info) else stat.S_IWOTH | stat.S_IWGRP))


def _is_own_group(info: os.stat_result) -> bool:
    """Whether the group is the owner's own: many systems give each account one."""
    try:
        group = grp.getgrgid(info.st_gid)
        owner = pwd.getpwuid(info.st_uid).pw_name
    except KeyError:
        return info.st_gid == info.st_uid
    return (info.st_gid == info.st_uid or group.gr_name == owner) and not set(group.gr_mem) - {owner}
