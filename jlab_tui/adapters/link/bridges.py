"""Connects to the bridges of this host, and starts one where there is none."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ...core.link.bridge import BridgeTarget, Way, Word, format_target, parse_word
from ..programs import run
from .host_files import bridge_files

START_S: Final = 40.0
"""longest wait for a new bridge; a busy controller makes steps wait"""
AGAIN_S: Final = 20.0
"""pause after a bridge that could not be made"""
RUN: Final = "--bridge"


class BridgeDown(ConnectionError):
    """There is no bridge to the server, and why."""


class Bridges:
    """The bridges of this host, as one process uses them."""

    def __init__(self, env: Mapping[str, str], log_dir: Path) -> None:
        self._env = env
        self._log_dir = log_dir
        self._starting: dict[BridgeTarget, asyncio.Lock] = {}
        self._failed: dict[BridgeTarget, tuple[float, str]] = {}
        """when and why a start failed; a bridge to a server that has ended leaves no word"""

    def word(self, target: BridgeTarget) -> Word | None:
        """What the bridge to `target` last said of itself on this host."""
        try:
            return parse_word(bridge_files(target).last_word())
        except OSError:
            return None

    def socket(self, target: BridgeTarget) -> str:
        """Return the path of the bridge's socket, whether there is one or not. Raises OSError if it has no place."""
        return str(bridge_files(target).socket)

    async def start(self, target: BridgeTarget, ways: Sequence[Way], instead: str = "") -> None:
        """Make sure that the bridge is there. Raises BridgeDown, OSError.

        `instead`: why nothing else reaches the server, which the bridge remembers.
        """
        path = bridge_files(target).socket
        async with self._starting.setdefault(target, asyncio.Lock()):
            if not await asyncio.to_thread(_is_served, path):
                await self._start(target, ways, instead)

    def has_just_failed(self, target: BridgeTarget) -> bool:
        """Whether no way led there a moment ago."""
        return bool(self._why_failed(target))

    def _why_failed(self, target: BridgeTarget) -> str:
        """Why no way led there a moment ago; empty if none failed."""
        word = self.word(target)
        if word is not None and not word.works:
            at, why = word.at, word.why
        else:
            at, why = self._failed.get(target, (0.0, ""))
        return why if 0 <= time.time() - at < AGAIN_S else ""

    async def _start(self, target: BridgeTarget, ways: Sequence[Way], instead: str) -> None:
        word = self.word(target)
        if why := self._why_failed(target):
            raise BridgeDown(why)
        instead = instead or (word.instead if word is not None else "")
        argv = [sys.executable, "-P", "-m", "jlab_tui", RUN, format_target(target)]
        ran = await run([*argv, ",".join(ways), str(self._log_dir), instead], self._env, START_S)
        if not ran.is_ok:
            why = (ran.err.strip().splitlines() or ["it did not start"])[-1]
            self._failed[target] = time.time(), why
            raise BridgeDown(why)
        self._failed.pop(target, None)


def _is_served(path: Path) -> bool:
    """Whether our own socket takes connections. Raises OSError if it is another's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        try:
            tried.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
