"""File descriptors: the server may open many, its kernels keep the limit that Jupyter gives them, the last ones are kept.

Kernels do not inherit the server's limit: code that uses `select`, or closes all descriptors, goes wrong or slows down under
one that is much higher than its user's shell has. Jupyter alone raises a low limit to 4,096, and kernels have that.
"""

from __future__ import annotations

import errno
import inspect
import os
import resource
from typing import Any, Optional, Tuple

from tornado import web

from .kernel_process import pid_of

SERVER_MAX = 16_384
"""Enough for 2,700 kernels."""
KEPT = 32
"""A start of a kernel opens some fifteen for a moment; the rest is for whoever steers and ends the others."""

Limits = Tuple[int, int]


class TooFewDescriptors(web.HTTPError):
    """Refuses a kernel before anything of it is made."""

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            503,
            "The Jupyter server has no file descriptors left for another kernel: it uses %d, and may open %d (ulimit -n)."
            % (used, limit),
        )


def raise_limit() -> Optional[Limits]:
    """Let this process open as many files as it may, up to a bound. Returns the limits before, which are for kernels; None
    where a kernel could not be given them back, so that nothing was changed."""
    if not hasattr(resource, "prlimit"):
        return None
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = before
    wanted = SERVER_MAX if hard == resource.RLIM_INFINITY else min(hard, SERVER_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return before


def give_back(manager: Any, limits: Limits) -> None:
    """Give each process of a kernel these limits as soon as it has started."""
    for name in ("start_kernel", "restart_kernel"):
        setattr(manager, name, _limited(manager, limits, getattr(manager, name)))


def _limited(manager: Any, limits: Limits, start: Any) -> Any:
    def start_limited(*arguments: Any, **named: Any) -> Any:
        started = start(*arguments, **named)
        if inspect.isawaitable(started):
            return _awaited(manager, limits, started)
        _limit(manager, limits)
        return started

    return start_limited


async def _awaited(manager: Any, limits: Limits, started: Any) -> Any:
    result = await started
    _limit(manager, limits)
    return result


def _limit(manager: Any, limits: Limits) -> None:
    pid = pid_of(manager)
    if pid is not None:
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        except OSError:
            pass  # it has ended, or is another account's


def refuse_last() -> None:
    """Raise TooFewDescriptors if another kernel would take the ones that are kept."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = len(os.listdir("/dev/fd")) - 1
    except OSError as error:
        if error.errno != errno.EMFILE:
            return  # nobody can count them here
        used = limit
    if limit != resource.RLIM_INFINITY and used > limit - KEPT:
        raise TooFewDescriptors(used, limit)
