"""Reads a site's file of settings, puts them beside those of a user, and says where each value comes from.

One setting a line, `NAME=VALUE`, with the names of the environment; `lock NAME=VALUE` lets nobody set another value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum

from . import setting_values as read
from .errors import SettingError, UsageError
from .setting_fields import PREFIX
from .settings import Settings
from .slurm_settings import SlurmSettings

NONE = "none"
"""as JLAB_MCP_SITE_CONFIG: no file"""
WITHOUT = f"{PREFIX}SITE_CONFIG={NONE}"
_LINE = re.compile(rf"(lock\s+)?({PREFIX}[A-Z0-9_]+)\s*=\s*(.*)")
_USER = re.compile(r"\$(?:USER\b|\{USER\})")
_FAULTS_MAX = 5
"""told at once"""
_READERS = {
    one.metadata["variable"].name: one.metadata.get("reader")
    for one in (*fields(Settings), *fields(SlurmSettings))
    if one.metadata
}
"""of each setting, by its name without prefix; None for a path"""
_PATHS = {name for name, reader in _READERS.items() if reader is None} | {"SLURM_TEMPLATE"}
_WITH_PATHS = _PATHS | {"TRUSTED_DIRS"}


class Source(Enum):
    """Who set a value."""

    SITE = "site"
    LOCK = "lock"
    CHOICE = "choice"
    """the project's first start"""
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class SiteSetting:
    """One line of the file."""

    name: str
    """with prefix"""
    value: str
    """empty: unset"""
    line: int
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """What a site has set."""

    path: str = ""
    """of its file; empty without one"""
    settings: tuple[SiteSetting, ...] = ()

    def find(self, name: str) -> SiteSetting | None:
        return next((one for one in self.settings if one.name == name), None)

    @property
    def locked(self) -> dict[str, str]:
        """Where each locked name, without prefix, is set."""
        found = [one for one in self.settings if one.is_locked]
        return {one.name.removeprefix(PREFIX): self.place(one) for one in found}

    def place(self, one: SiteSetting) -> str:
        return f"{self.path}, line {one.line}"

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return `env` with the site's values for what it does not set, and with the locked ones for what it does."""

        def is_set(name: str) -> bool:
            return bool(env.get(name, "").strip())

        return {**env, **{s.name: s.value for s in self.settings if s.is_locked or not is_set(s.name)}}

    def overridden(self, env: Mapping[str, str]) -> Iterator[SiteSetting]:
        """Yield the locked settings for which `env` has another value, which is without effect."""
        for one in self.settings:
            if one.is_locked and env.get(one.name, "").strip() not in ("", one.value):
                yield one


NO_SITE = Site()


def parse_site(path: str, text: str, user: str) -> Site:
    """Read the file's text. `$USER` in a path becomes `user`, the account's name. Raises UsageError, naming each bad line."""
    found: dict[str, SiteSetting] = {}
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            one = _read_line(line.strip(), number, user)
            if one is not None and (earlier := found.setdefault(one.name, one)) is not one:
                raise ValueError(f"{one.name} is set in line {earlier.line} already")
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
    if faults:
        more = f"; and {len(faults) - _FAULTS_MAX} more" if len(faults) > _FAULTS_MAX else ""
        raise unusable(path, "; ".join(faults[:_FAULTS_MAX]) + more)
    return Site(path, tuple(found.values()))


def unusable(path: str, why: str) -> UsageError:
    """The error for a file that is not used at all; a part of it would leave out what the site insists on."""
    return UsageError(
        f"The site's settings in {path} cannot be used: {why}.",
        f"Tell whoever looks after that file. {WITHOUT} goes on without it.",
    )


def blame_site(error: SettingError, site: Site) -> UsageError:
    """The error for a value that only makes no sense beside others, where the site has set it."""
    one = site.find(error.variable)
    return error if one is None else unusable(site.path, f"line {one.line}: {error.message.rstrip('.')}")


def require_unlocked(locked: Mapping[str, str], names: Iterable[str]) -> None:
    """Raise UsageError if the site lets nobody set one of `names`. `locked`: see `Settings.locked`."""
    for name in names:
        if name in locked:
            raise UsageError(
                kept_by_site(name, locked[name]), "Leave it out; `jlab-mcp doctor` shows the value."
            )


def kept_by_site(name: str, place: str) -> str:
    """Say that a setting, its name without prefix, is locked, and where."""
    return f"The site keeps {PREFIX}{name} as it is ({place})."


def source_of(name: str, env: Mapping[str, str], choices: Mapping[str, str], site: Site) -> Source | None:
    """Return who has set a variable (its name with prefix); None: nobody. `choices`: the project's, without prefixes."""
    one = site.find(name)
    if one is not None and one.is_locked:
        return Source.LOCK if one.value else None
    if env.get(name, "").strip():
        return Source.ENVIRONMENT
    if choices.get(name.removeprefix(PREFIX)):
        return Source.CHOICE
    return Source.SITE if one is not None and one.value else None


def _read_line(line: str, number: int, user: str) -> SiteSetting | None:
    if not line or line.startswith("#"):
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"{line[:60]!r} is not {PREFIX}NAME=VALUE, with or without `lock ` in front")
    lock, name, value = match.groups()
    short = name.removeprefix(PREFIX)
    if short == "SITE_CONFIG":
        raise ValueError(f"{name} can be set in an environment only")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if short in _WITH_PATHS:
        value = _USER.sub(lambda _: user, value)
    if value and short in _READERS:
        try:
            (_READERS[short] or read.line)(value)
            _require_one_meaning(short, value)
        except ValueError as wanted:
            raise ValueError(f"{name}={value[:60]!r} is not {wanted}") from None
    return SiteSetting(name, value, number, bool(lock))


def _require_one_meaning(short: str, value: str) -> None:
    """Raise ValueError for a path that would lead each user, or each working directory, somewhere else than the site meant."""
    if short in _WITH_PATHS and "$" in value:
        raise ValueError("a path without `$`, of which only $USER is replaced")
    if short in _PATHS and not (value.startswith(("/", "~/")) or value == "~"):
        raise ValueError("a path that begins with / or ~/")
