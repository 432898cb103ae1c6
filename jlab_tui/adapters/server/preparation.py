"""Prepares what a launch needs on disk, on this machine or for a node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.server.environment import PythonChoice
from ...core.server.exit_grace import launch_grace
from ...core.settings import Settings
from ..files import private_dir
from ..trust import require_trusted
from .cleanup import prune
from .environment import kernelspecs_of, write_kernelspec
from .extension_copy import install_node_files
from .launch_files import LaunchFiles, write_launch_files


@dataclass(frozen=True, slots=True)
class Prepared:
    launcher: Path
    """script that starts the server"""
    files: LaunchFiles


def prepare(
    settings: Settings,
    launch: str,
    choice: PythonChoice,
    *,
    over_network: bool = False,
    in_job: bool = False,
    **config: Any,
) -> Prepared:
    """Make the directories, remove leftovers of earlier launches, and write the files that the server of `launch` reads.

    `choice`: the Python of server and kernels; `config`: settings of this launch only; `over_network`:
    see `write_launch_files`; `in_job`: whether the server is part of a job. Raises OSError, and UsageError for a directory that others can change.
    """
    for directory in (settings.home, settings.status_dir, settings.log_dir, settings.spool_dir):
        private_dir(directory)
    require_trusted(settings)
    copy = install_node_files(settings.node_dir)
    prune(settings, copy)
    kernel = choice.silent or choice.kernel
    config |= {"environment": "" if choice.silent else choice.note}
    if kernel:
        specs = write_kernelspec(settings.status_dir / "kernelspecs", kernel, settings.root.name)
        config |= {"kernel_python": kernel, "kernel_specs": str(specs), "asks_kernel_python": over_network}
    grace = launch_grace(settings, in_job=in_job)
    shared = {
        "port_min": settings.port_min,
        "port_max": settings.port_max,
        "root_dir": str(settings.server_root_dir),
        "spool_dir": str(settings.spool_dir),
        "sessions_dir": str(settings.sessions_dir),
        "kernelspec_dirs": [data for prefix in choice.prefixes if (data := kernelspecs_of(prefix))],
        "exit_grace_s": grace and grace.seconds,
        "exit_grace_by": grace and grace.by,
        "python_fallback": settings.python_fallback,
    }
    files = write_launch_files(settings.connection_dir, launch, shared | config, over_network=over_network)
    return Prepared(copy / "launch.py", files)
