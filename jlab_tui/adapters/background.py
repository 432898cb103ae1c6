"""Starts a process that goes on in the background, and hears from it whether it is up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from .log_file import LogFile, logging_to

log = logging.getLogger(__name__)

Tell = Callable[[str], None]


def first_word(log_path: Path, serve: Callable[[Tell], Coroutine[Any, Any, None]], patience_s: float) -> str:
    """Run `serve` in a process of its own, and return the first line that it tells; empty if it ends first, or says nothing in
    time. To be called before this process has threads or an event loop.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        with _detached(log_path):
            asyncio.run(serve(lambda text: _tell(writing, text)))
        os._exit(0)
    os.close(writing)
    try:
        return _heard(reading, patience_s)
    finally:
        os.close(reading)


@contextlib.contextmanager
def _detached(path: Path) -> Iterator[None]:
    """Leave the session, directory and files of the process that started this one, and log to `path`."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    with logging_to(LogFile(path), logging.INFO):
        try:
            yield
        except Exception:
            log.exception("a bug")
            os._exit(1)


def _tell(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody waits any more
        os.write(descriptor, text.encode()[:4000] + b"\n")


def _heard(descriptor: int, patience_s: float) -> str:
    heard, deadline = b"", time.monotonic() + patience_s
    while (
        b"\n" not in heard and select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
    ):
        part = os.read(descriptor, 4096)
        if not part:
            break
        heard += part
    return heard.decode("utf-8", "replace").partition("\n")[0]
