"""Reads the file with a site's settings, if nobody but root, this user or the program's owner can have written it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from ..core import setting_values as read
from ..core.errors import UsageError
from ..core.settings import PREFIX, SITE_CONFIG
from ..core.site_settings import NO_SITE, WITHOUT, Site, parse_site, unusable
from .trust import user_name, weaknesses

_SIZE_MAX = 100_000


def read_site(path: Path | None, env: Mapping[str, str]) -> Site:
    """Return the settings in the site's file (see `site_config_of`), of which only the usual one may be missing. Raises UsageError."""
    if path is None:
        return NO_SITE
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        if str(path) == SITE_CONFIG:
            return NO_SITE
        raise UsageError(
            f"{PREFIX}SITE_CONFIG names {path}, which is not there.",
            f"Unset it, or set it to the site's file; {WITHOUT} goes without one.",
        ) from None
    except OSError as error:
        raise unusable(str(path), error.strerror or str(error)) from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise unusable(str(path), "it is no file")
        weak = weaknesses(path, _vouched(env), others=(_owner_of_program(),))
        if weak:
            raise unusable(str(path), "; ".join(map(str, weak)))
        with open(fd, "rb", closefd=False) as file:
            data = file.read(_SIZE_MAX + 1)
    finally:
        os.close(fd)
    if len(data) > _SIZE_MAX:
        raise unusable(str(path), f"it has more than {_SIZE_MAX // 1000} kB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unusable(str(path), "it is not text in UTF-8") from None
    return parse_site(str(path), text, user_name(os.geteuid()))


def _owner_of_program() -> int:
    """Whoever owns the program can do all that its settings can."""
    return Path(__file__).stat().st_uid


def _vouched(env: Mapping[str, str]) -> Collection[str]:
    """Return the directories that the user trusts; a value that is none is named when the settings are read."""
    named = env.get(PREFIX + "TRUSTED_DIRS", "").strip()
    try:
        return read.directories(named) if named else ()
    except ValueError:
        return ()
