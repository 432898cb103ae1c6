"""How long an idle kernel outlives its client, by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..setting_fields import PREFIX
from ..settings import OnExit, Settings

LOCAL_S: Final = 30.0
KEEP_H: Final = 12.0


@dataclass(frozen=True, slots=True)
class ExitGrace:
    """How long an idle kernel outlives its client."""

    seconds: float
    by: str
    """the variable that says so"""


def launch_grace(settings: Settings, *, in_job: bool) -> ExitGrace | None:
    """Return the grace that a server is started with; None for its own default."""
    if settings.exit_grace_s is not None:
        return ExitGrace(settings.exit_grace_s, f"{PREFIX}EXIT_GRACE_S")
    keep_h = KEEP_H if settings.keep_h is None else settings.keep_h
    if in_job and settings.on_exit is None and keep_h:
        return ExitGrace(keep_h * 3600, f"{PREFIX}KEEP_H")
    return None


def client_grace(settings: Settings, *, in_job: bool) -> ExitGrace | None:
    """Return the grace that a client asks for; None for what the server was started with."""
    if settings.exit_grace_s is not None or not in_job:
        return launch_grace(settings, in_job=in_job)
    if settings.on_exit is OnExit.SHUTDOWN:
        return ExitGrace(LOCAL_S, f"{PREFIX}ON_EXIT")
    if settings.on_exit is None and settings.keep_h is not None:
        return ExitGrace(settings.keep_h * 3600 or LOCAL_S, f"{PREFIX}KEEP_H")
    return None
