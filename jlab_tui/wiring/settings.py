"""Loads the settings of this process from its environment, its directory and the project's choices."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from ..adapters.choices import Choices
from ..adapters.files import is_there
from ..core.errors import UsageError
from ..core.setting_values import path
from ..core.settings import PREFIX, Mode, Settings, load_settings
from ..core.slurm.allocation import allocation_here, choose_mode


def settings_of(env: Mapping[str, str], *, for_client: bool = False) -> Settings:
    """Return this process's settings. An MCP client names its project in CLAUDE_PROJECT_DIR. Raises UsageError."""
    start = env.get("CLAUDE_PROJECT_DIR", "") if for_client else ""
    cwd = Path(start).resolve() if start and Path(start).is_dir() else working_directory()
    settings = load_settings(env, cwd, is_there)
    return load_settings(choices_of(settings).environment(env), cwd, is_there)


def working_directory() -> Path:
    """Return this process's working directory. Raises UsageError if it is gone."""
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        raise UsageError(
            "The working directory is gone.", "`cd` to a directory that exists, then try again."
        ) from None


def home_of(env: Mapping[str, str]) -> Path:
    """Return our own directory, whatever the other settings are."""
    user = env.get("HOME") or "~"
    return path(env.get(PREFIX + "DIR", "").strip() or "~/.jlab-mcp", user)


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
