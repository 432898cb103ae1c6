"""Takes the steps of tidying in a thread that no call and no exit waits for, on a part of one processor."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Final

log = logging.getLogger(__name__)

SHARE: Final = 0.2
"""of one processor"""
_AT_ONCE_S: Final = 0.005


class Tidying:
    """One pass over the old records of a project."""

    def __init__(self, steps: Callable[[], Generator[None, Any, None]], share: float = SHARE) -> None:
        """`steps` does a small part of the work between two of its values, and leaves nothing half done when it is closed."""
        self._steps = steps
        self._share = share
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tidying", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it end after its present step."""
        self._stopping.set()

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            with contextlib.closing(self._steps()) as steps:
                began = time.thread_time()
                for _ in steps:
                    spent = time.thread_time() - began
                    if spent < _AT_ONCE_S and not self._stopping.is_set():
                        continue
                    if self._stopping.wait(spent * (1 / self._share - 1)):
                        break
                    began = time.thread_time()
        except Exception:
            log.exception("tidying the records failed")
