"""Builds what `jlab-mcp doctor` needs."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from ..adapters.checkup import Checkup
from ..core.settings import Mode, Settings
from ..core.slurm.allocation import allocation_here
from ..services.server.examination import Examination
from .server import make_access, make_launcher
from .settings import choices_of, mode_of, site_of


def make_examination(settings: Settings, env: Mapping[str, str]) -> Examination:
    mode, why = mode_of(settings, env)
    return Examination(
        settings,
        env,
        site_of(env),
        choices_of(settings).read(),
        (mode, why),
        mode is Mode.SLURM or allocation_here(env, socket.gethostname()) is not None,
        make_launcher(settings, env),
        Checkup(settings, env, make_access(settings, env)),
        time.time,
    )
