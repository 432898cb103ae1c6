"""Loads the settings of this process: the site's, the project's choices, its environment, and what the site locks, in this order."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..adapters.choices import Choices, with_choices
from ..adapters.files import is_there
from ..adapters.site_file import read_site
from ..core.errors import SettingError, UsageError
from ..core.settings import Mode, Settings, load_settings, own_directory, site_config_of
from ..core.site_settings import Site, blame_site
from ..core.slurm.allocation import allocation_here, choose_mode


def settings_of(env: Mapping[str, str], *, for_client: bool = False) -> Settings:
    """Return this process's settings. An MCP client names its project in CLAUDE_PROJECT_DIR. Raises UsageError."""
    start = env.get("CLAUDE_PROJECT_DIR", "") if for_client else ""
    cwd = Path(start).resolve() if start and Path(start).is_dir() else working_directory()
    site = read_site(site_config_of(env, cwd), env)
    try:
        settings = load_settings(site.environment(env), cwd, is_there)
        if chosen := choices_of(settings).read():
            settings = load_settings(site.environment(with_choices(env, chosen)), cwd, is_there)
    except SettingError as error:
        raise blame_site(error, site) from None
    return replace(settings, locked=site.locked) if site.path else settings


def working_directory() -> Path:
    """Return this process's working directory. Raises UsageError if it is gone."""
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        raise UsageError(
            "The working directory is gone.", "`cd` to a directory that exists, then try again."
        ) from None


def home_of(env: Mapping[str, str]) -> Path:
    """Return our own directory, whatever the other settings are. Raises UsageError."""
    site = site_of(env)
    try:
        return own_directory(site.environment(env), working_directory())
    except SettingError as error:
        raise blame_site(error, site) from None


def site_of(env: Mapping[str, str]) -> Site:
    """Return what the site of this machine has set. Raises UsageError."""
    return read_site(site_config_of(env, working_directory()), env)


def choices_of(settings: Settings) -> Choices:
    return Choices(settings.status_dir / "choices.json")


def mode_of(
    settings: Settings, env: Mapping[str, str], given: str | None = None, *, wants_walltime: bool = False
) -> tuple[Mode, str]:
    """Return where the server of a start here would run, and by what that is chosen."""
    return choose_mode(
        settings,
        given,
        has_sbatch=shutil.which("sbatch", path=env.get("PATH")) is not None,
        around=allocation_here(env, socket.gethostname()),
        wants_walltime=wants_walltime,
    )
