"""Puts our kernels' channels on Unix sockets, because kernels send all code and output to every connection.

Jupyter's default is TCP on the loopback address, where every account of the machine can connect.
"""

from __future__ import annotations

import logging
import os
import secrets
from typing import Any, Sequence

from .kernel_command import is_ipython
from .unix_socket import private_directory

LOCAL_RUNNERS = ("python", "conda", "mamba", "micromamba", "uv", "pixi", "env")
"""Programs that start a kernel on this machine, in our own mount namespace: it sees the directory of the sockets."""

log = logging.getLogger("jlab_mcp_extension")


def use_sockets(manager: Any, folder: str) -> bool:
    """Make a kernel that has not started use Unix sockets in `folder`, if it can. Returns whether it will.

    Each kernel gets its own prefix: jupyter_client numbers the sockets of a prefix by what exists before binding, so two
    kernels that start at once would get the same numbers.
    """
    try:
        spec = manager.kernel_spec
    except Exception as error:  # noqa: BLE001 - the start itself reports a missing kernel
        log.debug("jlab-mcp: a kernel's specification cannot be read (%s)", error)
        return False
    if not _can(manager, spec):
        return False
    try:
        private_directory(folder)
    except OSError as error:
        log.warning("jlab-mcp: a kernel's channels are open to other accounts (%s)", error)
        return False
    _keep(manager, folder)
    manager.transport = "ipc"
    manager.ip = os.path.join(folder, "k" + secrets.token_hex(4))
    return True


def _keep(manager: Any, folder: str) -> None:
    """Recreate the directory before each start of the kernel, because cleaners of temporary files remove it."""
    make_command = manager.format_kernel_cmd

    def format_kernel_cmd(*args: Any, **kwargs: Any) -> Any:
        private_directory(folder)
        return make_command(*args, **kwargs)

    manager.format_kernel_cmd = format_kernel_cmd


def _can(manager: Any, spec: Any) -> bool:
    provisioner = dict(getattr(spec, "metadata", None) or {}).get("kernel_provisioner") or {}
    return (
        manager.transport == "tcp"
        and not _is_configured(manager)
        and provisioner.get("provisioner_name", "local-provisioner") == "local-provisioner"
        and is_ipython(spec.argv)
        and _runs_here(spec.argv)
    )


def _runs_here(command: Sequence[str]) -> bool:
    program = os.path.basename(command[0]) if command else ""
    return program.startswith(LOCAL_RUNNERS)


def _is_configured(manager: Any) -> bool:
    """Whether the user's own configuration says where kernels listen."""
    for kind in type(manager).__mro__:
        section = manager.config.get(kind.__name__) or {}
        if "transport" in section or "ip" in section:
            return True
    return False
