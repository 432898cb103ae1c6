"""Decides whether others could replace our files, from owners and modes, as sshd does for a home directory."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Collection
from dataclasses import dataclass

ROOT = 0


@dataclass(frozen=True, slots=True)
class Writer:
    """A user or a group, other than the owner, that may write to a directory."""

    is_group: bool
    id: int
    name: str
    members: tuple[str, ...] = ()
    """of a group: its members"""


@dataclass(frozen=True, slots=True)
class Component:
    """One directory, or one symbolic link, on the way from `/` to a directory."""

    path: str
    uid: int
    owner: str
    """its name, or its number if it has none"""
    mode: int
    """permission bits and the sticky bit"""
    writers: tuple[Writer, ...] = ()
    """the group and the entries of an access list that may write"""
    has_list: bool = False
    """whether there is an access list"""
    is_link: bool = False
    is_end: bool = False
    """the directory itself, which holds our files; the others lead to it"""


@dataclass(frozen=True, slots=True)
class Weakness:
    """Why one component of a path cannot be trusted."""

    path: str
    reason: str
    repair: str = ""
    """what to type; empty if only another account can repair it"""

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


def weakness_of(
    one: Component, me: int, unmapped: int | None = None, others: Collection[int] = ()
) -> Weakness | None:
    """Return why a component is weak; None if only root, `me` and `others`, all user ids, can change it.

    `unmapped`: the user id for all accounts that this container does not have, including the machine's root.
    """
    trusted = (ROOT, me, *others)
    if one.uid not in trusted and (one.uid != unmapped or one.is_end):
        return Weakness(one.path, f"belongs to {one.owner}")
    if one.is_link or (one.mode & stat.S_ISVTX and not one.is_end):
        return None  # in a sticky directory only the owner of an entry can replace it
    writers = [_named(writer) for writer in one.writers if not _is_owners_own(writer, one, trusted)]
    if one.mode & stat.S_IWOTH:
        writers = ["everybody"]
    if not writers:
        return None
    quoted = shlex.quote(one.path)
    repair = f"setfacl -b {quoted} && chmod go-w {quoted}" if one.has_list else f"chmod go-w {quoted}"
    reason = f"can be written by {' and '.join(writers)} (mode {one.mode & 0o777:o})"
    return Weakness(one.path, reason, repair if me in (ROOT, one.uid) else "")


def _is_owners_own(writer: Writer, one: Component, trusted: Collection[int]) -> bool:
    """Return whether a writer is harmless: a private group of the owner, or a trusted user."""
    if not writer.is_group:
        return writer.id in trusted
    is_own = writer.id == one.uid or writer.name == one.owner
    return is_own and not set(writer.members) - {one.owner}


def _named(writer: Writer) -> str:
    return f"{'group' if writer.is_group else 'user'} {writer.name}"


def repair_of(weak: Collection[Weakness], variable: str) -> str:
    """Return the commands that repair the components of the directory that `variable` sets."""
    repairs = [one.repair for one in weak if one.repair]
    return " && ".join(repairs) if len(repairs) == len(weak) else f"export {variable}=/a/directory/of/yours"


def vouch_for(weak: Collection[Weakness], variable: str) -> str:
    """Return the setting that accepts these components as they are."""
    return f"export {variable}={shlex.quote(':'.join(one.path for one in weak))}"
