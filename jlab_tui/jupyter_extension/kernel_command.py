"""Adds a configuration file (kernel_startup.py) to the command of an IPython kernel, which reads it before it opens sockets."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, List, Optional, Sequence

KERNEL_STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernel_startup.py")
_MODULES = ("ipykernel_launcher", "ipykernel")
_OWN_CONFIG = ("--config", "--IPKernelApp.extra_config_file", "--BaseIPythonApplication.extra_config_file")

log = logging.getLogger("jlab_mcp_extension")


def is_ipython(command: Sequence[str]) -> bool:
    """Whether a kernelspec's command plainly runs IPython's kernel, so that its last argument reaches it."""
    return any(flag == "-m" and module in _MODULES for flag, module in zip(command, command[1:]))


def addition(command: Sequence[str]) -> List[str]:
    """Return the arguments to append to a kernelspec's command.

    Empty unless the command runs IPython and names no such file itself.
    """
    if not is_ipython(command) or any(argument.split("=")[0] in _OWN_CONFIG for argument in command):
        return []
    return ["--IPKernelApp.extra_config_file=%s" % KERNEL_STARTUP]


def holds_more(manager: Any) -> bool:
    """Whether the kernel started with our configuration file, and so holds more output for a slow reader."""
    return bool(getattr(manager, "jlab_mcp_added", False)) and is_private(manager)


def is_private(manager: Any) -> bool:
    """Whether no other account of this machine can read the kernel's channels: sockets, or encrypted ports."""
    is_ipc = getattr(manager, "transport", "tcp") == "ipc"
    return is_ipc or getattr(manager, "curve_publickey", None) is not None


def add_to_kernels(kernels: Any, prepare: Callable[[Any], object]) -> None:
    """Add it to every kernel that this server starts from now on, unless the server has other internals. Calls `prepare` with
    each kernel's manager before the kernel starts."""
    make = getattr(kernels, "kernel_manager_factory", None)
    if make is None:
        log.info("jlab-mcp: kernels of this server hold only the default amount of output for a slow reader")
        return

    def make_and_wrap(*args: Any, **kwargs: Any) -> Any:
        manager = make(*args, **kwargs)
        prepare(manager)
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
