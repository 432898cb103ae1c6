"""Builds what `jlab-mcp doctor` needs."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.settings import Settings
from ..doctor import Doctor
from .server import make_access, make_launcher
from .settings import choose_mode


def make_doctor(settings: Settings, env: Mapping[str, str]) -> Doctor:
    return Doctor(
        settings, env, choose_mode(settings, None), make_launcher(settings, env), make_access(settings)
    )
