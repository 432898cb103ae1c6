"""The process that started this one."""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def wake_at_its_end() -> None:
    """Let Linux continue this process when its parent ends: stopped, it would not see that, and stay. A no-op elsewhere."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
