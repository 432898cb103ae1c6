"""Adds a configuration file (kernel_startup.py) to the command of an IPython kernel, which reads it before it opens sockets."""

from __future__ import annotations

import glob
import logging
import os
import sys
from typing import Any, Callable, List, Optional, Sequence, Tuple

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


def with_safe_start(command: List[str]) -> List[str]:
    """Return a command whose Python starts without the notebook's directory, if it is of version 3.11 or later.

    A file there with the name of a standard module (`types.py`) would stop the kernel. `kernel_startup` adds the directory later.
    """
    if not is_ipython(command) or _version(command[0]) < (3, 11):
        return command
    return [command[0], "-P", *command[1:]]


def _version(program: str) -> Tuple[int, ...]:
    """The version of an environment's Python; (0,) if its directory does not tell."""
    prefix = os.path.dirname(os.path.dirname(program))
    if os.path.realpath(prefix) == os.path.realpath(sys.prefix):
        return sys.version_info[:2]
    found = glob.glob(os.path.join(glob.escape(prefix), "lib", "python3.*"))
    minor = os.path.basename(found[0]).rpartition(".")[2] if len(found) == 1 else ""
    is_python = os.path.basename(program).startswith("python")
    return (3, int(minor)) if is_python and minor.isdigit() else (0,)


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
        return [*with_safe_start(command), *added] if added else command

    manager.format_kernel_cmd = format_kernel_cmd
