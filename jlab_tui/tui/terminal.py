"""What a program owes its terminal: colours in tmux, signals, crashes without locals, clipboard, title."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import MutableMapping
from typing import Any

from textual.app import App

log = logging.getLogger(__name__)


def prepare(env: MutableMapping[str, str]) -> None:
    """Correct variables that would spoil the screen. Call this before making the app.

    Inside tmux COLORTERM is empty, so Textual would use 256 colours; tmux itself reduces colours if its client needs it.
    After a resize Textual would trust an exported COLUMNS or LINES more than the terminal.
    """
    if env.get("TMUX") and not env.get("COLORTERM") and "NO_COLOR" not in env:
        env["COLORTERM"] = "truecolor"
    env.pop("COLUMNS", None)
    env.pop("LINES", None)


LEAVE_S = 3.0
"""longest time between a signal and the end of the process"""


class TerminalApp(App[int]):
    """An app that restores the terminal however it ends."""

    _leaving: threading.Timer | None = None

    def has_left(self) -> None:
        """Note that the terminal is restored; now the process may take its time."""
        if self._leaving is not None:
            self._leaving.cancel()

    async def on_event_loop_ready(self) -> None:
        """Let signals detach, and make errors in callbacks of the loop crashes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave_by_signal, int(number))
        loop.set_exception_handler(self._loop_failed)

    def _leave_by_signal(self, number: int) -> None:
        # A closed or stopped terminal can block Textual's last writes for ever.
        self._leaving = threading.Timer(LEAVE_S, os._exit, [128 + number])
        self._leaving.daemon = True
        self._leaving.start()
        self.exit(128 + number, return_code=128 + number)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            log.error("the event loop reports an error", exc_info=error)
            self._handle_exception(error)

    def _fatal_error(self) -> None:
        """Textual's own report prints the values of local variables; a token could be among them."""
        from rich.segment import Segments  # a tenth of the start-up time, only for a crash
        from rich.traceback import Traceback

        self.bell()
        log.critical("the dashboard crashed", exc_info=True)
        traceback = Traceback(show_locals=False, suppress=["textual", "rich"], max_frames=12)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by OSC 52 and to tmux's buffer: by default tmux ignores an application's OSC 52."""
        super().copy_to_clipboard(text)
        if os.environ.get("TMUX") and shutil.which("tmux"):
            self.run_worker(lambda: _to_tmux(text), thread=True, group="clipboard", exit_on_error=False)

    def set_pane_title(self, text: str) -> None:
        """Set the title of tmux's pane."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(f"\x1b]2;{text}\x1b\\")


def _to_tmux(text: str) -> None:
    try:
        subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode("utf-8", "replace"),
            timeout=2,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("tmux did not take the text: %s", error)
