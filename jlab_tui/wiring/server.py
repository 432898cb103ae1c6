"""Builds what every command needs to start, stop and watch the server. The HTTP client loads only when needed."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from functools import partial

from ..adapters.files import Intent
from ..adapters.jupyter.access import ServerAccess
from ..adapters.link.bridges import Bridges
from ..adapters.machine import this_machine
from ..adapters.server.local_server import LocalServer
from ..adapters.server.status_file import StatusFile, other_roots
from ..adapters.slurm.clusters import Clusters
from ..adapters.slurm.job_server import SlurmServer
from ..adapters.slurm.jobs_around import JobsAround
from ..adapters.trust import require_trusted
from ..core.server.exit_grace import ExitGrace, client_grace
from ..core.server.status import Limits
from ..core.settings import Mode, Settings
from ..services.server.gpu_hours import gpu_hours
from ..services.server.launcher import Launcher
from ..services.server.launcher_ports import LauncherPorts


def make_launcher(settings: Settings, env: Mapping[str, str]) -> Launcher:
    return Launcher(
        LauncherPorts(
            root=str(settings.root),
            store=StatusFile(settings.status_file, lambda: require_trusted(settings)),
            intent=Intent(settings.status_dir / "starting", socket.gethostname()),
            backends={
                Mode.LOCAL: LocalServer(settings, env, jobs=JobsAround(env, socket.gethostname())),
                Mode.SLURM: SlurmServer(settings, env, Clusters(env, settings.home)),
            },
            check_health=make_access(settings, env),
            limits=Limits(local_start_s=settings.local_start_s, ready_s=settings.ready_timeout_s),
            now=time.time,
            elsewhere=lambda: other_roots(settings.home / "servers", settings.status_dir, settings.cwd),
        )
    )


def make_access(settings: Settings, env: Mapping[str, str], *, is_client: bool = False) -> ServerAccess:
    """Jupyter's API. `is_client`: it claims kernels, which outlive it as the settings say."""
    return ServerAccess(
        this_machine(),
        settings.link,
        Bridges(env, settings.log_dir),
        allow_unproved=settings.allow_unproved,
        exit_grace=partial(_grace, settings) if is_client else lambda in_job: None,
    )


def _grace(settings: Settings, in_job: bool) -> ExitGrace | None:
    return client_grace(settings, in_job=in_job)


async def tell_gpu_hours(launcher: Launcher, settings: Settings, env: Mapping[str, str]) -> str:
    """See `services.server.gpu_hours`."""
    access = make_access(settings, env)
    try:
        return await gpu_hours(launcher, access.api)
    finally:
        await access.close()
