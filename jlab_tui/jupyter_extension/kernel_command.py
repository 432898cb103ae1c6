"""Adds a configuration file (kernel_startup.py) to the command of an IPython kernel, which reads it before it has sockets."""

from __future__ import annotations

import logging
import os
from typing import Any, List, Optional, Sequence

KERNEL_STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernel_startup.py")
_MODULES = ("ipykernel_launcher", "ipykernel")
_OWN_CONFIG = ("--config", "--IPKernelApp.extra_config_file", "--BaseIPythonApplication.extra_config_file")

log = logging.getLogger("jlab_mcp_extension")


def addition(command: Sequence[str]) -> List[str]:
    """The arguments to append to a kernelspec's command.

    Empty unless the command plainly runs IPython, so that its last argument reaches it, and names no such file already.
    """
    is_ipython = any(flag == "-m" and module in _MODULES for flag, module in zip(command, command[1:]))
    if not is_ipython or any(argument.split("=")[0] in _OWN_CONFIG for argument in command):
        return []
    return ["--IPKernelApp.extra_config_file=%s" % KERNEL_STARTUP]


def holds_more(manager: Any) -> bool:
    """Whether the kernel was started with our configuration file, and so holds more output for a slow reader."""
    return bool(getattr(manager, "jlab_mcp_added", False))


def add_to_kernels(kernels: Any) -> None:
    """Add it to every kernel that this server starts from now on, unless the server is built differently."""
    make = getattr(kernels, "kernel_manager_factory", None)
    if make is None:
        log.info("jlab-mcp: kernels of this server hold no more output for a slow reader than by default")
        return

    def make_and_wrap(*args: Any, **kwargs: Any) -> Any:
        manager = make(*args, **kwargs)
        _wrap(manager)
        return manager

    kernels.kernel_manager_factory = make_and_wrap


def _wrap(manager: Any) -> None:
    original = getattr(manager, "format_kernel_cmd", None)
    if original is None:
        return

    def format_kernel_cmd(extra_arguments: Optional[List[str]] = None) -> List[str]:
        command: List[str] = original(extra_arguments)
        added = addition(command)
        manager.jlab_mcp_added = bool(added)
        return [*command, *added]

    manager.format_kernel_cmd = format_kernel_cmd
