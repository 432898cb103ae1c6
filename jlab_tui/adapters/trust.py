"""Examines every component of a path, links included, for `core/server/trust.py` to judge."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from ..core.errors import StatusFileError, UntrustedDirectory
from ..core.server.trust import Component, Weakness, Writer, repair_of, vouch_for, weakness_of
from ..core.settings import PREFIX, Settings

_LINKS_MAX = 40
"""as the kernel"""
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK = 0x02, 0x04, 0x08, 0x10
_ACL_WRITE = 2


def require_trusted(settings: Settings) -> None:
    """Raise UntrustedDirectory for the first of our directories in which others could replace our files, and StatusFileError
    where nobody could tell: who owns a file or the other end of a connection is then unknown, too."""
    if (me := os.geteuid()) == _unmapped_user():
        raise StatusFileError(
            f"This process cannot tell accounts apart: in its user namespace, yours and others' have the same user id ({me}).",
            "Run jlab-mcp outside of that namespace, or give your account an id of its own in it: `unshare --map-current-user`.",
        )
    look = cache(Path.lstat)  # most directories lie in the same ones
    for variable, directory in settings.own_directories:
        weak = weaknesses(directory, settings.trusted_dirs, look)
        if weak:
            raise UntrustedDirectory(
                str(directory),
                "; ".join(map(str, weak)),
                repair_of(weak, PREFIX + variable),
                vouch_for(weak, PREFIX + "TRUSTED_DIRS"),
            )


def weaknesses(
    directory: Path,
    trusted: Collection[str] = (),
    look: Callable[[Path], os.stat_result] = Path.lstat,
    *,
    others: Collection[int] = (),
) -> tuple[Weakness, ...]:
    """Return the components from `/` to `directory`, on both sides of each link, that other users than root, us and `others` can change.

    Missing components do not count: we create them as private. `trusted`: components that the user vouches for; `look` may
    remember what it saw of other directories a moment before.
    """
    judge = partial(weakness_of, me=os.geteuid(), unmapped=_unmapped_user(), others=others)
    found = dict.fromkeys(_components(directory, look))
    return tuple(weak for one in found if one.path not in trusted and (weak := judge(one)) is not None)


def _components(path: Path, look: Callable[[Path], os.stat_result]) -> Iterator[Component]:
    """Walk from `/` as the kernel does, up to the first missing component, or a file in the way (using the directory reports
    it). Raises OSError for a loop of links."""
    at = Path("/")
    yield _look(at, look(at), is_end=path == at)
    left = list(reversed(path.parts[1:]))
    links = 0
    while left:
        name = left.pop()
        if name == "..":
            at = at.parent
            continue
        here = at / name
        try:
            info = look(here)
        except (FileNotFoundError, NotADirectoryError):
            return
        yield _look(here, info, is_end=not left)
        if not stat.S_ISLNK(info.st_mode):
            at = here
            continue
        links += 1
        if links > _LINKS_MAX:
            path.stat()  # raises the kernel's own error
            return
        target = here.readlink()
        at = Path("/") if target.is_absolute() else at
        left += [part for part in reversed(target.parts) if part != "/"]


def _look(path: Path, info: os.stat_result, *, is_end: bool) -> Component:
    is_link = stat.S_ISLNK(info.st_mode)
    writers: tuple[Writer, ...] = ()
    has_list = False
    if info.st_mode & stat.S_IWGRP and not is_link:
        listed = _access_list(path)  # with a list, the mode's group bits limit its entries
        has_list = listed is not None
        writers = tuple(_writers(listed or (), info.st_gid)) if has_list else (_group(info.st_gid),)
    return Component(
        str(path),
        info.st_uid,
        user_name(info.st_uid),
        stat.S_IMODE(info.st_mode),
        writers,
        has_list,
        is_link,
        is_end,
    )


def _access_list(path: Path) -> Sequence[tuple[int, int, int]] | None:
    """Return `(tag, rights, id)` of each entry of a POSIX access list (`acl(5)`); None if there is none."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        raw = os.getxattr(path, "system.posix_acl_access")
    except OSError:
        return None
    return list(_ACL_ENTRY.iter_unpack(raw[4:]))  # skip the version


def _writers(entries: Sequence[tuple[int, int, int]], gid: int) -> Iterator[Writer]:
    mask = next((rights for tag, rights, _ in entries if tag == _ACL_MASK), 7)
    for tag, rights, number in entries:
        if not rights & mask & _ACL_WRITE:
            continue
        if tag == _ACL_USER:
            yield Writer(False, number, user_name(number))
        elif tag in (_ACL_GROUP, _ACL_GROUP_OBJ):
            yield _group(gid if tag == _ACL_GROUP_OBJ else number)


def _group(gid: int) -> Writer:
    with contextlib.suppress(KeyError):
        known = grp.getgrgid(gid)
        return Writer(True, gid, known.gr_name, tuple(known.gr_mem))
    return Writer(True, gid, str(gid))


def user_name(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _unmapped_user() -> int | None:
    """Return the user id that stands for accounts outside this user namespace; None if it maps all of them, or on macOS."""
    try:
        inside, outside, count = map(int, Path("/proc/self/uid_map").read_text(encoding="ascii").split())
        if (inside, outside, count) == (0, 0, 2**32 - 1):
            return None
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        pass  # several ranges: a container
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 65534
