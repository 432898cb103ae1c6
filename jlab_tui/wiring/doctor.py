"""Builds what `jlab-mcp doctor` needs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..adapters.checkup import Checkup
from ..core.settings import Settings
from ..services.server.examination import Examination
from .server import make_access, make_launcher
from .settings import choices_of, mode_of, site_of


def make_examination(settings: Settings, env: Mapping[str, str]) -> Examination:
    return Examination(
        settings,
        env,
        site_of(env),
        choices_of(settings).read(),
        mode_of(settings, env),
        make_launcher(settings, env),
        Checkup(settings, env, make_access(settings, env)),
        time.time,
    )
