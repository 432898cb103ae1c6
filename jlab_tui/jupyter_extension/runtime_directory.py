"""Jupyter's runtime directory, which holds its cookie secret and the keys of kernels: one that others cannot enter.

Jupyter makes it 0700, and takes one that is there as it is.
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

log = logging.getLogger("jlab_mcp_extension")


def private_runtime_dir(wanted: str, usual: str) -> str:
    """`wanted`, made private where it is Jupyter's `usual` one; a new private one where others could enter it."""
    if wanted == usual:
        close_to_others(wanted)
    why = why_not_private(wanted)
    if not why:
        return wanted
    made = tempfile.mkdtemp(prefix="jlab-mcp-runtime-")
    atexit.register(shutil.rmtree, made, True)
    log.warning("jlab-mcp: Jupyter's runtime directory is %s, because %s", made, why)
    return made


def close_to_others(directory: str) -> None:
    """Take every right of others from a directory of ours. It is no link: that would be somebody's own arrangement."""
    try:
        info = os.lstat(directory)
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and info.st_mode & 0o077:
            os.chmod(directory, 0o700)
            log.warning(
                "jlab-mcp: others could enter %s (mode %o); now it is 700", directory, info.st_mode & 0o777
            )
    except OSError:
        pass  # it is judged next


def why_not_private(directory: str) -> str:
    """Who else could enter the directory, or put another one in its place; empty where nobody can."""
    try:
        path = os.path.realpath(directory)
        info = os.stat(path)
        if info.st_mode & 0o077 or info.st_uid != os.geteuid():
            return "%s (mode %o) is not yours alone" % (directory, info.st_mode & 0o777)
        while path != "/":
            path = os.path.dirname(path)
            if _others_write(os.stat(path)):
                return "others can change %s, on the way to %s" % (path, directory)
    except OSError as error:
        return "%s cannot be looked at (%s)" % (directory, error.strerror)
    return ""


def _others_write(info: os.stat_result) -> bool:
    if info.st_mode & stat.S_ISVTX:
        return False
    return bool(info.st_mode & (stat.S_IWOTH if _is_own_group(info) else stat.S_IWOTH | stat.S_IWGRP))


def _is_own_group(info: os.stat_result) -> bool:
    """A group of the owner alone, as many systems give each account one."""
    try:
        group = grp.getgrgid(info.st_gid)
        owner = pwd.getpwuid(info.st_uid).pw_name
    except KeyError:
        return info.st_gid == info.st_uid
    return (info.st_gid == info.st_uid or group.gr_name == owner) and not set(group.gr_mem) - {owner}
